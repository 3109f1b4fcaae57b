"""Leases: one holder, a polite refusal, and a dead holder is outlived."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from itportrait.distributed.lease import Lease
from itportrait.errors import LeaseHeldError
from itportrait.io import uris
from tests.conftest import REPOSITORY


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
        uris.put_bytes(uri, uris.to_json({**uris.read_json(uri), "host": "elsewhere", "pid": 1}))
        with pytest.raises(LeaseHeldError, match="elsewhere"), Lease(root, what="b"):
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
        "from itportrait.distributed.lease import Lease\n"
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
