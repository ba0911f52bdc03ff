"""Facts told inside one process and one transaction.

A lower context publishes what happened; a higher one, bound by the composition root, reacts in
the same transaction. Nothing is global: the bus travels in ``session.info``.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact in the past tense; ``type`` is its stable public name."""

    type: ClassVar[str]

    tenant_id: UUID


Handler = Callable[[AsyncSession, Any], Awaitable[None]]
Keeper = Callable[[AsyncSession, Sequence[Event]], Awaitable[None]]


class Bus:
    """Who reacts to what."""

    def __init__(self) -> None:
        self._handlers: dict[type[Event], list[Handler]] = defaultdict(list)
        self._keepers: list[Keeper] = []
        self.answers: dict[type[Question[Any]], Callable[[AsyncSession, Any], Awaitable[Any]]] = {}

    def subscribe(self, event: type[Event], handler: Handler) -> None:
        """Call ``handler`` for every ``event`` (or subclass) published from now on."""
        self._handlers[event].append(handler)

    def keep(self, keeper: Keeper) -> None:
        """Give ``keeper`` every event from now on, after those who react; several at once."""
        self._keepers.append(keeper)

    def answer(
        self, question: "type[Question[T]]", how: Callable[[AsyncSession, Any], Awaitable[T | None]]
    ) -> None:
        """Have ``how`` answer every such question."""
        self.answers[question] = how

    async def publish(self, session: AsyncSession, events: Sequence[Event]) -> None:
        """Tell every subscriber, in order of subscription, within the caller's transaction."""
        for event in events:
            for kind in type(event).__mro__:
                for handler in self._handlers.get(kind, ()):
                    await handler(session, event)
        for keeper in self._keepers:
            await keeper(session, events)


class Question(Generic[T]):
    """What a lower context has to ask of a higher one; the composition root binds the answer."""


async def ask(session: AsyncSession, question: "Question[T]") -> T | None:
    """Return the answer to a question, or nothing where nobody was bound to answer it."""
    bus: Bus = session.info["bus"]
    answer = bus.answers.get(type(question))
    return None if answer is None else await answer(session, question)


async def publish(session: AsyncSession, *events: Event) -> None:
    """Publish on the bus this session was opened with."""
    bus: Bus = session.info["bus"]
    await bus.publish(session, events)
