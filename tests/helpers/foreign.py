"""Names that reach for files of others, and a watch over what they could reach."""

import contextlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

SECRET = b"the content of a file that nobody named"

_PLAIN = ("weights", "card.md", "references", "000.png", "model.json", "adapter.safetensors", "v1")
_ODD = (
    *("", " ", ".", "..", "...", "a.", "a ", "~", "~root", "-rf", "con", "NUL.txt", "lpt1", "."),
    *("C:", "C:\\", "\\\\host\\share", "..\\..\\x", "a\\b", "a:b", "a::b", "file://", "s3://"),
    *("memory://x", "zip://x::file://y", "*", "?", "[a-z]", "a|b", "<a>", '"', "a\0b", "\n", "\r"),
    *("a\x1bb", "\x7f", "\x85", "\u2028", "\udcff", "\ud800", "．．", "‥", "%2e%2e", "\u202egnp"),
    *("x" * 255, "x" * 256, "x" * 5000, "é" * 128, "\U0001f600", "$HOME", "${HOME}", "`id`"),
    *("_index", "_training", ".hidden", ".x.tmp", "link", "loop", "pipe", "device", "folder"),
)


def hostile_names(count: int, outside: Path, seed: int = 0) -> list[str]:
    """Return names that a foreign file might hold, the same in every run.

    Args:
        count: how many.
        outside: a folder with files that must not be touched; many names lead there.
        seed: another one gives other names.
    """
    draw = random.Random(seed)
    up = [f"{'../' * depth}{target}" for depth in range(1, 12) for target in _targets(outside)]
    names = [*_ODD, *up, *(f"a/{name}" for name in up[:20]), *(f"./{name}" for name in up[:5])]
    names += [f"link/{outside.name}", "link/secret", "folder/link/secret", "a//b", "a/", "/"]
    names += ["a/./b", "/".join("d" * 60), f"{'a/' * 20}{'../' * 25}secret", "/etc/passwd"]
    names += [str(outside / "secret"), f"file://{outside}/secret", "/dev/zero", *_PLAIN]
    while len(names) < count:
        kinds = draw.choices((_ODD, _PLAIN, ("..",)), k=draw.randint(1, 5))
        joined = draw.choice(("/", "/", "\\", "//"))
        names.append(joined.join(draw.choice(kind) for kind in kinds))
    draw.shuffle(names)
    return names[:count]


def _targets(outside: Path) -> list[str]:
    return ["x", f"{outside.name}/secret", str(outside / "secret").lstrip("/"), "etc/passwd"]


def plant_links(folder: Path, outside: Path) -> None:
    """Put links that lead out, a loop, a pipe and a device's link into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    inner = folder / "folder"
    inner.mkdir(exist_ok=True)
    for place in (folder, inner):
        (place / "link").symlink_to(outside)
    (folder / "secret").symlink_to(outside / "secret")
    (folder / "loop").symlink_to("loop")
    (folder / "device").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")


def make_outside(folder: Path) -> Path:
    """Make a folder with files that must not be touched."""
    (folder / "v1").mkdir(parents=True)
    for name in ("secret", "x", "v1/secret", "card.md", "adapter.safetensors"):
        (folder / name).write_bytes(SECRET)
    return folder


class Watch:
    """What happens outside of the folders that may be written, between `__enter__` and `check`.

    Args:
        world: folder of everything.
        allowed: folders in it that the code under test may read and write.
    """

    def __init__(self, world: Path, *allowed: Path) -> None:
        self.world, self.allowed = world, allowed
        self.opened: list[str] = []
        self.before = self._state()

    def _outside(self, path: Path) -> bool:
        return not any(path == root or root in path.parents for root in self.allowed)

    def _state(self) -> dict[str, tuple]:
        found = {}
        for folder, folders, files in os.walk(self.world):
            for name in (*folders, *files):
                path = Path(folder) / name
                if self._outside(path):
                    about = path.lstat()
                    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                    times = (about.st_mtime_ns, about.st_ctime_ns) if content else ()
                    found[str(path)] = (about.st_mode, times, content)
        return found

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Note which files below the world, but outside of what is allowed, are opened."""
        _WATCHES.append(self)
        try:
            yield
        finally:
            _WATCHES.remove(self)

    def note(self, path: object) -> None:
        """Note a file that was opened, links followed."""
        if isinstance(path, str | bytes):
            real = Path(os.path.realpath(os.fsdecode(path)))
            if self.world in real.parents and self._outside(real) and real.is_file():
                self.opened.append(str(real))

    def check(self) -> None:
        """Fail if anything outside was opened, changed, made or removed."""
        assert self.opened == []
        assert self._state() == self.before


_WATCHES: list[Watch] = []


def _audit(event: str, arguments: tuple) -> None:
    if event == "open" and _WATCHES:
        for watch in _WATCHES:
            watch.note(arguments[0])


sys.addaudithook(_audit)
