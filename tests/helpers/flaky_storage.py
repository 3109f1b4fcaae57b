"""A storage that fails now and then, in place of the real one."""

import itertools

from fsspec.implementations.local import LocalFileSystem

from itportrait.io import uris

_whole_put = uris.put_bytes


def fail_every(count: int, *, first: int) -> None:
    """Let every `count`-th write of this process fail from now on, the `first`-th the first."""
    if uris.put_bytes is not _whole_put:
        return
    calls = [0]

    def flaky(uri: str, data: bytes) -> None:
        calls[0] += 1
        if (calls[0] - first) % count == 0 and calls[0] >= first:
            raise ConnectionError("the storage hung up")
        _whole_put(uri, data)

    uris.put_bytes = flaky


def work_again() -> None:
    """Undo `fail_every`: Ray gives a process that one test has spoiled to the next."""
    uris.put_bytes = _whole_put


def hang_up_every(count: int) -> None:
    """Let every `count`-th call of this process to a local disk fail as a remote one does."""
    calls = itertools.count(1)

    def flaky(whole):
        def call(*args, **kwargs):
            if next(calls) % count == 0:
                raise ConnectionError("the storage hung up")
            return whole(*args, **kwargs)

        return call

    for name in ("cat_file", "ls", "find", "exists", "rm"):
        setattr(LocalFileSystem, name, flaky(getattr(LocalFileSystem, name)))
    uris._local_temporary = flaky(uris._local_temporary)
