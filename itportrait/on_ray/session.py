"""Start Ray for a job, or connect to it: a cluster by its address, or one embedded in this
machine."""

import contextlib
import inspect
import logging
import os
import re
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
import ray._private.parameter as ray_parameter
import ray._private.services as services
import ray._private.utils as ray_utils
import ray._private.worker as ray_worker
import ray._raylet as raylet
from ray._private import auto_init_hook
from ray._raylet import Config  # pyright: ignore[reportAttributeAccessIssue]  (not in its stub)

import itportrait
from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.on_ray.fits import leave_fits
from itportrait.terminal import Working, take_all_away
from itportrait.text import shown

logger = logging.getLogger(__name__)

_STARTS = 4
_PATIENCE_S = 60.0
"""Seconds that a Ray may take to end."""
_LEAVING_S = 0.5
"""Seconds that trainings which do not wait in Ray are given to let go of it."""
_IN_FILE = "dashboard_agent_listen_port"
_HELPERS = ("metrics_agent_port", "metrics_export_port", _IN_FILE, "runtime_env_agent_port")
"""Ports of programs that Ray starts beside each node, for which it waits 15 s if it knows none."""
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/+=-]{0,34}")


@contextlib.contextmanager
def ray_session(address: str | None = None, *, num_cpus: int | None = None) -> Iterator[None]:
    """Connect to Ray for the time of the block; a Ray that already runs here is used and kept.

    Args:
        address: `auto`, `host:port` or `ray://…`; None: the cluster that this process was submitted
            to (`ray job submit`), and else an embedded Ray.
        num_cpus: cores of an embedded Ray; None: all.

    Raises:
        InvalidArgumentError: no Ray answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    try:
        with Working("starting Ray") as working, _own_sigterm(), _utf8_surroundings():
            connect(address, num_cpus=num_cpus, say=working.line)
        yield
    finally:
        with Working("ending Ray"):
            end()


def is_embedded(address: str | None) -> bool:
    """Tell whether `ray_session` starts a Ray of its own, whose only machine is this one."""
    return address == "local" or (address is None and not os.environ.get("RAY_ADDRESS"))


def is_client(address: str | None) -> bool:
    """Tell whether `ray_session` connects from a machine that is none of the cluster's."""
    return (address or os.environ.get("RAY_ADDRESS", "")).startswith("ray://")


def end(patience_s: float = _PATIENCE_S) -> None:
    """Shut Ray down, once trainings in other threads have let go of it. Parts of an embedded one
    that do not answer are ended, since Ray waits for them without a limit.

    Args:
        patience_s: seconds after which they are.
    """
    leave_fits(_LEAVING_S)
    node = ray_worker._global_node
    if node is None:
        ray.shutdown()
        return
    options = {"check_alive": False, "allow_graceful": False}
    watch = threading.Timer(patience_s, node.kill_all_processes, kwargs=options)
    watch.daemon = True
    watch.start()
    try:
        ray.shutdown()
    finally:
        watch.cancel()


def connect(
    address: str | None = None,
    *,
    num_cpus: int | None = None,
    say: Callable[[str], None] = logger.warning,
) -> None:
    """Initialize Ray; see `ray_session`.

    Args:
        address: see `ray_session`.
        num_cpus: see `ray_session`.
        say: told of every try that failed.
    """
    if address is None and os.environ.get("RAY_ADDRESS"):
        address = "auto"
    quiet()
    # A thread that still waits for a task when the session has ended would connect to any Ray that
    # runs on this machine, and go on there.
    auto_init_hook.enable_auto_connect = False
    common = {"logging_level": logging.ERROR, "log_to_driver": False, "runtime_env": _runtime_env()}
    if address in (None, "local"):
        _secure_embedded()
        _choose_temporary_folder()
        # No node of one machine is taken away; the watcher is a process of its own a training.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        _start_embedded(say, num_cpus=num_cpus, include_dashboard=False, **common)
        return
    try:
        ray.init(address=address, **common)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InvalidArgumentError(
            "--address",
            expected="the address of a running Ray cluster",
            actual=f"{address!r} ({str(error).splitlines()[0]})",
            remedy="leave it out for an embedded Ray, or look at `ray status`",
        ) from None


@contextlib.contextmanager
def _utf8_surroundings() -> Iterator[None]:
    """Start Ray where the working folder or the command line has bytes that are not UTF-8.

    Ray keeps both, the folder for imports and the command line to show it, and fails on such bytes.
    """
    here, describe = os.getcwd(), ray_utils.get_entrypoint_name
    ray_utils.get_entrypoint_name = lambda: shown(describe())
    if shown(here) != here:
        os.chdir("/")
    try:
        yield
    finally:
        ray_utils.get_entrypoint_name = describe
        os.chdir(here)


