"""The steps of the cycle, in the framework's words and order."""

from enum import StrEnum


class CaseKind(StrEnum):
    """What a case is about."""

    VALIDATION = "validation"
    RELEASE = "release"
    ACTIVATION = "activation"


RELEASED = "released"
"""The result of a release that was passed."""
VOIDED = "voided"
"""The result of one that was passed before its version was sent back."""


class ValidationStep(StrEnum):
    """The bridge from development."""

    BUSINESS = "business_validation"
    TECHNICAL = "technical_validation"


class ReleaseStep(StrEnum):
    """The release phase: test the model in business conditions, inside a guarded perimeter."""

    MODEL_RELEASE = "model_release"
    ENDPOINT_IDENTIFICATION = "endpoint_identification"
    PARAMETER_TESTING = "parameter_testing"
    INTEGRATION_TESTING = "integration_testing"
    INSTANTIATION_VALIDATION = "instantiation_validation"
    KPI_VALIDATION = "kpi_validation"


class ActivationStep(StrEnum):
    """The activation phase: operate the model in real business conditions."""

    GOVERNANCE = "management_and_governance"
    MODEL_ACTIVATION = "model_activation"
    DEPLOYMENT = "model_deployment"
    APPLICATION_INTEGRATION = "application_integration"
    PRODUCTION_AUDIT = "production_audit_procedures"
    TRACKING = "model_tracking_behaviour"
    KPI_VALIDATION = "kpi_validation"


STEPS: dict[CaseKind, tuple[str, ...]] = {
    CaseKind.VALIDATION: tuple(ValidationStep),
    CaseKind.RELEASE: tuple(ReleaseStep),
    CaseKind.ACTIVATION: tuple(ActivationStep),
}
