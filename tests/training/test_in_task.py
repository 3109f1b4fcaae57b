"""An adaptation in a task: it goes on where a lost process left it."""

import pytest

from itportrait.adapt import AdaptConfig, DomainSpec
from itportrait.adapt.methods.itportrait.method import ItportraitMethod
from itportrait.align.config import AlignConfig
from itportrait.bundle import load_bundle
from itportrait.styles import read_style
from itportrait.styles.names import STYLE_FILE
from itportrait.training.domain_job import DomainJob
from itportrait.training.in_task import adapt_in_task
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


def test_a_lost_process_costs_the_steps_since_the_last_probe(job, tmp_path, monkeypatch):
    steps, step = [], ItportraitMethod.step

    def counted(method, index):
        steps.append(index)
        if len(steps) == 4:
            raise RuntimeError("the process is lost")
        return step(method, index)

    monkeypatch.setattr(ItportraitMethod, "step", counted)
    with pytest.raises(RuntimeError, match="lost"):
        adapt_in_task(job, str(tmp_path), "cpu")
    assert (tmp_path / job.run_name / STATE).exists()
    resumed = adapt_in_task(job, str(tmp_path), "cpu")
    assert steps == [0, 1, 2, 3, 2, 3, 4]

    whole = adapt_in_task(job, str(tmp_path / "another"), "cpu")
    delta, same = (read_style(each.files[STYLE_FILE]).delta for each in (resumed, whole))
    assert delta.keys() == same.keys()
    assert all(delta[name].equal(same[name]) for name in delta)


def test_a_damaged_state_begins_anew_and_says_so(job, tmp_path, caplog):
    (tmp_path / job.run_name).mkdir()
    (tmp_path / job.run_name / STATE).write_bytes(b"half of it")
    assert adapt_in_task(job, str(tmp_path), "cpu").files[STYLE_FILE]
    assert "begins anew" in caplog.text
