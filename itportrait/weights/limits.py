"""How much one foreign file of weights may make its reader keep, checked before anything is
kept."""

from itportrait.errors import CheckpointError

_MIB = 1 << 20
MOST_STEPS = 500_000
"""Largest number of instructions that the pickles of one file may have; published files have a
tenth of it."""
_TEXT = 16 * _MIB
_ODD_KEYS = 10_000
_SPARE = 128 * _MIB


class Limits:
    """Allowance of one file; whoever keeps something takes it out of it first.

    A reader takes at most twice the file and 512 MB: decoded storages and the tensors cut from
    them may each have the file's size and 128 MB, and what the instructions of its pickles leave
    behind has the rest.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self.steps = MOST_STEPS
        self.text = _TEXT
        self.odd_keys = _ODD_KEYS
        self._storages = self._tensors = size + _SPARE

    def take_steps(self, count: int = 1) -> None:
        """Count instructions of a pickle, or values that one of them copies.

        Raises:
            CheckpointError: there are more than such files have.
        """
        self.steps -= count
        if self.steps < 0:
            raise CheckpointError(f"its pickles have more than {MOST_STEPS} instructions")

    def take_text(self, count: int) -> None:
        """Count the bytes of a text.

        Raises:
            CheckpointError: the file has more text than names and settings need.
        """
        self.text -= count
        if self.text < 0:
            raise CheckpointError(f"its names and texts have more than {_TEXT // _MIB} MB")

    def take_odd_key(self) -> None:
        """Count a key of a dictionary that is not a text.

        Raises:
            CheckpointError: there are so many that they could be made to collide.
        """
        self.odd_keys -= 1
        if self.odd_keys < 0:
            raise CheckpointError(f"its dictionaries have more than {_ODD_KEYS} keys of numbers")

    def take_storage(self, count: int) -> None:
        """Count the bytes of a storage.

        Raises:
            CheckpointError: the storages expand to far more than the file.
        """
        self._storages -= count
        if self._storages < 0:
            raise CheckpointError("its storages expand to far more bytes than the file has")

    def take_tensor(self, count: int) -> None:
        """Count the bytes of a tensor.

        Raises:
            CheckpointError: the tensors claim far more than the file.
        """
        self._tensors -= count
        if self._tensors < 0:
            raise CheckpointError("its tensors claim far more bytes than the file has")
