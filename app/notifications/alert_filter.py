"""Which alerts a receiver is told of, of those whose types it asked for. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

ALERTS = "drift.alert."
Severity = Literal["notice", "warning", "critical"]
Kind = Literal["data", "prediction", "mathematical", "estimated", "concept", "fairness", "business"]
SEVERITIES: tuple[Severity, ...] = ("notice", "warning", "critical")
"""From the least to the most."""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """From which severity on, of which kinds, at which decision points; nothing is all of them."""

    severity: Severity = "notice"
    kinds: Collection[str] | None = None
    points: Collection[str] | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """Return it as it is stored; who said nothing is told of all."""
        return cls(**stored) if stored else cls()

    def passes(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Say whether an event is told; what is no alert, or does not say, is."""
        if not kind.startswith(ALERTS):
            return True
        # Who heard of the worst hears that it eased, and that it is over.
        severity = data.get("worst", data.get("severity"))
        return (
            (severity not in SEVERITIES or self._rank(severity) >= self._rank(self.severity))
            and _among(data.get("kind"), self.kinds)
            and _among(data.get("point"), self.points)
        )

    @staticmethod
    def _rank(severity: Any) -> int:
        return SEVERITIES.index(severity)


def _among(said: str | None, wanted: Collection[str] | None) -> bool:
    return said is None or wanted is None or said in wanted
