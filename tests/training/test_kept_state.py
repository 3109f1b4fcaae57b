"""What an adaptation in one process keeps until it has ended."""

import pytest
import torch

from itportrait.adapt.config import AdaptConfig
from itportrait.adapt.domain import DomainSpec
from itportrait.align.config import AlignConfig
from itportrait.cli import app
from itportrait.training import kept_state
from itportrait.training.domain_job import DomainJob
from itportrait.training.kept_state import KeptState


def job(**changes) -> DomainJob:
    spec = DomainSpec(name="clay", mode="text", prompt="clay", **changes)
    return DomainJob.of(spec, bundle="mini", adapt=AdaptConfig(), align=AlignConfig(), model_id="m")


def test_a_state_comes_back_for_the_same_adaptation_alone(tmp_path):
    bank = str(tmp_path / "bank")
    kept = KeptState.in_bank(bank, job())
    assert kept.load() is None
    kept.save({"step": 3, "tensor": torch.ones(2)})
    kept.save({"step": 4, "tensor": torch.ones(2)})
    assert KeptState.in_bank(bank, job()).load()["step"] == 4
    assert KeptState.in_bank(bank, job(steps=7)).load() is None
    kept.remove()
    assert not list((tmp_path / "bank").rglob("*.pt"))


def test_a_damaged_state_is_told_by_its_checksum_and_said_to_be(tmp_path, caplog):
    kept = KeptState.in_bank(str(tmp_path), job())
    kept.save({"step": 4, "tensor": torch.ones(512)})
    (path,) = tmp_path.rglob("*.pt")
    data = bytearray(path.read_bytes())
    data[data.index(torch.ones(8).numpy().tobytes()) + 2] ^= 64  # torch's loader sees nothing
    path.write_bytes(data)
    assert kept.load() is None
    assert "is damaged, and its adaptation begins anew" in caplog.text


@pytest.mark.slow
def test_adapt_goes_on_where_ctrl_c_stopped_it(tmp_path, base, monkeypatch):
    from typer.testing import CliRunner

    options = ["adapt", "zombie", "--bank", str(tmp_path / "bank"), "--prompt", "a zombie"]
    options += ["--steps", "4", "--bundle", str(base), "--set", "gate.floors={}"]
    options += ["--set", "adapt.probe.every=2"]
    save = KeptState.save

    def stopped(self, state):
        save(self, state)
        raise KeyboardInterrupt

    def interrupted(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kept_state.KeptState, "save", stopped)
        first = CliRunner().invoke(app, options)
    assert first.exit_code == 130
    assert first.output.splitlines()[-1].startswith("stopped; what is committed stays")
    assert "Traceback" not in first.output
    with monkeypatch.context() as patch:
        patch.setattr(kept_state.KeptState, "remove", interrupted)  # the version is published then
        second = CliRunner().invoke(app, options)
    assert second.exit_code == 130, second.output
    assert "goes on from step 2, where it was stopped" in second.output
    assert list((tmp_path / "bank").rglob("state-*.pt"))
    third = CliRunner().invoke(app, options)
    assert third.exit_code == 0, third.output
    assert "kept: the bank holds this very domain already" in third.output
    assert not list((tmp_path / "bank").rglob("state-*.pt"))
