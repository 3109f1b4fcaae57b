"""Each small network learns on made-up portraits, goes on from a checkpoint, and is saved."""

import pytest
import torch

from itportrait.generator import TriPlaneGenerator
from itportrait.perception.clip import WEIGHTS_FILE, ImageTextModel
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.identity import MiniIdentityModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.pretrain.networks.clip import ClipTask, ClipTraining
from itportrait.pretrain.networks.clip.losses import classify, tell_apart
from itportrait.pretrain.networks.encoder import (
    EncoderTask,
    EncoderTraining,
    codes_of,
    picture_metric,
)
from itportrait.pretrain.networks.identity import (
    IdentityTask,
    IdentityTraining,
    area_under_curve,
    contrastive_loss,
)
from itportrait.pretrain.networks.perceptual import PerceptualTask, PerceptualTraining
from itportrait.pretrain.networks.prompts import vocabulary
from itportrait.pretrain.training.loop import LoopConfig, TrainingLoop
from itportrait.pretrain.training.task import TaskInputs
from tests.helpers.tiny_training import CONFIG


def make_task(name, train, held_out, folder):
    torch.manual_seed(0)
    inputs = TaskInputs(train, held_out)
    if name == "perceptual":
        return PerceptualTask(inputs, PerceptualTraining(batch=8))
    if name == "identity":
        return IdentityTask(inputs, IdentityTraining(people=6))
    if name == "clip":
        return ClipTask(folder, inputs, ClipTraining(batch=12, pairs=4))
    config = EncoderTraining(batch=8, render_batch=2, render_from=0.5)
    return EncoderTask(TriPlaneGenerator(CONFIG), photos(train, held_out), config)


def photos(train, held_out):
    return TaskInputs(*(data.take(data.domain == 0) for data in (train, held_out)))


@pytest.mark.parametrize("name", ["perceptual", "identity", "clip", "encoder"])
def test_losses_fall_and_a_resumed_run_is_identical(name, fake, fake_held_out, tmp_path):
    config = LoopConfig(steps=8)
    whole = make_task(name, fake, fake_held_out, tmp_path)
    loop = TrainingLoop(whole, config, tmp_path / "whole")
    loop.run(stop_after=1)
    first = dict(loop._mean)
    figures = loop.run()
    assert all(torch.isfinite(torch.tensor(value)) for value in figures.values())
    if name != "encoder":  # its losses are others in its second phase
        last = whole.backward(0.99, torch.Generator().manual_seed(0))
        begun = [key for key, value in first.items() if value > 0]  # some weights rise from 0
        assert sum(last[key] for key in begun) < sum(first[key] for key in begun)
    TrainingLoop(make_task(name, fake, fake_held_out, tmp_path), config, tmp_path / "part").run(
        stop_after=6
    )
    resumed = make_task(name, fake, fake_held_out, tmp_path)
    TrainingLoop(resumed, config, tmp_path / "part").run()
    for left, right in zip(whole.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("perceptual", PerceptualModel), ("identity", MiniIdentityModel), ("encoder", EncoderModel)],
)
def test_exported_networks_load_to_the_same_up_to_half_precision(
    name, kind, fake, fake_held_out, tmp_path
):
    task = make_task(name, fake, fake_held_out, tmp_path)
    model = task.model()
    model.save(tmp_path / "network.safetensors")
    loaded = kind.load(tmp_path / "network.safetensors")
    image = fake.floats(torch.arange(2))
    call = (lambda m: m(image)[0]) if name == "encoder" else (lambda m: m.embed(image))
    with torch.no_grad():
        assert torch.allclose(call(model), call(loaded), atol=2e-2)


def test_the_encoder_starts_around_the_generators_mean_code(fake, fake_held_out, tmp_path):
    task = make_task("encoder", fake, fake_held_out, tmp_path)
    codes = codes_of(task.generator, fake.latent)
    w_plus, angles = task.model()(fake.floats(torch.arange(3)))
    assert w_plus.shape == (3, task.generator.num_ws, task.generator.w_dim)
    assert angles.shape == (3, 2)
    assert torch.equal(w_plus[:, 0], w_plus[:, -1])
    assert (w_plus[:, 0] - codes.mean(0)).abs().mean() < 2 * codes.std(0).mean()


def test_a_trained_encoder_goes_on_with_another_generator(fake, fake_held_out, tmp_path):
    known = make_task("encoder", fake, fake_held_out, tmp_path).model()
    torch.manual_seed(5)
    weight = known.hidden.weight.clone()
    config = EncoderTraining.of_trained().model_copy(update={"batch": 8, "render_batch": 2})
    inputs = photos(fake, fake_held_out)
    task = EncoderTask(TriPlaneGenerator(CONFIG), inputs, config, start=known)
    started = task.model()
    assert torch.equal(started.hidden.weight, weight)
    codes = codes_of(task.generator, inputs.train.latent)
    assert torch.allclose(started.w_avg, codes.mean(0), atol=1e-5)
    TrainingLoop(task, LoopConfig(steps=4), tmp_path).run()
    assert not torch.equal(task.module.hidden.weight, weight)


