"""The queue of what the tracking service could not take."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itportrait.tracking import spool as spool_module
from itportrait.tracking.spool import Spool, pack_bytes, unpack_bytes

APPEND_FOR_EVER = """\
import itertools, sys
from itportrait.tracking.spool import Spool
spool = Spool(sys.argv[1], "run")
for number in itertools.count():
    spool.append({"process": sys.argv[2], "number": number, "png": "x" * 5000})
    if number == 20:
        print("going", flush=True)
"""


def numbers(spool: Spool) -> list[int]:
    """Empty a spool and return what was in it."""
    seen: list[int] = []
    assert spool.drain(lambda event: seen.append(event["number"]))
    assert spool.empty
    return seen


def test_events_come_out_in_order_and_the_file_goes(tmp_path):
    spool = Spool(tmp_path / "deep" / "spool", "run")
    for number in range(3):
        spool.append({"number": number})
    assert len(spool) == 3
    seen = []
    spool.drain(lambda event: seen.append(event["number"]))
    assert seen == [0, 1, 2]
    assert len(spool) == 0
    assert not spool.path.exists()


def test_what_failed_and_what_follows_is_kept(tmp_path):
    spool = Spool(tmp_path, "run")
    for number in range(4):
        spool.append({"number": number})
    seen = []

    def send(event):
        if event["number"] == 2:
            raise ConnectionError("away")
        seen.append(event["number"])

    with pytest.raises(ConnectionError):
        spool.drain(send)
    assert seen == [0, 1]
    later = []
    Spool(tmp_path, "run").drain(lambda event: later.append(event["number"]))
    assert later == [2, 3]


def test_half_a_line_of_a_killed_writer_costs_no_other(tmp_path, caplog):
    spool = Spool(tmp_path, "run")
    spool.append({"number": 0})
    with spool.path.open("a") as file:
        file.write('{"number": 1, "me')  # and no end of the line
    spool.append({"number": 2})
    assert numbers(spool) == [0, 2]
    assert "damaged line" in caplog.text


def test_half_a_line_at_the_end_is_skipped(tmp_path):
    spool = Spool(tmp_path, "run")
    spool.append({"number": 0})
    with spool.path.open("a") as file:
        file.write('{"number": 1, "me')
    assert numbers(spool) == [0]


DAMAGE = [
    b"\0" * 4096,
    b"\xff\xfe\x80",
    b"[1, 2]",
    b"null",
    b"7",
    b"[" * 100_000,
    b'{"number": ' + b"9" * 10_000 + b"}",
    b"{}{}",
    b"\r",
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_line_costs_no_other(tmp_path, damage):
    spool = Spool(tmp_path, "run")
    spool.append({"number": 0})
    with spool.path.open("ab") as file:
        file.write(damage + b"\n")
    spool.append({"number": 1})
    assert len(spool) >= 2
    assert numbers(spool) == [0, 1]


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4), st.integers(0, 9)),
        max_size=6,
    )
)
def test_whatever_bytes_a_spool_has_it_is_emptied(tmp_path_factory, changes):
    spool = Spool(tmp_path_factory.mktemp("spool"), "run")
    for number in range(20):
        spool.append({"number": number})
    data = spool.path.read_bytes()
    for place, new, skipped in changes:
        at = int(place * len(data))
        data = data[:at] + new + data[at + skipped :]
    spool.path.write_bytes(data)
    whole = [line for line in data.split(b"\n") if line in ORIGINAL]
    seen: list = []
    assert spool.drain(seen.append)
    assert spool.empty
    sound = iter(seen)  # damage may make other sound lines, which do not matter
    assert all(any(json.loads(line) == event for event in sound) for line in whole)


ORIGINAL = {json.dumps({"number": number}).encode() for number in range(20)}


def test_what_was_sent_is_not_sent_again_by_another_process(tmp_path):
    first = Spool(tmp_path, "run")
    for number in range(4):
        first.append({"number": number})
    seen = []

    def send(event):
        if event["number"] == 3:
            raise KeyboardInterrupt  # as abrupt as it gets within one process
        seen.append(event["number"])

    with pytest.raises(KeyboardInterrupt):
        first.drain(send)
    assert seen == [0, 1, 2]
    assert len(Spool(tmp_path, "run")) == 1
    assert numbers(Spool(tmp_path, "run")) == [3]


def test_a_spool_of_an_earlier_release_is_sent(tmp_path):
    spool = Spool(tmp_path, "run")
    lines = ['{"number": 0}', "", '{"number": 1}']
    spool.path.write_text("\n".join(lines) + "\n")
    assert len(spool) == 2
    assert numbers(spool) == [0, 1]


def test_who_sends_holds_up_nobody_who_appends(tmp_path):
    spool, begun, freed = Spool(tmp_path, "run"), threading.Event(), threading.Event()
    spool.append({"number": 0})
    seen = []

    def send(event):
        begun.set()
        assert freed.wait(30)
        seen.append(event["number"])

    thread = threading.Thread(target=spool.drain, args=(send,))
    thread.start()
    assert begun.wait(30)
    started = time.monotonic()
    Spool(tmp_path, "run").append({"number": 1})
    assert not Spool(tmp_path, "run").drain(send)  # one sender at a time keeps the order
    assert time.monotonic() - started < 20  # the sender holds on for 30
    freed.set()
    thread.join()
    assert seen == [0, 1]
    assert spool.empty


def test_killed_writers_leave_whole_lines(tmp_path):
    command = [sys.executable, "-c", APPEND_FOR_EVER, str(tmp_path)]
    writers = [
        subprocess.Popen([*command, str(name)], stdout=subprocess.PIPE, text=True)
        for name in range(3)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "going\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    seen: dict[str, list[int]] = {}
    spool = Spool(tmp_path, "run")
    assert spool.drain(lambda event: seen.setdefault(event["process"], []).append(event["number"]))
    assert sorted(seen) == ["0", "1", "2"]
    for found in seen.values():
        assert found == list(range(len(found)))
        assert len(found) > 20


def test_a_huge_spool_is_not_read_into_memory(tmp_path):
    spool = Spool(tmp_path, "run")
    spool.append({"number": 0})
    line = json.dumps({"number": 1, "png": "x" * 2**16}) + "\n"
    with spool.path.open("a") as file:
        for _ in range(1600):  # 100 MB
            file.write(line)
    tracemalloc.start()
    count = []
    assert len(spool) == 1601
    spool.drain(lambda event: count.append(1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(count) == 1601
    assert peak < 2**22


def test_a_line_without_an_end_is_skipped_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "_LONGEST_LINE", 1000)
    spool = Spool(tmp_path, "run")
    spool.append({"number": 0})
    with spool.path.open("a") as file:
        file.write("x" * 12_345 + "\n")
    spool.append({"number": 1})
    assert numbers(spool) == [0, 1]


def test_runs_do_not_share_a_queue(tmp_path):
    Spool(tmp_path, "a").append({})
    assert len(Spool(tmp_path, "b")) == 0


def test_events_wait_in_memory_where_the_folder_cannot_be_written(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(spool_module, "_KEPT_IN_MEMORY", 60)
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "folder", "run")
    for number in range(5):
        spool.append({"number": number})
    assert caplog.text.count("cannot be written") == 1
    assert (len(spool), spool.lost, spool.empty) == (4, 1, False)
    assert numbers(spool) == [0, 1, 2, 3]
    assert spool.empty


def test_what_is_no_plain_data_is_a_warning(tmp_path, caplog):
    spool = Spool(tmp_path, "run")
    spool.append({"number": {1, 2}})
    assert "dropped" in caplog.text
    assert spool.empty


def test_names_of_any_bytes_have_a_queue(tmp_path):
    spool = Spool(tmp_path, os.fsdecode(b"run\xff"))
    spool.append({"number": 0, "name": os.fsdecode(b"run\xff")})
    assert numbers(spool) == [0]


def test_bytes_survive():
    assert unpack_bytes(pack_bytes(b"\x00\xffpicture")) == b"\x00\xffpicture"
