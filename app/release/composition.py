"""What an ensemble is made of: as the catalogue says, wherever it says so. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.kit.refusal import Invalid
from app.release.contribution import Priced, contributions, lacking
from app.release.instantiation import Combiner, influence


class NotItsMembers(Invalid):
    """The scores are not those of what the ensemble is made of."""

    code = "not_its_members"
    title = "Not what the ensemble is made of"
    mend = (
        "Send scores of every member as GET /v1/models/{name}/versions/{number}/members names it,"
        " `model@number`, and neither weights nor combiner: they are the version's."
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """What somebody sent of an ensemble: by member its weight, if he says one, and its scores."""

    members: Mapping[str, tuple[float | None, list[float]]]
    combiner: Combiner | None


@dataclass(frozen=True, slots=True)
class Composition:
    """What the catalogue says of an ensemble; no combiner where it is none that is known here."""

    of_version: Mapping[str, Any]
    """The ensemble's ``name`` and ``number``."""
    weights: Mapping[str, float]
    combiner: Combiner | None

    @classmethod
    def of(
        cls,
        version: Mapping[str, Any],
        specifics: Mapping[str, Any],
        members: Sequence[Mapping[str, Any]],
    ) -> "Composition":
        """Return the composition of a version by its specifics and its members."""
        how = specifics["combiner"]
        return cls(
            version,
            {f"{one['model']}@{one['version']}": one["weight"] or 1.0 for one in members},
            Combiner(how) if how in set(Combiner) else None,
        )

    def require(self, sent: Sent) -> None:
        """Refuse other members, other weights and another combiner than the ensemble's."""
        missing = sorted(self.weights.keys() - sent.members.keys())
        foreign = sorted(sent.members.keys() - self.weights.keys())
        if missing or foreign:
            raise NotItsMembers(
                "; ".join(
                    f"{what}: {', '.join(names[:10])}"
                    for what, names in (("not sent", missing), ("no member", foreign))
                    if names
                ),
                missing=missing,
                foreign=foreign,
                filled=self.of_version,
            )
        other = sorted(
            name
            for name, (weight, _) in sent.members.items()
            if weight is not None and weight != self.weights[name]
        )
        if other:
            raise NotItsMembers(
                f"Not the version's weight: {', '.join(other[:10])}.",
                other=other,
                filled=self.of_version,
            )
        if self.combiner and sent.combiner not in {None, self.combiner}:
            raise NotItsMembers(
                f"The version combines by {self.combiner}, not {sent.combiner}.",
                filled=self.of_version,
            )


def weighed(
    sent: Sent,
    composed: Composition | None,
    labels: list[float] | None,
    priced: Priced | None = None,
) -> dict[str, Any]:
    """Return what each member weighs and, with labels, contributes; and whose composition it is.

    A way of combining that is not known here cannot be repeated without a member: what is said of
    it is then the sender's approximation.
    """
    weights = (
        composed.weights
        if composed
        else {name: weight or 1.0 for name, (weight, _) in sent.members.items()}
    )
    known = composed.combiner if composed else None
    scores = {
        name: np.array(scores, dtype=np.float64) for name, (_, scores) in sent.members.items()
    }
    how = known or sent.combiner or Combiner.MEAN
    found = influence(scores, weights, how)
    truth = None if labels is None else np.array(labels, dtype=np.float64)
    parts = None if truth is None else contributions(scores, weights, how, truth, priced)
    return {
        **found,
        "contributions": parts,
        "contributions_lacking": lacking(len(sent.members), labelled=truth is not None),
        "composed_by": "catalogue" if known else "sender",
    }
