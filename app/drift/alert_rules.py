"""What an alert is, when it is one, and the life of its episodes. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.drift.fairness import Rate
from app.drift.rules import Thresholds
from app.kit.refusal import Invalid, Kind, Refusal

ACCURACY = "accuracy"
MOST_SILENT_HOURS = 720


class AlertKind(StrEnum):
    """Which drift an alert speaks of."""

    DATA = "data"
    PREDICTION = "prediction"
    MATHEMATICAL = "mathematical"
    ESTIMATED = "estimated"
    """A metric that no label has confirmed yet, as scores alone let it be expected."""
    CONCEPT = "concept"
    """Errors, or their sign, changed for the worse at a moment that can be named."""
    FAIRNESS = "fairness"
    """A segment is treated otherwise than the rest, by more than the monitor allows."""
    BUSINESS = "business"
    """An agreed KPI is missed: the version does not bring what it was to bring."""


class Severity(StrEnum):
    """How much an alert asks of whoever hears it, from the least to the most."""

    NOTICE = "notice"
    """Certain and small: to be known, not to be woken for."""
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Where it stands among the others; the worst is the greatest."""
        return list(Severity).index(self)


class State(StrEnum):
    """Where an episode is in its life."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


STANDING = frozenset({State.FIRING, State.ACKNOWLEDGED})
"""States of an episode that is not over."""


class Happening(StrEnum):
    """What moves an episode."""

    BEYOND = "beyond"
    """A window closed, and the subject is out of its bounds for good."""
    WORSENED = "worsened"
    """The same, and more severely than before."""
    EASED = "eased"
    """So many windows in a row say that it is less severe, and that it is still there."""
    RECOVERED = "recovered"
    """So many windows in a row say that it is back."""
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    LEFT = "version_left"
    """The version has no seat at the decision point any more."""
    LAPSED = "lapsed"
    """Nothing looks at the subject any more: no window will say that it is back."""


class Ending(StrEnum):
    """Why an episode is over."""

    RECOVERED = "recovered"
    BY_HAND = "by_hand"
    VERSION_LEFT = "version_left"
    LAPSED = "lapsed"
    """Nothing looks at it any more, and why its reason says."""


_KEPT = {
    Happening.RECOVERED: Ending.RECOVERED,
    Happening.RESOLVE: Ending.BY_HAND,
    Happening.LEFT: Ending.VERSION_LEFT,
    # A word that the release before can read: by hand, and by nobody's.
    Happening.LAPSED: Ending.BY_HAND,
}


def kept(what: Happening) -> Ending:
    """Return how the end of an episode is kept."""
    return _KEPT[what]


def ending_of(ending: Ending | None, resolved_by: object | None) -> Ending | None:
    """Return why an episode is over, of how that is kept and whose word it was."""
    lapsed = ending is Ending.BY_HAND and resolved_by is None
    return Ending.LAPSED if lapsed else ending


NEXT: Mapping[tuple[State | None, Happening], State] = {
    (None, Happening.BEYOND): State.FIRING,
    (State.RESOLVED, Happening.BEYOND): State.FIRING,
    (State.FIRING, Happening.BEYOND): State.FIRING,
    (State.ACKNOWLEDGED, Happening.BEYOND): State.ACKNOWLEDGED,
    # Who has looked at something harmless has not looked at this.
    (State.FIRING, Happening.WORSENED): State.FIRING,
    (State.ACKNOWLEDGED, Happening.WORSENED): State.FIRING,
    (State.FIRING, Happening.EASED): State.FIRING,
    (State.ACKNOWLEDGED, Happening.EASED): State.ACKNOWLEDGED,
    (State.FIRING, Happening.ACKNOWLEDGE): State.ACKNOWLEDGED,
    **{
        (here, what): State.RESOLVED
        for here in STANDING
        for what in (Happening.RECOVERED, Happening.RESOLVE, Happening.LEFT, Happening.LAPSED)
    },
}
"""The whole machine: from nothing, or from a resolved episode, what is beyond begins a new one."""


class AlertOver(Refusal):
    """What is resolved is neither acknowledged nor resolved."""

    kind = Kind.CONFLICT
    code = "alert_over"
    title = "The alert is resolved"
    mend = "GET /v1/alerts/{alert_id} shows its episodes; a later window beyond makes it fire anew."


class AlreadyAcknowledged(Refusal):
    """Somebody looks at it already: who, and since when, the alert says."""

    kind = Kind.CONFLICT
    code = "already_acknowledged"
    title = "The alert is acknowledged"
    mend = "GET /v1/alerts/{alert_id} names who did; POST its path with :resolve ends it."


class SilenceOver(Refusal):
    """A silence ends once."""

    kind = Kind.CONFLICT
    code = "silence_over"
    title = "The silence is over"
    mend = "POST /v1/silences begins another."


class SilencesEverything(Invalid):
    """A silence that matched everything would be heard by nobody."""

    code = "silences_everything"
    title = "A silence has to name something"
    mend = "Name at least one of decision_point, model, version (with model), kind, subject."


_UNNAMED = {"alert_id": "{alert_id}"}
"""Which alert it is, whoever asked for the move fills in."""


def move(here: State | None, what: Happening) -> State:
    """Return where an episode goes; refuse what its state does not allow."""
    found = NEXT.get((here, what))
    if found is not None:
        return found
    if here is State.ACKNOWLEDGED:
        raise AlreadyAcknowledged("The alert was acknowledged before.", filled=_UNNAMED)
    raise AlertOver("The alert is not firing.", filled=_UNNAMED)


def untold(
    told: tuple[Severity, State] | None, severity: Severity, state: State
) -> list[Happening]:
    """Return what is to be told of an episode that stands, in its order, of what was last told.

    Of what has come and gone since, as under a silence, nothing is.
    """
    if told is None:
        found, taken = [Happening.BEYOND], False
    else:
        before, there = told
        rise = severity.rank - before.rank
        found = [Happening.WORSENED if rise > 0 else Happening.EASED] if rise else []
        # Who is told that it is worse takes it for one that nobody looks at.
        taken = there is State.ACKNOWLEDGED and rise <= 0
    if state is State.ACKNOWLEDGED and not taken:
        found.append(Happening.ACKNOWLEDGE)
    return found


def begins_anew(here: State | None, what: Happening) -> bool:
    """Say whether a move begins an episode instead of going on with one."""
    return here not in STANDING and move(here, what) in STANDING


Subject = tuple[AlertKind, str]


class Voice(NamedTuple):
    """What a window may say something of: a subject, and in what way if there are several."""

    kind: AlertKind
    name: str
    way: str = ""

    @property
    def subject(self) -> Subject:
        """Return what an alert is about; two voices may be about one."""
        return self.kind, self.name


_WAYS: Mapping[AlertKind, tuple[str, ...]] = {
    # Labels, and with them one of the rates, may be months behind the other.
    AlertKind.FAIRNESS: ("", *(rate.value for rate in Rate)),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """Of a window, what alerts are made of."""

    until: datetime
    could: AbstractSet[Voice] = frozenset()
    """What it could say something of: it had the rows, and what they are held against."""
    beyond: Mapping[Voice, Severity] = field(default_factory=dict)
    """What of that is out of its bounds, and how far."""
    examined_at: datetime | None = None


Said = list[tuple[datetime, Severity | None]]
"""What windows that could say it say of one voice, by their ends; oldest first."""


def lasting(history: Sequence[Seen], limits: Thresholds) -> dict[Subject, Severity]:
    """Return what is out of bounds for good after the last window, at its worst; oldest first."""
    subjects = {voice.subject for seen in history for voice in seen.beyond}
    found = {one: lasts(history, one, limits) for one in subjects}
    return {one: severity for one, severity in found.items() if severity is not None}


def lasts(history: Sequence[Seen], subject: Subject, limits: Thresholds) -> Severity | None:
    """Return the worst that ``hits`` of the newest ``of`` windows that could say so say."""
    found: Severity | None = None
    for said in _said(history, subject):
        recent = [severity for _, severity in said[-limits.of :]]
        for severity in Severity:
            hits = sum(one is not None and one.rank >= severity.rank for one in recent)
            if hits >= limits.hits:
                found = _worst(found, severity)
    return found


def left(
    history: Sequence[Seen],
    subject: Subject,
    limits: Thresholds,
    since: datetime,
    severity: Severity,
) -> Severity | None:
    """Return how severe what stands is still; nothing, once it has recovered.

    It comes down once ``of`` windows in a row, all later than ``since``, say less, and to what the
    worst of them says. A window that could not say, for want of rows or labels, says neither.
    """
    voices = _said(history, subject)
    if not any(sum(until > since for until, _ in said) >= limits.of for said in voices):
        return severity
    recent = [one for said in voices for _, one in said[-limits.of :]]
    worst = _worst(*recent)
    return severity if worst is not None and worst.rank > severity.rank else worst


def spoken(history: Sequence[Seen], subject: Subject, *, beyond: bool = False) -> datetime | None:
    """Return the end of the newest window that says something of a subject, or that it is beyond.

    Nothing, where none does. Labels come late: it need not be the last.
    """
    ends = [
        until
        for said in _said(history, subject)
        for until, severity in said
        if severity is not None or not beyond
    ]
    return max(ends, default=None)


_OF_OUTCOMES = frozenset({AlertKind.MATHEMATICAL, AlertKind.FAIRNESS, AlertKind.BUSINESS})


def completed(newest: Seen, older: Sequence[Seen]) -> Seen:
    """Return what the newest window says, and what older ones do of outcomes where it cannot.

    Those are given newest first.
    """
    could, beyond = set(newest.could), dict(newest.beyond)
    for seen in older:
        more = {voice for voice in seen.could - could if voice.kind in _OF_OUTCOMES}
        could |= more
        beyond |= {voice: far for voice, far in seen.beyond.items() if voice in more}
    return Seen(newest.until, could, beyond, newest.examined_at)


def out_of_bounds(seen: Seen) -> dict[AlertKind, int]:
    """Return of each kind how much is out of its bounds; nothing of what cannot be said.

    What is a notice is not.
    """
    kinds = {voice.kind for voice in seen.could}
    far = {
        voice.subject
        for voice, severity in seen.beyond.items()
        if severity.rank >= Severity.WARNING.rank
    }
    return {kind: sum(of is kind for of, _ in far) for kind in kinds}


def _said(history: Sequence[Seen], subject: Subject) -> list[Said]:
    """Return what each voice of a subject says."""
    kind, name = subject
    voices = [Voice(kind, name, way) for way in _WAYS.get(kind, ("",))]
    return [
        [(seen.until, seen.beyond.get(voice)) for seen in history if voice in seen.could]
        for voice in voices
    ]


def _worst(*found: Severity | None) -> Severity | None:
    return max(found, key=lambda one: -1 if one is None else one.rank, default=None)
