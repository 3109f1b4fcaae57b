"""An adaptation in a task: it goes on where a lost process left it."""

import errno

import pytest
from fsspec.implementations.local import LocalFileSystem

from itportrait.adapt import AdaptConfig, DomainSpec
from itportrait.adapt.methods.itportrait.method import ItportraitMethod
from itportrait.align.config import AlignConfig
from itportrait.bundle import load_bundle
from itportrait.io import uris
from itportrait.styles import read_style
from itportrait.styles.names import STYLE_FILE
from itportrait.training.domain_job import DomainJob
from itportrait.training.in_task import adapt_in_task, train_in_task
from itportrait.training.interrupted import STATE


@pytest.fixture
def job(base):
    """Return a domain of five steps that is probed after every second one."""
    return DomainJob.of(
        DomainSpec(name="zombie", mode="text", prompt="a zombie", steps=5),
        bundle=str(base),
        adapt=AdaptConfig.parse({"probe": {"every": 2, "count": 2}, "ite": {"batch": 1}}),
        align=AlignConfig(),
        model_id=load_bundle(str(base)).model_id,
    )


def as_a_worker(job, storage, device):
    """Train in a task as a worker of Ray Train would."""
    return train_in_task(job, storage, device, 600.0)


@pytest.mark.parametrize("adapt", [adapt_in_task, as_a_worker])
def test_a_lost_process_costs_the_steps_since_the_last_probe(adapt, job, tmp_path, monkeypatch):
    steps, step = [], ItportraitMethod.step

    def counted(method, index):
        steps.append(index)
        if len(steps) == 4:
            raise RuntimeError("the process is lost")
        return step(method, index)

    monkeypatch.setattr(ItportraitMethod, "step", counted)
    with pytest.raises(RuntimeError, match="lost"):
        adapt(job, str(tmp_path), "cpu")
    assert (tmp_path / job.run_name / STATE).exists()
    resumed = adapt(job, str(tmp_path), "cpu")
    assert steps == [0, 1, 2, 3, 2, 3, 4]

    whole = adapt_in_task(job, str(tmp_path / "another"), "cpu")
    delta, same = (read_style(each.files[STYLE_FILE]).delta for each in (resumed, whole))
    assert delta.keys() == same.keys()
    assert all(delta[name].equal(same[name]) for name in delta)


@pytest.fixture
def kept(job, tmp_path, monkeypatch):
    """Return the file that a process has left which was lost in the fourth step."""
    step = ItportraitMethod.step

    def lost(method, index):
        if index == 3:
            raise RuntimeError("the process is lost")
        return step(method, index)

    with monkeypatch.context() as patch:
        patch.setattr(ItportraitMethod, "step", lost)
        with pytest.raises(RuntimeError, match="lost"):
            adapt_in_task(job, str(tmp_path), "cpu")
    return tmp_path / job.run_name / STATE


@pytest.fixture
def steps(monkeypatch):
    """Return the numbers of the steps that are taken from now on."""
    taken, step = [], ItportraitMethod.step
    monkeypatch.setattr(
        ItportraitMethod, "step", lambda method, index: taken.append(index) or step(method, index)
    )
    return taken


def damaged(data, kind):
    """Return a state as a disk may damage it."""
    if kind == "turned":  # one bit of a weight, which torch's loader does not see
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 64]) + data[middle + 1 :]
    return {"cut": data[: len(data) // 2], "empty": b"", "other": b"half of it"}[kind]


@pytest.mark.parametrize("kind", ["turned", "cut", "empty", "other"])
def test_a_damaged_state_begins_anew_and_says_so(job, tmp_path, caplog, kept, steps, kind):
    kept.write_bytes(damaged(kept.read_bytes(), kind))
    assert adapt_in_task(job, str(tmp_path), "cpu").files[STYLE_FILE]
    assert "begins anew" in caplog.text
    assert steps == [0, 1, 2, 3, 4]


def failing(monkeypatch, error, times):
    """Let the storage fail so many times when a state is read."""
    whole, left = LocalFileSystem.cat_file, [error] * times

    def cat_file(fs, path, *args, **kwargs):
        if path.endswith(STATE) and left:
            raise left.pop()
        return whole(fs, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "cat_file", cat_file)
    monkeypatch.setattr(uris.time, "sleep", lambda seconds: None)


def test_a_storage_that_hangs_up_costs_no_state(job, tmp_path, caplog, kept, steps, monkeypatch):
    failing(monkeypatch, ConnectionError("the storage hung up"), 2)
    assert adapt_in_task(job, str(tmp_path), "cpu").files[STYLE_FILE]
    assert steps == [2, 3, 4]
    assert "begins anew" not in caplog.text


@pytest.mark.parametrize(
    "error", [ConnectionError("away"), PermissionError(errno.EACCES, "no"), MemoryError()]
)
def test_what_may_hide_a_state_is_raised(job, tmp_path, kept, steps, monkeypatch, error):
    data = kept.read_bytes()
    failing(monkeypatch, error, 9)
    with pytest.raises(type(error)):
        adapt_in_task(job, str(tmp_path), "cpu")
    assert steps == []
    assert kept.read_bytes() == data
