import pytest
import torch

from itportrait.generator import TriPlaneGenerator
from itportrait.generator.base import Rendering, Samples
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.pretrain.networks.generator import (
    GeneratorTask,
    GeneratorTraining,
    Stage,
    at_stage,
    face_weight,
    losses,
    set_mean_code,
    truth,
)
from itportrait.pretrain.training.loop import LoopConfig, TrainingLoop
from itportrait.pretrain.training.task import TaskInputs
from tests.helpers.tiny_training import CONFIG

STAGES = (Stage(until=0.5, rays=8, blocks=1), Stage(until=1.0, rays=8, blocks=2))


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return TriPlaneGenerator(CONFIG)


def make_task(generator, fake, held_out):
    config = GeneratorTraining(people=4, stages=STAGES, warmup_steps=5)
    return GeneratorTask(generator, photos(fake, held_out), config)


def photos(fake, held_out):
    return TaskInputs(*(data.take(data.domain == 0) for data in (fake, held_out)))


def test_training_lowers_the_losses_through_all_stages(generator, fake, fake_held_out, tmp_path):
    task = make_task(generator, fake, fake_held_out)
    before = task.validate()
    TrainingLoop(task, LoopConfig(steps=80), tmp_path).run()
    after = task.validate()
    assert after["psnr"] > before["psnr"] + 2
    assert after["head_psnr"] > before["head_psnr"]


def test_a_stage_shares_the_weights_and_gives_the_first_blocks_image(generator):
    small = at_stage(generator, STAGES[0])
    assert {id(p) for p in small.parameters()} <= {id(p) for p in generator.parameters()}
    ws = generator.mapping(torch.zeros(1, 64), frontal_camera())
    with torch.no_grad():
        part, whole = (g.synthesize(ws, frontal_camera()) for g in (small, generator))
    assert part.image.shape[-1] == 16
    assert whole.image.shape[-1] == 32
    assert torch.equal(part.image_raw, whole.image_raw)
    small.decoder.net[0].bias.data += 1
    assert generator.decoder.net[0].bias.data.mean() > 0.5


def test_a_trained_generator_goes_on_at_full_size(generator, fake, fake_held_out):
    small, inputs = {"people": 4}, photos(fake, fake_held_out)
    for config, side in (
        (GeneratorTraining(), 32),
        (GeneratorTraining.of_trained(), 128),
    ):
        task = GeneratorTask(generator, inputs, config.model_copy(update=small))
        assert task.config.stages[0].rays * 2 ** task.config.stages[0].blocks == side


def test_the_truth_compared_with_itself_has_no_loss(fake):
    rows = torch.arange(3)
    target = truth(fake, rows, 8, torch.device("cpu"))
    assert target["image"].shape == (3, 3, 32, 32)
    assert target["depth"].shape == (3, 1, 8, 8)
    assert 1.9 < target["depth"][target["solid"] > 0].min() < 3.3

    image = target["image"] * 2 - 1
    perfect = Rendering(
        image=image,
        image_raw=torch.nn.functional.adaptive_avg_pool2d(image, 8),
        image_depth=target["depth"],
        image_alpha=target["alpha"],
        samples=Samples(target["depth"].flatten(1)[..., None], torch.ones(3, 64, 1)),
    )
    values = losses(perfect, target, fake.camera[rows])
    assert all(float(value) == pytest.approx(0, abs=1e-6) for value in values.values())


def test_the_weight_of_the_face_peaks_where_the_head_is_seen():
    camera = torch.cat([frontal_camera(), look_at_camera(0.5, 0.1)])
    weight = face_weight(camera, 32)
    assert weight.shape == (2, 1, 32, 32)
    peak = weight.flatten(1).argmax(1)
    rows, columns = peak // 32, peak % 32
    assert ((rows - 16).abs() <= 3).all()
    assert ((columns - 16).abs() <= 4).all()
    assert weight.min() > 0.7


def test_the_mean_code_is_the_center_of_truncation(generator):
    set_mean_code(generator, count=500)
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(1))
    codes = generator.mapping(z, frontal_camera(), truncation_psi=0.0)
    assert torch.allclose(codes[0], codes[1])
    assert generator.w_avg.abs().max() > 0
    assert generator.w_avg[:64].abs().max() < 0.2


def test_batches_hold_two_views_of_each_person(generator, fake, fake_held_out):
    task = make_task(generator, fake, fake_held_out)
    rows = task.batch(torch.Generator().manual_seed(0))
    assert rows.shape == (4, 2)
    person = task.train.person[rows]
    assert (person[:, 0] == person[:, 1]).all()
    assert (rows[:, 0] != rows[:, 1]).all()
