"""Resolvers that answer as a test wants them to."""

from collections.abc import Sequence

from app.platform.outbound import Outbound, Resolve
from app.platform.settings import Settings

STRICT, NEAR = Settings(), Settings(outbound_loopback=True)
NAME = "models.example.com"


def answering(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """A resolver that answers differently each time, and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


def outbound(settings: Settings, *answers: Sequence[str]) -> Outbound:
    return Outbound(settings, resolve=answering(*answers)[0])
