"""A sqlite database of MLflow: its path, the lock beside it, and a schema that is made only once.

MLflow makes or migrates its tables step by step in whichever process comes first, and two that do
so at once break the database for good. Here it is done under a lock, on a copy that replaces the
content in one transaction: a process that is killed leaves the old database or the new one.
"""

import contextlib
import errno
import fcntl
import functools
import logging
import os
import re
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from itportrait.errors import InvalidArgumentError
from itportrait.tracking.faults import BrokenStoreError, chain, shorten

logger = logging.getLogger(__name__)

_SCHEME = "sqlite:///"
_QUERY = re.compile(r"\?(\w+=[^&/?]*)(&\w+=[^&/?]*)*$")
_PLAIN = re.compile(r"[A-Za-z0-9/ ._+=,~-]+")
_LOCK_S = 300.0
_BUSY_S = 2.0
_MOVE_AWAY = "move it away, and a new one is made that gets what waits"


def database_path(uri: str) -> Path | None:
    """Return the path of a `sqlite:///` URI, which is taken letter by letter; None for others.

    A URI that ends in options, such as `?timeout=5`, is left to SQLAlchemy.
    """
    if not uri.startswith(_SCHEME) or _QUERY.search(uri):
        return None
    return Path(os.path.abspath(uri.removeprefix(_SCHEME)))


def absolute_uri(uri: str) -> str:
    """Resolve the path of a sqlite URI against the working folder.

    Ray workers run in other folders; `sqlite:///runs/mlflow.db` must mean one file for all.
    """
    path = database_path(uri)
    return uri if path is None else f"{_SCHEME}{path}"


def check_uri(uri: str) -> None:
    """Refuse a tracking URI that no attempt can reach from here: that is no outage.

    Raises:
        InvalidArgumentError: its scheme is no tracking service's, or the database's driver is not
            installed; names it.
    """
    scheme = uri.partition("://")[0]
    if "://" not in uri or scheme == "file":
        raise InvalidArgumentError(
            "tracking URI",
            expected="a database or a server",
            actual=repr(uri),
            remedy="use sqlite:///runs/mlflow.db or http://host:port",
        )
    if scheme.partition("+")[0] not in ("postgresql", "mysql", "mssql"):
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError, ArgumentError) as error:
        raise InvalidArgumentError(
            "tracking URI",
            expected="a database whose driver is installed",
            actual=f"{scheme}:// ({error})",
            remedy="put an MLflow server in front of it and give its http:// address, "
            "or install the driver",
        ) from None


def engine_uri(path: Path) -> str:
    """Return the URI by which MLflow opens a database, whatever characters its path has.

    SQLAlchemy reads `?` and `%` of a URI in its own way, which changed with its versions, and
    MLflow makes the folder that it takes the URI for. A name of the open folder has none of them.
    """
    if _PLAIN.fullmatch(str(path)):
        return f"{_SCHEME}{path}"
    status = path.parent.stat()
    return f"{_SCHEME}{_open_folder(path.parent, status.st_dev, status.st_ino)}/{path.name}"


@functools.cache
def _open_folder(folder: Path, device: int, inode: int) -> str:
    """Return the system's name of a folder that is kept open: MLflow keeps engines by such names.

    Device and inode tell a folder from one of the same path that was made anew.
    """
    name = f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}"
    there = os.path.exists(name) and os.path.samestat(os.stat(name), os.stat(folder))
    if not there:  # no such names on this system: macOS has no /proc
        raise BrokenStoreError(
            f"the path {str(folder)!r} has characters that MLflow cannot take here",
            "choose a runs folder of letters, digits and - . _",
        )
    return name


@contextlib.contextmanager
def file_lock(path: Path, *, timeout_s: float = _LOCK_S) -> Iterator[None]:
    """Hold a lock across processes; the system frees it even when its holder is killed.

    Raises:
        TimeoutError: another process holds it for too long.
        OSError: the lock's file cannot be written.
    """
    with path.open("a") as file:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(
                        f"another process holds {path} for {timeout_s:.0f} s"
                    ) from None
                time.sleep(0.02)
        yield


def lock_path(path: Path) -> Path:
    """Return the lock's file of a database."""
    return path.with_name(f"{path.name}.lock")


