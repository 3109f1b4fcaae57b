"""The governor: bounds the tasks in flight while nodes are short of memory.

Every task that is lost to memory halves what may be in flight, down to one, and is followed by a
pause that grows; every task that ends well gives one place back.
"""

from itportrait.errors import ItportraitError
from itportrait.execution.executor import SYSTEM_CLOCK, Clock
from itportrait.io.memory import GIB, Room

ROOM = Room(share=0.1, most=2 * GIB)
"""Free memory that a task waits for while nodes are short of it."""
ROOM_TO_SPARE = Room(share=0.25, most=16 * GIB)
"""Free memory at which the loss of a task that runs alone is blamed on its records."""


class NoMemoryError(ItportraitError):
    """Nodes stay short of memory although nothing of this job takes any."""


class Governor:
    """Bounds the tasks in flight.

    Args:
        most: tasks in flight in peace.
        patience_s: seconds without a single good end after which waiting for memory is given up.
        first_pause_s: pause after a first loss to memory; it doubles with each further one.
        longest_pause_s: bound of the pause.
        clock: time.
    """

    def __init__(
        self,
        most: int,
        *,
        patience_s: float,
        first_pause_s: float = 1.0,
        longest_pause_s: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.most, self.limit = most, most
        self.patience_s, self.clock = patience_s, clock
        self.first_pause_s, self.longest_pause_s = first_pause_s, longest_pause_s
        self._losses = 0
        """Without a good end in between."""
        self._until = 0.0
        self._short_since: float | None = None

    @property
    def strained(self) -> bool:
        """Tell whether fewer tasks than usual may be in flight, so that tasks ask for room."""
        return self.limit < self.most or self._losses > 0

    @property
    def pause_s(self) -> float:
        """Return the seconds for which nothing more may be submitted."""
        return max(self._until - self.clock.monotonic(), 0.0)

    def lost(self, in_flight: int) -> float:
        """Count a task that was lost to memory, with others in flight, and return the pause."""
        self.limit = max(min(self.limit, in_flight) // 2, 1)
        return self._pause()

    def no_room(self, reason: str) -> float:
        """Count a task that found too little memory to begin, and return the pause.

        Raises:
            NoMemoryError: that has gone on for too long.
        """
        pause = self._pause()
        waited = self.clock.monotonic() - (self._short_since or 0.0)
        if waited > self.patience_s:
            raise NoMemoryError(
                f"nodes have been short of memory for {waited:.0f} s while nothing of this job "
                f"could run ({reason}); what is committed stays: end what else takes memory, or "
                "use larger nodes, and run the same command again"
            )
        return pause

    def had_room(self) -> None:
        """Note that a task ran, whatever ended it: nodes are not short of memory."""
        self._short_since = None

    def ended_well(self) -> None:
        """Note that a task has done its work."""
        self._losses, self._short_since, self._until = 0, None, 0.0
        self.limit = min(self.limit + 1, self.most)

    def _pause(self) -> float:
        now = self.clock.monotonic()
        if self._short_since is None:
            self._short_since = now
        pause = min(self.first_pause_s * 2**self._losses, self.longest_pause_s)
        self._losses = min(self._losses + 1, 16)
        self._until = max(self._until, now + pause)
        return pause
