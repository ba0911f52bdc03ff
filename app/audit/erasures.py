"""Whether what was erased was erased by the call that leaves an entry. Pure."""

from collections.abc import Iterable
from typing import Any

from app.audit.chain import Entry, Fault

ERASED = "principal.erased"
_ACTION, _PERSONAL = Entry._fields.index("action"), Entry._fields.index("personal")


class Erasures:
    """Compares entries without personal data with the erasures that the log tells of.

    An erasure covers what its principal did, and what is told in its own stream.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._gone: dict[tuple[str, str], int] = {}

    def take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Go on with the next entries, each as a row that begins with the fields of ``Entry``."""
        for row in rows:
            if row[_PERSONAL] is None or row[_ACTION] == ERASED:
                entry = Entry(*row[: len(Entry._fields)])
                if entry.body is not None:
                    gone = entry.personal is None
                    self.note(entry.stream, entry.seq, entry.actor_id, entry.action, gone=gone)

    def note(self, stream: str, seq: int, actor: str, action: str, *, gone: bool) -> None:
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
