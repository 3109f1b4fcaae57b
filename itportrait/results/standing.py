"""Files that are made once: a marker beside them has the fingerprint of what they were made of."""

from dataclasses import dataclass
from typing import Any

from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call, Executor
from itportrait.io import uris


@dataclass(frozen=True)
class Marker:
    """The mark of files that were made.

    The files stand while the marker bears the fingerprint of what they would be made of now. It is
    written after them.

    Args:
        uri: where it is.
        fingerprint: digest of all that determines the files.
    """

    uri: str
    fingerprint: str

    def read(self) -> dict[str, Any] | None:
        """Return what the marker says if the files stand, else None."""
        content = uris.read_json(self.uri)
        return content if content and content.get("fingerprint") == self.fingerprint else None

    @property
    def stands(self) -> bool:
        """Tell whether these very files have been made already."""
        return self.read() is not None

    def write(self, **about: Any) -> None:
        """Mark the files as made, and say something about them.

        Raises:
            OutputError: no space or no permission; names the path.
        """
        uris.put_bytes(self.uri, uris.to_json({"fingerprint": self.fingerprint, **about}))

    def lift(self) -> None:
        """Remove the mark before the files are made anew."""
        uris.remove(self.uri)


def make_once(marker: Marker, executor: Executor, call: Call) -> None:
    """Run a call that makes and marks files, unless they stand.

    Raises:
        ItportraitError: the call was lost again and again, or what it raised.
        OSError: storage failed again and again.
    """
    if not marker.stands:
        run_patiently(executor, call)
