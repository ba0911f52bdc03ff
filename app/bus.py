"""The bus, composed: who hears of what, and who answers what is asked."""

from app import (
    activation,
    catalog,
    drift,
    gates,
    identity,
    kpi,
    notifications,
    release,
    routing,
    telemetry,
)
from app.platform.events import Bus


def make_bus() -> Bus:
    """Return the bus with every subscriber of the house."""
    bus = Bus()
    bus.subscribe(identity.TenantCreated, identity.seed_rights)
    bus.subscribe(identity.TenantCreated, telemetry.make_key)
    bus.subscribe(identity.TenantCreated, gates.seed_policies)
    for carry_out in (
        gates.apply_policy,
        gates.apply_rights,
        gates.grant_waiver,
        gates.apply_grant,
        gates.apply_tier,
        routing.apply_plan,
        routing.apply_fallback,
        kpi.apply_kpi,
        kpi.apply_kpi_scope,
        drift.apply_monitor,
        activation.apply_guardrail,
    ):
        bus.subscribe(gates.ChangeApproved, carry_out)
    bus.subscribe(catalog.VersionForked, telemetry.inherit_baseline)
    bus.subscribe(catalog.InstanceMade, routing.hold_pinned)
    bus.subscribe(catalog.InstanceEnded, routing.hold_pinned)
    bus.subscribe(kpi.KpiWithdrawn, release.lapse_withdrawn)
    bus.subscribe(release.VersionMoved, activation.reconsider)
    bus.answer(notifications.PointsNamed, catalog.keys_of)
    bus.answer(identity.GrantWanted, gates.ask_grant)
    bus.answer(gates.BaselineInForce, telemetry.baseline_in_force)
    bus.answer(gates.Shapers, telemetry.shapers)
    bus.answer(gates.KpisInForce, kpi.kpis_in_force)
    bus.answer(gates.MonitorInForce, drift.monitor_in_force)
    bus.answer(gates.GuardrailsInForce, activation.guardrails_in_force)
    bus.answer(kpi.GuardrailsAsking, activation.guardrails_asking)
    bus.answer(gates.PlanInForce, routing.plan_in_force)
    bus.answer(drift.Serving, routing.serves)
    bus.answer(kpi.Champions, routing.champions)
    bus.answer(drift.Planning, routing.planned)
    bus.answer(drift.KpisOver, release.kpis_over)
    bus.answer(drift.KpiToDraw, release.kpi_drawn)
    bus.answer(drift.KpisAgreed, release.kpis_agreed)
    bus.answer(telemetry.ReleasesEnded, release.releases_ended)
    bus.answer(routing.CausesStanding, activation.causes_standing)
    bus.subscribe(routing.ChampionChanged, activation.reexamine)
    bus.keep(notifications.keep)
    return bus