def _start_embedded(say: Callable[[str], None], **options: Any) -> None:
    """Start Ray here; its own limits for the start are too short on a busy machine.

    Above all the 15 s that it gives its helpers to say on which ports they listen: they are Python
    programs that import much, the first time after an installation without compiled files, too.
    From the second try on they are told their ports, and nobody waits for them.

    Args:
        say: told of every try that failed.
        options: of `ray.init`.
    """
    for attempt in range(_STARTS):
        try:
            with contextlib.nullcontext() if attempt == 0 else _told_ports():
                # address="local" and not None: a stale cluster file would name a head long dead.
                ray.init(address="local", _node_ip_address="127.0.0.1", **options)
            return
        except Exception as error:
            end()
            reason = str(error).strip()[:200]
            if attempt == _STARTS - 1:
                raise ItportraitError(
                    f"an embedded Ray did not start in {_STARTS} tries: {reason}; "
                    "the machine may be too busy: look at `uptime`, and try again"
                ) from error
            say(f"Ray did not start, as on a busy machine; try {attempt + 2} of {_STARTS}")


@contextlib.contextmanager
def _told_ports() -> Iterator[None]:
    """Let Ray start with ports for its helpers that are free now, if it can be told of them all."""
    write_port = getattr(raylet, "persist_port", None)
    if write_port is None:  # a version that does not wait for files of ports
        yield
        return
    with contextlib.ExitStack() as opened:
        # All are held until the last is drawn, so that no two are the same.
        sockets = [opened.enter_context(socket.socket()) for _ in _HELPERS]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
    told = dict(zip(_HELPERS, ports, strict=True))
    plain, start = ray_parameter.RayParams, services.start_raylet

    def start_told(*args: Any, **given: Any) -> Any:
        # The node is told three of them; the fourth it reads from a file that the helper writes.
        about = inspect.signature(start).bind(*args, **given).arguments
        write_port(about["session_dir"], about["node_id"], _IN_FILE, told[_IN_FILE])
        return start(*args, **given)

    ray_parameter.RayParams = lambda *args, **given: plain(*args, **{**given, **told})
    services.start_raylet = start_told
    try:
        yield
    finally:
        ray_parameter.RayParams, services.start_raylet = plain, start


def quiet() -> None:
    """Keep Ray's advice, usage messages and progress bars off the terminal of a job."""
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
        # A worker that takes longer to start is killed and started anew: on a machine busy
        # otherwise, for ever. The default is 60 s.
        "RAY_worker_register_timeout_seconds": "180",
        # How long its parts wait for one another at the start; the default is 30 s.
        "RAY_gcs_server_port_wait_time_s": "120",
        "RAY_agent_register_timeout_ms": "180000",
    }.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)


def _choose_temporary_folder() -> None:
    """Give an embedded Ray another folder than TMPDIR where Ray could not start in that.

    Its sockets lie below it, whose paths may have 107 bytes, and it puts the path into command
    lines without quotes. Everything else keeps TMPDIR.
    """
    given = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    candidates = (given, "/tmp", "/var/tmp", "/dev/shm")
    fitting = (path for path in candidates if _PLAIN_PATH.fullmatch(path))
    found = next((path for path in fitting if os.access(path, os.W_OK | os.X_OK)), None)
    if found is None:
        raise InvalidArgumentError(
            "TMPDIR",
            expected="a writable folder with a plain path of at most 35 letters, as Ray needs it",
            actual=repr(shown(given)),
            remedy="set RAY_TMPDIR to one",
        )
    os.environ["RAY_TMPDIR"] = found


def _secure_embedded() -> None:
    """Give an embedded Ray a token of its own, unless the environment has chosen a mode.

    Ray would switch tokens on by itself and leave one under the home folder. This one lives in the
    environment of this process and its children alone.
    """
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # Ray read the mode when it was imported, and its own `init` refreshes it this way too.
        Config.initialize("")


def _runtime_env() -> dict:
    """Let workers of this machine import a checkout that is not installed, and keep one thread."""
    root = str(Path(itportrait.__file__).resolve().parent.parent)
    inherited = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    paths = [root, *(part for part in inherited if part != root)]
    if root.startswith(sys.prefix) or os.environ.get("RAY_JOB_ID"):
        return {}  # installed, or shipped by the job's own runtime environment
    return {"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}}


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep our handler of SIGTERM, which `ray.init` would replace."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(former) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, former)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit: `ray job stop` leaves 3 seconds to end tasks and the lease.

    A process that was stopped ends as soon as the block is left: a training in another thread
    would hold up the interpreter's own end for longer than these seconds.
    """
    stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if stopped:
            take_all_away()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(128 + signal.SIGTERM)
        signal.signal(signal.SIGTERM, former)
