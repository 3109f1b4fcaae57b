"""The hyper-network in training: it learns, goes on from a checkpoint, and touches nothing else."""

import pytest
import torch

from itportrait.errors import MissingModelError
from itportrait.generator import TriPlaneGenerator
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.hyper import HyperNetwork
from itportrait.perception.trunk import ConvTrunk
from itportrait.pretrain.networks.hyper import HyperTask, HyperTraining
from itportrait.pretrain.run import Paths, train
from itportrait.pretrain.training.loop import LoopConfig, TrainingLoop
from itportrait.pretrain.training.task import TaskInputs
from tests.helpers.tiny_family import WIDTHS
from tests.helpers.tiny_training import CONFIG

TRAINING = HyperTraining(batch=3, rank=8, passes=2, curvature_batches=2, warmup_steps=2, half=False)


def make_task(train, held_out):
    torch.manual_seed(0)
    generator = TriPlaneGenerator(CONFIG)
    encoder = EncoderModel(ConvTrunk(*WIDTHS), generator.num_ws, generator.w_dim, hidden=16)
    photos = (data.take(data.domain == 0) for data in (train, held_out))
    return HyperTask(generator, encoder, TaskInputs(*photos), TRAINING)


def test_it_learns_and_a_resumed_run_is_identical(fake, fake_held_out, tmp_path):
    config = LoopConfig(steps=12)
    whole = make_task(fake, fake_held_out)
    frozen = {**whole.changes.generator.state_dict(), **whole.encoder.state_dict()}
    before = {name: value.clone() for name, value in frozen.items()}
    loop = TrainingLoop(whole, config, tmp_path / "whole")
    loop.run(stop_after=1)
    first = whole.validate()
    figures = loop.run()
    assert figures["psnr_before"] == pytest.approx(first["psnr_before"])
    assert first["psnr"] > first["psnr_before"] + 0.5  # Gauss-Newton steps, before any training
    assert figures["psnr"] > first["psnr"] + 0.5
    assert figures["psnr_novel"] > figures["psnr_novel_before"] + 1
    assert all(torch.equal(value, before[name]) for name, value in frozen.items())

    TrainingLoop(make_task(fake, fake_held_out), config, tmp_path / "part").run(stop_after=7)
    resumed = make_task(fake, fake_held_out)
    TrainingLoop(resumed, config, tmp_path / "part").run()
    for left, right in zip(whole.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_exported_network_loads_to_the_same_up_to_half_precision(fake, fake_held_out, tmp_path):
    task = make_task(fake, fake_held_out)
    TrainingLoop(task, LoopConfig(steps=1), tmp_path).run()
    task.export(tmp_path)
    loaded = HyperNetwork.load(tmp_path / "hyper.safetensors")
    assert (loaded.sizes, loaded.rank, loaded.passes) == (task.changes.sizes, 8, 2)
    for name, value in task.model().state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=2e-3, atol=1e-3)


def test_what_it_is_built_on_must_be_there(tmp_path):
    paths = Paths(tmp_path, tmp_path, tmp_path)
    with pytest.raises(MissingModelError, match=r"no generator.*--only generator --only hyper"):
        train("hyper", paths, LoopConfig(steps=1))
