"""How many bytes of bodies a process holds at a time: what would be more is sent away at once."""

from threading import Lock

from app.kit.refusal import Overloaded


class InFlight:
    """Counts the bytes of bodies from their first one until their call is answered.

    What is held is counted, not what was announced: who announces much and sends nothing keeps
    nobody out.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        # Bodies are unpacked in a thread.
        self._lock = Lock()

    def hold(self) -> "Hold":
        """Begin to hold a body; who does so releases it."""
        return Hold(self)

    def require_room(self, size: int) -> None:
        """Refuse a body of which it is known that it does not fit beside the others."""
        if self.held + size > self.most:
            self.refuse()

    def change(self, size: int) -> int:
        """Hold so many bytes more or fewer; return how many there are."""
        with self._lock:
            self.held += size
            return self.held

    def refuse(self) -> None:
        """Say that there is no room."""
        raise Overloaded(
            f"This process holds {self.most} bytes of bodies at most, and has no room for more.",
            limit=self.most,
        )


class Hold:
    """What is held of one body."""

    def __init__(self, flight: InFlight) -> None:
        self._flight = flight
        self._size = 0

    def add(self, size: int) -> None:
        """Hold some bytes more, if there is room."""
        self._size += size
        if self._flight.change(size) > self._flight.most:
            self._flight.refuse()

    def release(self) -> None:
        """Hold nothing any more."""
        self._flight.change(-self._size)
        self._size = 0
