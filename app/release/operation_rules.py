"""Operations: work that a call asks for and a worker does. Its states and refusals. Pure."""

from enum import StrEnum

from app.kit.refusal import Kind, Refusal


class OperationKind(StrEnum):
    """What is to be done."""

    INTEGRATION_RUN = "integration_run"
    RELEASE_RUN = "release_run"


class OperationState(StrEnum):
    """How far it is."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """Somebody else has to act first: `result.missing` says who and by which call."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


GOING = frozenset({OperationState.QUEUED, OperationState.RUNNING})
"""What a worker has, or will have, in hand; every other state is an end."""


class OperationOver(Refusal):
    """There is nothing left to be cancelled."""

    kind = Kind.CONFLICT
    code = "operation_over"
    title = "The operation is over"
    mend = "GET the operation: `state` and `result` say how it ended."


class NotYourOperation(Refusal):
    """Somebody else asked for it."""

    kind = Kind.FORBIDDEN
    code = "not_your_operation"
    title = "Not your operation"
    mend = "Ask who began it to cancel it."


class RunUnderWay(Refusal):
    """An endpoint is called by one run at a time, so that none measures the other."""

    kind = Kind.CONFLICT
    code = "run_under_way"
    title = "An endpoint of it is being tested"
    mend = "GET /v1/operations/{operation}?wait=30, or cancel it; then ask again."


class WorkerLost(Refusal):
    """Workers died over it, one after the other."""

    kind = Kind.UNAVAILABLE
    code = "worker_lost"
    title = "The work did not come to an end"
    mend = "Ask for it again; the server's log says what became of the workers."


class Faulted(Refusal):
    """A fault of ours."""

    kind = Kind.UNAVAILABLE
    code = "operation_fault"
    title = "The server failed"
    mend = "Ask for it again; the server's log holds the fault under the operation's id."
