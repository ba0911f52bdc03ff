"""Whether what was erased was erased by the call that leaves an entry. Pure."""

from app.audit.chain import Fault

ERASED = "principal.erased"


class Erasures:
    """Compares entries without personal data with the erasures that the log tells of.

    An erasure covers what its principal did, and what is told in its own stream.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._gone: dict[tuple[str, str], int] = {}

    def take(self, stream: str, seq: int, actor: str, action: str, *, gone: bool) -> None:
        """Go on with an entry; ``gone`` says that its personal data is."""
        if action == ERASED:
            self._told.add(stream)
        if gone:
            self._gone.setdefault((stream, f"principal:{actor}"), seq)

    def end(self) -> list[Fault]:
        """Return the first entry of each stream that was stripped by no erasure."""
        faults: dict[str, Fault] = {}
        for (stream, actor), seq in self._gone.items():
            known = faults.get(stream)
            if not {stream, actor} & self._told and (known is None or seq < known.seq):
                reason = "the personal data is gone and no erasure is told of"
                faults[stream] = Fault(stream, seq, reason)
        return list(faults.values())
