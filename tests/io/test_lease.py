"""Leases: one holder, a polite refusal, and a dead holder is outlived."""

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from itportrait.errors import LeaseHeldError
from itportrait.io import lease as lease_module
from itportrait.io import uris
from itportrait.io.lease import Lease
from tests.conftest import REPOSITORY

NEW = ("ttl_s", "renewals", "machine")
ELSEWHERE = {"host": "elsewhere", "machine": "another one", "pid": 1}


@pytest.fixture(params=["local", "memory"])
def root(request, tmp_path):
    return str(tmp_path) if request.param == "local" else f"memory://{tmp_path}"


def test_second_job_is_told_who_holds_it(root):
    with Lease(root, what="stylize_dataset"):
        with pytest.raises(LeaseHeldError) as refusal, Lease(root, what="other"):
            pass
        text = str(refusal.value)
    assert all(part in text for part in (root, "stylize_dataset", str(os.getpid()), "runs out at"))
    with Lease(root, what="other"):
        pass


def fail(root: str, what: str, *written: str) -> None:
    """Take the lease, write files below the place, and fail."""

    def work() -> None:
        with Lease(root, what=what):
            assert uris.list_names(uris.join(root, "_lease"))
            for name in written:
                uris.put_bytes(uris.join(root, name), b"{}")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_block_that_fails_before_it_writes_leaves_nothing(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"1")
    before = sorted(tmp_path.rglob("*"))
    for folder in ("runs/own", "photos"):
        fail(str(tmp_path / folder), "a")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_block_that_fails_after_work_or_after_others_keeps_the_lease(root):
    """Who was outlived sees a generation above its own, so that none is given twice."""

    def held() -> list[tuple[str, str, bool]]:
        names = uris.list_names(uris.join(root, "_lease"))
        found = [(n, uris.read_json(uris.join(root, "_lease", n)) or {}) for n in names]
        return [(name, data["what"], data["released"]) for name, data in found]

    fail(root, "none")
    assert held() == []
    fail(root, "a", "run.json")
    assert held() == [("00000000.json", "a", True)]
    fail(root, "b")
    assert held() == [("00000001.json", "b", True)]


def test_lease_is_renewed_while_held(root):
    with Lease(root, what="a", ttl_s=0.4) as lease:
        time.sleep(1.0)
        lease.check()
        with pytest.raises(LeaseHeldError), Lease(root, what="b"):
            pass


def test_waiting_job_gets_its_turn(root):
    first = Lease(root, what="a")
    first.__enter__()
    threading.Timer(0.5, first.__exit__, (None, None, None)).start()
    with Lease(root, what="b", wait_s=30) as lease:
        lease.check()


def test_expired_lease_of_another_machine_is_taken_over_by_exactly_one(root):
    expired = {"what": "a", "host": "elsewhere", "pid": 1, "process_started": "0", "since": "then"}
    expired |= {"token": "t", "released": False, "expires": "2001-01-01T00:00:00+00:00"}
    expired |= {"ttl_s": 0.4}
    uris.put_bytes(uris.join(root, "_lease", "00000000.json"), uris.to_json(expired))
    held, refused, gate = [], [], threading.Barrier(6)

    def take():
        lease = Lease(root, what="b")
        gate.wait()
        try:
            lease.__enter__()
            held.append(lease)
        except LeaseHeldError as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 5)
    held[0].__exit__()


def test_unexpired_lease_of_another_machine_is_respected(root):
    with Lease(root, what="a"):
        uri = uris.join(root, "_lease", "00000000.json")
        uris.put_bytes(uri, uris.to_json({**uris.read_json(uri), **ELSEWHERE}))
        with pytest.raises(LeaseHeldError, match="elsewhere"), Lease(root, what="b"):
            pass


class WallClock:
    """A wall clock that jumps."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.ahead


@pytest.fixture
def wall_clock(monkeypatch):
    clock = WallClock()
    monkeypatch.setattr(lease_module, "_wall_clock", clock)
    return clock


@pytest.mark.parametrize("hours", [-5.0, -0.0001, 0.0001, 5.0])
def test_clock_that_jumps_neither_ends_a_lease_nor_lets_two_hold_it(
    root, wall_clock, monkeypatch, hours
):
    with Lease(root, what="a", ttl_s=1.0) as lease:
        wall_clock.ahead += dt.timedelta(hours=hours)
        monkeypatch.setattr(lease_module, "_machine", lambda: "another machine")
        for _ in range(3):
            with pytest.raises(LeaseHeldError), Lease(root, what="b", ttl_s=1.0):
                pass
            lease.check()
        time.sleep(1.2)
        wall_clock.ahead -= dt.timedelta(hours=2 * hours)
        time.sleep(0.5)
        lease.check()


@pytest.mark.parametrize("hours", [-5.0, 5.0])
def test_lease_of_a_dead_machine_ends_after_its_term_whatever_the_clocks_say(
    root, wall_clock, monkeypatch, hours
):
    dead = Lease(root, what="a", ttl_s=0.5)
    monkeypatch.setattr(dead, "_renew_forever", lambda: None)
    dead.__enter__()
    wall_clock.ahead += dt.timedelta(hours=hours)
    monkeypatch.setattr(lease_module, "_machine", lambda: "another machine")
    began = time.monotonic()
    with Lease(root, what="b", ttl_s=60.0) as lease:
        assert 0.5 < time.monotonic() - began < 10
        lease.check()


def test_living_holder_of_this_machine_keeps_its_lease_when_the_clock_jumps(root, wall_clock):
    with Lease(root, what="a", ttl_s=1.0) as lease:
        wall_clock.ahead += dt.timedelta(days=400)
        with pytest.raises(LeaseHeldError), Lease(root, what="b"):
            pass
        lease.check()


def test_machine_of_the_same_name_is_another_one(root):
    """Its process number means nothing here, so that its lease is not taken for a dead one's."""
    with Lease(root, what="a"):
        uri = uris.join(root, "_lease", "00000000.json")
        other = {**uris.read_json(uri), "machine": "another one", "pid": 2**22}
        uris.put_bytes(uri, uris.to_json(other))
        with pytest.raises(LeaseHeldError), Lease(root, what="b"):
            pass


def test_lease_file_of_an_earlier_release_is_understood(root):
    with Lease(root, what="a"):
        uri = uris.join(root, "_lease", "00000000.json")
        former = {k: v for k, v in uris.read_json(uri).items() if k not in NEW}
        uris.put_bytes(uri, uris.to_json(former))
        with pytest.raises(LeaseHeldError), Lease(root, what="b"):
            pass
        uris.put_bytes(uri, uris.to_json({**former, "released": True}))
        with Lease(root, what="b"):
            pass


def test_holder_that_was_outlived_notices(root):
    with Lease(root, what="a", ttl_s=0.4) as lease:
        later = {**uris.read_json(uris.join(root, "_lease", "00000000.json")), "what": "thief"}
        uris.put_bytes(uris.join(root, "_lease", "00000001.json"), uris.to_json(later))
        time.sleep(0.5)
        with pytest.raises(LeaseHeldError, match="thief"):
            lease.check()


def test_killed_holder_of_this_machine_need_not_be_waited_for(tmp_path):
    code = (
        "import sys, time\n"
        "from itportrait.io.lease import Lease\n"
        "with Lease(sys.argv[1], what='killed', ttl_s=3600):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LeaseHeldError, match="killed"), Lease(str(tmp_path), what="b"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Lease(str(tmp_path), what="b"):
        pass
