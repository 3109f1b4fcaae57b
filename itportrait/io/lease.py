"""An exclusive lease on an output folder or a bank, on any storage that can create exclusively.

Every holder has a generation: `ROOT/_lease/00000007.json`, made with an exclusive create, so that
of several jobs that find the lease free exactly one becomes number 8. The holder renews its own
file; one that finds a higher generation has lost the lease, and says so at the next `check`.

Clocks of two machines may differ, and any of them may jump. A lease of another machine is therefore
taken over only after it has been watched for its whole term, by a clock that never jumps, and was
not renewed meanwhile. The times in its file serve people, and tell whether watching is worth it.
"""

import contextlib
import datetime as dt
import functools
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field

from itportrait.documents import build
from itportrait.errors import InvalidArgumentError, LeaseHeldError, OutputError
from itportrait.io import uris
from itportrait.io.names import numbers_of

TTL_S = 60.0


class Lease:
    """Hold `root` alone while the block runs: `with Lease(root, what="stylize_dataset"): …`.

    Args:
        root: folder or URI that only one job may write.
        what: the job's name, for whoever is refused.
        ttl_s: seconds after which a lease that is no longer renewed is free.
        wait_s: seconds to wait for another holder before giving up.
    """

    def __init__(self, root: str, *, what: str, ttl_s: float = TTL_S, wait_s: float = 0.0) -> None:
        self.root, self.what, self.ttl_s, self.wait_s = root, what, ttl_s, wait_s
        self._folder = uris.join(root, "_lease")
        self._generation = -1
        self._renewals = 0
        self._since = ""
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._lost: str | None = None
        self._thread: threading.Thread | None = None
        self._before: _Before | None = None

    def __enter__(self) -> Self:
        """Take the lease, or raise `LeaseHeldError`: who holds it, since when, how it ends."""
        deadline = time.monotonic() + self.wait_s
        watch = _Watch(self.ttl_s)
        while True:
            try:
                self._take(watch)
                break
            except LeaseHeldError:
                if time.monotonic() >= deadline and not watch.undecided:
                    raise
                time.sleep(min(1.0, self.ttl_s / 4))
        self._thread = threading.Thread(target=self._renew_forever, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """Free the lease; of a block that failed before it wrote anything, nothing is left."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)
        if self._lost is None and self._generation >= 0:
            if kind is not None and self._before is not None and self._before.stands(self.root):
                self._withdraw(self._before)
            else:
                self._release(self._file(self._generation))

    def _withdraw(self, before: "_Before") -> None:
        """Remove the first lease that there was, and the folders that were made for it."""
        with contextlib.suppress(OSError):
            uris.remove(self._file(self._generation))
        before.remove_folders()

    def _release(self, file: str) -> None:
        try:
            uris.put_bytes(file, self._content(released=True))
        except OSError:
            # A full disk takes no word, but lets go of a file. Where not even that works, the lease
            # ends with this process, or after its term.
            with contextlib.suppress(OSError):
                uris.remove(file)

    def check(self) -> None:
        """Raise `LeaseHeldError` if another job has taken the lease over."""
        if self._lost:
            raise LeaseHeldError(self._lost)

    def _file(self, generation: int) -> str:
        return uris.join(self._folder, f"{generation:08d}.json")

    def _content(self, *, released: bool = False) -> bytes:
        self._renewals += 1
        return uris.to_json(
            {
                "what": self.what,
                "host": socket.gethostname(),
                "machine": _machine(),
                "pid": os.getpid(),
                "process_started": _process_start(os.getpid()),
                "token": self._token,
                "since": self._since,
                "expires": (_wall_clock() + dt.timedelta(seconds=self.ttl_s)).isoformat(),
                "ttl_s": self.ttl_s,
                "renewals": self._renewals,
                "released": released,
            }
        )

    def _generations(self) -> list[int]:
        return numbers_of(uris.list_names(self._folder))

    def _take(self, watch: "_Watch") -> None:
        generations = self._generations()
        latest = max(generations, default=-1)
        holder = _read_holder(self._file(latest)) if latest >= 0 else None
        if holder and not watch.is_free(holder):
            raise LeaseHeldError(_refusal(self.root, holder))
        self._since = _wall_clock().isoformat(timespec="seconds")
        # Who was outlived knows it by a higher generation, so that only a first one leaves no file.
        before = None if generations else _Before.of(self.root, self._folder)
        try:
            uris.create_bytes(self._file(latest + 1), self._content())
        except FileExistsError:
            winner = _read_holder(self._file(latest + 1)) or {}
            raise LeaseHeldError(_refusal(self.root, winner)) from None
        self._generation, self._before = latest + 1, before
        for generation in generations:
            uris.remove(self._file(generation))

    def _renew_forever(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(self.ttl_s / 4):
            try:
                latest = max(self._generations(), default=self._generation)
                if latest > self._generation:
                    holder = _read_holder(self._file(latest)) or {}
                    self._lost = _refusal(self.root, holder)
                    return
                uris.put_bytes(self._file(self._generation), self._content())
                renewed = time.monotonic()
            except InvalidArgumentError as error:
                self._lost = str(error)
                return
            except (OSError, OutputError) as error:
                # Storage that fails for a while costs nothing until the lease would have run out.
                if time.monotonic() - renewed > self.ttl_s:
                    self._lost = (
                        f"the lease on {uris.redact(self.root)} could not be renewed: {error}"
                    )
                    return


@dataclass(frozen=True)
class _Before:
    """What there was of a place before its first lease.

    Args:
        names: of files and folders in it.
        absent: local folders that were not there, the deepest first.
    """

    names: frozenset[str]
    absent: tuple[Path, ...]

    @classmethod
    def of(cls, root: str, folder: str) -> Self:
        """Look at a place whose leases are to lie in `folder`."""
        names, absent = frozenset(uris.list_names(root)), ()
        if uris.is_local(root):
            local = Path(uris.local_path(folder)).absolute()
            absent = tuple(path for path in (local, *local.parents) if not path.exists())
        return cls(names, absent)

    def stands(self, root: str) -> bool:
        """Tell whether the place has nothing new beside the lease, as far as storage tells."""
        try:
            return self.names.issuperset({*uris.list_names(root)} - {"_lease"})
        except OSError:
            return False

    def remove_folders(self) -> None:
        """Remove the folders that were not there, but for those in which there is something."""
        with contextlib.suppress(OSError):
            for path in self.absent:
                path.rmdir()


class _Watch:
    """Watches the lease of another job: is it renewed?

    Args:
        ttl_s: term of a lease that does not tell its own.
    """

    def __init__(self, ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self._seen: dict[str, Any] | None = None
        self._since = 0.0
        self._renewed = False

    @property
    def undecided(self) -> bool:
        """Tell whether only more watching can tell if the lease is held."""
        return self._seen is not None and not self._renewed and not self._looks_held(self._seen)

    def is_free(self, holder: dict[str, Any]) -> bool:
        """Tell whether the lease may be taken: released, its process dead, or long not renewed."""
        # A holder killed on this very machine need not be waited for.
        here = holder.get("machine", holder.get("host")) in (_machine(), socket.gethostname())
        dead = here and _process_start(holder["pid"]) != holder.get("process_started")
        if holder.get("released") or dead:
            return True
        now = time.monotonic()
        if holder != self._seen:
            same = self._seen is not None and holder.get("token") == self._seen.get("token")
            self._seen, self._since, self._renewed = holder, now, same
        return now - self._since > self._term(holder)

    def _looks_held(self, holder: dict[str, Any]) -> bool:
        """Tell whether the times in a lease, as far as they can be believed, say that it is held.

        One that ends later than its term from now was written by another clock than ours.
        """
        left = dt.datetime.fromisoformat(holder["expires"]) - _wall_clock()
        return 0 <= left.total_seconds() <= self._term(holder)

    def _term(self, holder: dict[str, Any]) -> float:
        return float(holder.get("ttl_s", self.ttl_s))


def _wall_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@functools.cache
def _machine() -> str:
    """Return an identity of this machine since its start, and of this container, that no other
    has.

    Names do not: containers and cloned machines share them, and then a living process of one would
    be taken for a dead one of the other.
    """
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _process_start(pid: int) -> str | None:
    """Return when a process of this machine started (ticks since boot), None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        return _alive_without_proc(pid)
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def _alive_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "alive"
    return "alive"


@dataclass(frozen=True)
class _Holder:
    """The fields of a lease's file that are used; older releases wrote fewer."""

    pid: int
    expires: AwareDatetime
    ttl_s: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = TTL_S


def _read_holder(file: str) -> dict[str, Any] | None:
    """Return the content of a lease's file, or None if it is gone.

    Raises:
        InvalidArgumentError: it is damaged; names it.
    """
    data = uris.read_json(file)
    if data is not None:
        build(_Holder, data, uris.redact(file))
    return data


def _refusal(root: str, holder: dict[str, Any]) -> str:
    return (
        f"{uris.redact(root)} is in use by {holder.get('what', 'another job')} "
        f"(process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}); "
        f"its lease runs out at {holder.get('expires')} unless renewed: "
        "wait for it, or write elsewhere"
    )
