"""What an alert is, when it is one, and the life of its episodes. Pure."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.drift.rules import Thresholds
from app.kit.refusal import Invalid, Kind, Refusal
from app.telemetry import SCORE

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
    mend = "GET /v1/alerts/{alert_id} shows its episodes; a window still beyond makes it fire anew."


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


def begins_anew(here: State | None, what: Happening) -> bool:
    """Say whether a move begins an episode instead of going on with one."""
    return here not in STANDING and move(here, what) in STANDING


@dataclass(frozen=True, slots=True)
class Seen:
    """Of a window, what alerts are made of."""

    until: datetime
    n: int
    drifting: frozenset[str]
    severe: frozenset[str]
    placed: bool = True
    """Whether there is what inputs and scores are held against."""
    shifting: frozenset[str] = frozenset()
    """Variables that have certainly moved, however little."""
    beyond: frozenset[str] = frozenset()
    """Watched metrics that are worse than promised."""
    judged: bool = False
    """Whether enough outcomes are known to say so of any."""
    estimated: frozenset[str] = frozenset()
    """Watched metrics that are expected to be worse, of those that no outcomes say."""
    unforeseen: frozenset[str] = frozenset()
    """Those of which scores let nothing be expected."""
    concept: frozenset[str] = frozenset()
    """What stands changed for the worse."""
    unequal: frozenset[str] = frozenset()
    """Features of whose segments one is certainly too far from the rest."""
    compared: bool = False
    """Whether there were segments to be compared."""
    missed: frozenset[str] = frozenset()
    """Agreed KPIs that are missed."""
    gravely: frozenset[str] = frozenset()
    """Those of them that are missed by far, or surely."""
    measured: frozenset[str] = frozenset()
    """Agreed KPIs of which enough is known to say so."""


Names = Callable[[Seen], AbstractSet[str]]
Speaks = Callable[[Seen, Thresholds, str], bool]


@dataclass(frozen=True, slots=True)
class Signal:
    """One way for a window to be out of bounds: in what, how badly, and of what it could say so."""

    kind: AlertKind
    severity: Severity
    names: Names
    speaks: Speaks


def _full(seen: Seen, limits: Thresholds, _: str) -> bool:
    return seen.n >= limits.min_rows


def _held(seen: Seen, limits: Thresholds, _: str) -> bool:
    return seen.placed and seen.n >= limits.min_rows


def _foreseen(seen: Seen, limits: Thresholds, name: str) -> bool:
    return seen.n >= limits.min_rows and name not in seen.unforeseen


def _labelled(seen: Seen, _: Thresholds, __: str) -> bool:
    return seen.judged


def _compared(seen: Seen, _: Thresholds, __: str) -> bool:
    return seen.compared


def _measured(seen: Seen, _: Thresholds, name: str) -> bool:
    return name in seen.measured


_GRAVE = frozenset({ACCURACY, "mae", "rmse"})
"""Metrics that say how often, or how far, answers are wrong."""


SIGNALS: tuple[Signal, ...] = (
    Signal(AlertKind.DATA, Severity.NOTICE, lambda seen: seen.shifting - {SCORE}, _held),
    Signal(AlertKind.PREDICTION, Severity.NOTICE, lambda seen: seen.shifting & {SCORE}, _held),
    Signal(AlertKind.DATA, Severity.WARNING, lambda seen: seen.drifting - {SCORE}, _held),
    Signal(AlertKind.DATA, Severity.CRITICAL, lambda seen: seen.severe - {SCORE}, _held),
    Signal(AlertKind.PREDICTION, Severity.WARNING, lambda seen: seen.drifting & {SCORE}, _held),
    Signal(AlertKind.PREDICTION, Severity.CRITICAL, lambda seen: seen.severe & {SCORE}, _held),
    Signal(AlertKind.MATHEMATICAL, Severity.WARNING, lambda seen: seen.beyond, _labelled),
    Signal(AlertKind.ESTIMATED, Severity.WARNING, lambda seen: seen.estimated, _foreseen),
    Signal(AlertKind.CONCEPT, Severity.WARNING, lambda seen: seen.concept, _full),
    Signal(AlertKind.FAIRNESS, Severity.WARNING, lambda seen: seen.unequal, _compared),
    Signal(AlertKind.MATHEMATICAL, Severity.CRITICAL, lambda seen: seen.beyond & _GRAVE, _labelled),
    Signal(AlertKind.BUSINESS, Severity.WARNING, lambda seen: seen.missed, _measured),
    Signal(AlertKind.BUSINESS, Severity.CRITICAL, lambda seen: seen.gravely, _measured),
)  # fmt: skip
"""A kind or a severity more is a line more here."""

Subject = tuple[AlertKind, str]


def out_of_bounds(seen: Seen, limits: Thresholds) -> dict[AlertKind, int]:
    """Return of each kind how much is out of its bounds; nothing of what cannot be said."""
    return {
        signal.kind: len(signal.names(seen))
        for signal in SIGNALS
        if signal.severity is Severity.WARNING
        and any(signal.speaks(seen, limits, name) for name in seen.measured or ("",))
    }


def lasting(history: Sequence[Seen], limits: Thresholds) -> dict[Subject, Severity]:
    """Return what is out of bounds for good after the last window, at its worst; oldest first."""
    found: dict[Subject, Severity] = {}
    for signal in SIGNALS:
        named = [signal.names(seen) for seen in history]
        for name in set().union(*named):
            # Labels come late: of the newest windows that could say it.
            spoken = [
                name in names
                for names, seen in zip(named, history, strict=True)
                if signal.speaks(seen, limits, name)
            ]
            if sum(spoken[-limits.of :]) >= limits.hits:
                key = (signal.kind, name)
                found[key] = max(signal.severity, found.get(key, signal.severity), key=_rank)
    return found


def _rank(severity: Severity) -> int:
    return severity.rank


def spoken(history: Sequence[Seen], subject: Subject, limits: Thresholds) -> list[Seen]:
    """Return the windows that could say something of a subject; oldest first."""
    kind, name = subject
    signals = [signal for signal in SIGNALS if signal.kind is kind]
    return [seen for seen in history if any(one.speaks(seen, limits, name) for one in signals)]


def recovered(
    history: Sequence[Seen], subject: Subject, limits: Thresholds, since: datetime
) -> bool:
    """Say whether a subject was back for ``of`` windows in a row, all later than ``since``.

    Back is not persistent: so it takes as long to be believed as it took to be missed, and more.
    A window that could not say, for want of rows or labels, says neither.
    """
    said = spoken(history, subject, limits)
    later = [place for place, seen in enumerate(said) if seen.until > since][-limits.of :]
    return len(later) == limits.of and not any(
        subject in lasting(said[: place + 1], limits) for place in later
    )
