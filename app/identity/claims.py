"""What a trust rule may ask of a token's claims. Pure.

Only ids that nobody else can take over are trusted. Names can be: a repository is renamed or
deleted, somebody else registers the name, and his token says the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from app.kit.refusal import Kind, Refusal

Value = str | int | bool


class Provider(StrEnum):
    """Who issues the tokens; each knows other claims."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GENERIC = "generic"


class UnstableClaims(Refusal):
    """A trust rule that somebody else's token would satisfy some day."""

    kind = Kind.INVALID
    code = "unstable_claims"
    title = "These claims do not say for sure who it is"
    mend = "Match ids that are never given twice: repository_id, repository_owner_id, project_id."


@dataclass(frozen=True, slots=True)
class _Claims:
    required: frozenset[str]
    further: frozenset[str]


_OF: dict[Provider, _Claims] = {
    Provider.GITHUB: _Claims(
        frozenset({"repository_id", "repository_owner_id"}),
        frozenset({"job_workflow_ref", "workflow_ref", "environment", "event_name", "ref"}),
    ),
    Provider.GITLAB: _Claims(
        frozenset({"project_id"}), frozenset({"ref_protected", "namespace_id", "environment"})
    ),
}
_REGISTERED = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
TOLD = (
    "repository_id", "repository", "ref", "workflow_ref", "run_id", "project_id", "project_path",
    "pipeline_id",
)  # fmt: skip
"""Claims that the audit log keeps of a token, where it has them."""


_ISSUERS = {
    "token.actions.githubusercontent.com": Provider.GITHUB,
    "gitlab.com": Provider.GITLAB,
}


def require_provider(provider: Provider, issuer: str) -> None:
    """Refuse to match a known issuer's tokens as if nothing were known of their claims."""
    known = _ISSUERS.get((urlsplit(issuer).hostname or "").rstrip("."))
    if known is not None and provider is not known:
        raise UnstableClaims(f"The tokens of {issuer} are matched as those of {known}.")


def require_stable(provider: Provider, claims: Mapping[str, Value]) -> None:
    """Refuse claims that do not tie a rule to one project for good."""
    if "sub" in claims:
        raise UnstableClaims(
            "sub is not matched: it is composed of names, and whoever takes over a name that was"
            " given up has the same sub.",
            claim="sub",
        )
    known = _OF.get(provider)
    if known is None:
        if not claims:
            raise UnstableClaims("A rule matches at least one claim beside issuer and audience.")
        if registered := sorted(claims.keys() & _REGISTERED):
            raise UnstableClaims(f"{registered[0]} says nothing of who it is.", claim=registered[0])
        return
    if missing := sorted(known.required - claims.keys()):
        raise UnstableClaims(f"A {provider} rule matches {missing[0]}.", claim=missing[0])
    if foreign := sorted(claims.keys() - known.required - known.further):
        raise UnstableClaims(f"A {provider} rule does not match {foreign[0]}.", claim=foreign[0])


def matches(wanted: Mapping[str, Value], told: Mapping[str, Any]) -> bool:
    """Say whether a token's claims are exactly what a rule asks for, types included."""
    return all(
        type(told.get(name)) is type(value) and told[name] == value
        for name, value in wanted.items()
    )


def traced(told: Mapping[str, Any]) -> dict[str, str]:
    """Return what the audit log keeps of a token's claims."""
    return {
        name: value[:200]
        for name in TOLD
        if isinstance(value := told.get(name), str) and "\0" not in value
    }
