"""What a pack is: a complete policy to start from, and how its gates are written down."""

from dataclasses import dataclass

from app.gates.policy import GATES, Gate, Policy, Quorum, Rule, Severity, WayOut
from app.kit.canonical import digest

_COMMITTED = "activation.management_and_governance"
BEFORE_COMMIT = frozenset(
    {
        _COMMITTED,
        "activation.model_activation",
        "activation.model_deployment",
    }
)


@dataclass(frozen=True, slots=True)
class Pack:
    """A policy under a name; ``source`` says what its rules cite."""

    name: str
    title: str
    description: str
    source: str | None
    body: Policy

    @property
    def rules(self) -> int:
        """How many rules it holds."""
        return sum(len(gate.rules) for gate in self.body.gates.values())

    @property
    def digest(self) -> str:
        """The digest the policy has once it is saved."""
        return digest(self.body.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Cited:
    """Writes rules that cite one source, its sections named in short."""

    source: str

    def __call__(
        self,
        name: str,
        when: str,
        reason: str,
        *sections: str,
        owner: str,
        severity: Severity = Severity.BLOCK,
        path: WayOut | None = None,
    ) -> Rule:
        """Return a rule whose citations are the source's sections."""
        return Rule(
            name=name,
            when=when,
            reason=reason,
            severity=severity,
            path=path,
            owner=owner,
            cites=tuple(f"{self.source} {section}" for section in sections),
        )


def every_gate(
    rules: dict[str, tuple[Rule, ...]],
    *,
    revalidate_days: int,
    approval_days: int,
    committee: int = 1,
) -> Policy:
    """Return the policy that requires every step, with these rules.

    So many members of the committee agree to what goes into production, for so long. No hurry is a
    reason to take an unchallenged model for a valid one.
    """
    return Policy(
        revalidate_days=revalidate_days,
        gates={
            gate: Gate(
                required=True,
                before_commit=gate in BEFORE_COMMIT or not gate.startswith("activation."),
                rules=rules[gate],
                approval_days=approval_days,
                emergencies=not gate.startswith("validation."),
                quorum=(Quorum(role="committee", count=committee),) if gate == _COMMITTED else (),
            )
            for gate in sorted(GATES)
        },
    )