def prepare(path: Path) -> None:
    """Make the database, or bring an older one to the schema of this MLflow, once for all.

    What an older one was is kept beside it as `<name>.<revision>.bak`.

    Raises:
        BrokenStoreError: it cannot be used; says why, and what to do.
        TimeoutError, sqlite3.OperationalError: another process holds it; try again later.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BrokenStoreError(
            "MLflow keeps no files below a path that is not UTF-8", "choose another runs folder"
        ) from None
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while not _is_current(path):
            was_there = path.exists()
            with file_lock(lock_path(path)):
                if path.exists() and not was_there:
                    continue  # it was made meanwhile; MLflow is imported without the lock
                revision = _revision(path)
                if revision != _newest_revision():
                    logger.info("%s is %s", path, "migrated" if revision else "made")
                    _migrate(path, revision)
                break
        if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "no permission", str(path))


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what lastingly hinders the use of the database into `BrokenStoreError`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise
        raise BrokenStoreError(
            f"{path} cannot be opened ({error})", "give the user the right to read and write it"
        ) from error
    except sqlite3.DatabaseError as error:
        raise BrokenStoreError(f"{path} is no sound database ({error})", _MOVE_AWAY) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise BrokenStoreError(
            f"{path} cannot be written ({error.strerror or error})",
            "give the user the right to write it and its folder, or choose another runs folder",
        ) from error


def _connect(path: Path, *, mode: str, timeout_s: float = _BUSY_S) -> sqlite3.Connection:
    name = f"file:{quote(os.fsencode(path))}?mode={mode}"
    return sqlite3.connect(name, uri=True, timeout=timeout_s, isolation_level=None)


def _is_current(path: Path) -> bool:
    """Tell without the lock whether there is nothing to do."""
    try:
        revision = _revision(path)
    except sqlite3.OperationalError:  # busy: maybe it is being migrated
        return False
    return bool(revision) and revision == _newest_revision()


def _revision(path: Path) -> str:
    """Return the revision of a database's schema, "" of one without tables.

    Raises:
        BrokenStoreError: a migration was broken off in it, or it is another program's.
    """
    if not path.exists() or path.stat().st_size == 0:
        return ""
    with contextlib.closing(_connect(path, mode="ro")) as database:
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {str(name) for (name,) in rows} - {"sqlite_sequence"}
        if not tables:
            return ""
        revision = None
        if "alembic_version" in tables:
            revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
    if revision and revision[0] == _newest_revision():
        return str(revision[0])
    if any(name.startswith("_alembic_tmp_") for name in tables):
        raise BrokenStoreError(f"{path} is half migrated (a process died in it)", _MOVE_AWAY)
    if not revision:
        raise BrokenStoreError(f"{path} holds tables that are not MLflow's", _MOVE_AWAY)
    return str(revision[0])


@functools.lru_cache(maxsize=1)
def _newest_revision() -> str:
    """Return the schema's revision of the MLflow that is installed."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    return _get_latest_schema_revision()


def _migrate(path: Path, revision: str) -> None:
    """Build the newest schema on a copy, and put it in the database's place in one transaction."""
    for left in os.listdir(path.parent):  # left by a process that was killed
        if left.startswith(f".{path.name}.new-"):
            (path.parent / left).unlink(missing_ok=True)
    copy = path.with_name(f".{path.name}.new-{uuid.uuid4().hex[:8]}")
    try:
        if not path.exists():
            _upgrade(copy, path, revision)
            try:
                os.link(copy, path)  # it appears whole
            except FileExistsError:  # an MLflow server makes it at this moment, without the lock
                raise TimeoutError(f"another program makes {path}") from None
            return
        with contextlib.closing(_connect(path, mode="rw", timeout_s=20.0)) as database:
            # Nobody writes between the copy and its return: the lock is kept until the close.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
            with contextlib.closing(sqlite3.connect(os.fsencode(copy))) as target:
                database.backup(target)
            if revision:
                shutil.copyfile(copy, path.with_name(f"{path.name}.{revision}.bak"))
            _upgrade(copy, path, revision)
            with contextlib.closing(sqlite3.connect(os.fsencode(copy))) as source:
                source.backup(database)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _upgrade(copy: Path, path: Path, revision: str) -> None:
    """Let MLflow migrate the copy, and open it as it would the database itself."""
    from mlflow import MlflowClient
    from mlflow.db import upgrade

    silence_mlflow()
    where = engine_uri(copy)
    try:
        if revision:
            upgrade.main([where], standalone_mode=False)
        MlflowClient(tracking_uri=where).search_experiments(max_results=1)
    except Exception as error:
        if any("locate revision" in str(cause) for cause in chain(error)):
            raise BrokenStoreError(
                f"{path} is of a newer MLflow (schema {revision})",
                "install that version of mlflow, or choose another database",
            ) from error
        raise BrokenStoreError(
            f"{path} (schema {revision or 'none'}) cannot be migrated ({shorten(error)})",
            _MOVE_AWAY,
        ) from error


def silence_mlflow() -> None:
    """Keep MLflow from logging with a traceback what it also raises, and from telling its steps."""
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
