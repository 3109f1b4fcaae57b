"""The queue of what the tracking service could not take."""

import pytest

from itportrait.tracking.spool import Spool, pack_bytes, unpack_bytes


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


def test_half_a_line_of_a_killed_writer_is_skipped(tmp_path):
    spool = Spool(tmp_path, "run")
    spool.append({"number": 0})
    with spool.path.open("a") as file:
        file.write('{"number": 1, "me\n')
    spool.append({"number": 2})
    seen = []
    spool.drain(lambda event: seen.append(event["number"]))
    assert seen == [0, 2]


def test_runs_do_not_share_a_queue(tmp_path):
    Spool(tmp_path, "a").append({})
    assert len(Spool(tmp_path, "b")) == 0


def test_an_unwritable_folder_is_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    Spool(tmp_path / "file" / "folder", "run").append({"number": 0})
    assert "cannot be written" in caplog.text


def test_bytes_survive():
    assert unpack_bytes(pack_bytes(b"\x00\xffpicture")) == b"\x00\xffpicture"