def test_the_picture_metric_tells_what_an_error_of_a_code_shows(fake, fake_held_out, tmp_path):
    task = make_task("encoder", fake, fake_held_out, tmp_path)
    generator, codes = task.generator, codes_of(task.generator, fake.latent)
    unit = torch.ones(generator.w_dim)
    metric = picture_metric(generator, codes, fake.camera[:1], unit, count=4, step=0.01)
    assert torch.allclose(metric, metric.T)
    assert float(metric.diagonal().mean()) == pytest.approx(1)

    values, directions = torch.linalg.eigh(metric)
    rng = torch.Generator().manual_seed(0)
    code = codes[torch.randint(len(codes), (1,), generator=rng)][0]
    change = 0.01 * directions.T[[0, -1]]  # what shows least, and most

    def render(code):
        ws = code[:, None].expand(-1, generator.num_ws, -1)
        return generator.synthesize(ws, fake.camera[:1].expand(len(code), -1)).image.flatten(1)

    least, most = (render(code + change) - render(code[None])).square().sum(1)
    assert values[-1] > 3
    assert most > 100 * least


def test_an_exported_clip_is_an_open_clip_model_and_knows_its_words(fake, fake_held_out, tmp_path):
    task = make_task("clip", fake, fake_held_out, tmp_path)
    task.export(tmp_path)
    model = ImageTextModel.load_mini(tmp_path / "clip")
    image = fake.floats(torch.arange(4))
    with torch.no_grad():
        expected = task.wrapped().encode_image(image)
        assert torch.allclose(model.encode_image(image), expected, atol=2e-2)
    assert model.unknown_words("A bronze spaceship, of a person") == ["spaceship"]
    plain, odd = model.encode_text(["a bronze statue", "a bronze spaceship statue"])
    assert plain @ odd < 1


def test_a_clip_goes_on_from_an_exported_one_without_its_head(fake, fake_held_out, tmp_path):
    task = make_task("clip", fake, fake_held_out, tmp_path)
    TrainingLoop(task, LoopConfig(steps=3), tmp_path / "run").run()
    task.export(tmp_path)
    state = torch.load(tmp_path / "clip" / WEIGHTS_FILE, weights_only=True)
    assert not [key for key in state if "attribute_head" in key]
    torch.manual_seed(1)
    inputs = TaskInputs(fake, fake_held_out)
    again = ClipTask(tmp_path, inputs, ClipTraining(), start=tmp_path / "clip")
    image = fake.floats(torch.arange(4))
    with torch.no_grad():
        old, new = (item.wrapped().encode_image(image) for item in (task, again))
    assert torch.allclose(old, new, atol=2e-2)


def test_a_batch_of_clip_has_its_share_of_photos(fake, fake_held_out, tmp_path):
    task = make_task("clip", fake, fake_held_out, tmp_path)
    domains = fake.domain[task._rows()]
    assert len(domains) == 12
    assert int((domains == fake.domains.index("photo")).sum()) == 7


def test_clip_holds_pictures_in_place_only_once_they_have_one(fake, fake_held_out, tmp_path):
    task = make_task("clip", fake, fake_held_out, tmp_path)
    rng = torch.Generator().manual_seed(0)
    assert not {"between", "adversary"} & set(task.losses(0.1, rng))
    assert {"between", "adversary"} <= set(task.losses(0.9, rng))
    for trained in (ClipTraining.of_trained(), ClipTraining.of_traits()):
        config = trained.model_copy(update={"batch": 12, "pairs": 4})
        task = ClipTask(tmp_path, TaskInputs(fake, fake_held_out), config)
        assert {"between", "adversary"} <= set(task.losses(0.001, rng))


def test_only_the_model_of_traits_learns_from_a_head(fake, fake_held_out, tmp_path):
    rng, heads = torch.Generator().manual_seed(0), []
    for config in (ClipTraining(), ClipTraining.of_traits()):
        small = config.model_copy(update={"batch": 12, "pairs": 4})
        task = ClipTask(tmp_path, TaskInputs(fake, fake_held_out), small)
        heads.append(float(task.losses(0.1, rng)["head"].detach()))
    assert heads[0] == 0
    assert heads[1] > 0.1


def test_attributes_count_alike_on_both_sides_and_unseen_ones_not_at_all():
    margin = torch.tensor([[0.0, 9.0], [0.0, 9.0], [100.0, 9.0]])
    label = torch.tensor([[1, -1], [0, -1], [0, -1]])
    log2 = torch.tensor(2.0).log()
    assert tell_apart(margin, label) == pytest.approx(float((log2 + (log2 + 100) / 2) / 2))


def test_classes_of_a_batch_count_alike():
    logits = torch.tensor([[3.0, 0.0], [3.0, 0.0], [3.0, 0.0], [3.0, 0.0]])
    right, wrong = (torch.nn.functional.softplus(torch.tensor(x)) for x in (-3.0, 3.0))
    loss = classify(logits, torch.tensor([0, 0, 0, 1]))
    assert loss == pytest.approx(float((right + wrong) / 2))


def test_the_vocabulary_holds_captions_and_prompts():
    words = vocabulary([["a man with Glasses, smiling"]], ("photo", "bronze"))
    assert {"glasses", "smiling", "bronze", "statue", "photo"} <= set(words)
    assert words == sorted(words)


def test_the_contrastive_loss_is_least_where_people_keep_together():
    person = torch.tensor([0, 0, 1, 1])
    axes = torch.eye(4)
    together = contrastive_loss(axes[[0, 0, 1, 1]], person, 0.1)
    apart = contrastive_loss(axes[[0, 1, 0, 1]], person, 0.1)
    assert together < 0.01 < 5 < apart


def test_area_under_curve_by_hand():
    positive, negative = torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.1])
    assert area_under_curve(positive, negative) == pytest.approx(0.75)
    assert area_under_curve(negative, positive) == pytest.approx(0.25)
