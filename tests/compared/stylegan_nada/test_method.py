"""What is characteristic of StyleGAN-NADA: layers that every step chooses, views, the direction."""

import copy
from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt import AdaptConfig, adapt_domain, misfits, resolve
from itportrait.adapt.layers import trained_names
from itportrait.compared.stylegan_nada.rows import AdaptiveRows, row_movements
from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import frontal_camera
from tests.helpers.method_runs import changed, method_of, recorded, same, snapshot

FEW = {"layer_rows": 2, "choice_codes": 2, "learning_rate": 0.01}


@pytest.fixture
def make_method(bundle, make_spec, reference):
    def make(mode="text", **options):
        spec = make_spec(mode, method="stylegan_nada", options=options)
        return method_of(bundle, spec, [reference] if mode == "image" else [])

    return make


def watched(method):
    """Record codes, cameras and generators of every render of a method."""
    guide = method.guides["stylegan_nada"]
    seen, plain = [], guide._image

    def image(generator, ws, cameras):
        seen.append((generator, cameras))
        return plain(generator, ws, cameras)

    guide._image = image
    return seen


def test_layers_are_chosen_anew_in_every_step_and_all_others_stay_bit_equal(make_method):
    method = make_method(**FEW)
    student = method.students["adapted"]
    choices = set()
    for index in range(4):
        before = snapshot(student.trained)
        part = method.loss(index)
        student.update(part, method.context.workers)
        moved = changed(student.trained, before)
        assert moved
        assert moved <= set(part.trained)
        choices.add(frozenset(part.trained))
    assert len(choices) > 1
    assert all(names < set(student.trained) for names in choices)


def test_only_convolutions_that_rows_modulate_are_trained(make_method, bundle):
    trained = set(make_method().students["adapted"].trained)
    assert any(name.startswith("superresolution.") for name in trained)
    assert not any("torgb" in name or "const" in name for name in trained)
    left = set(trained_names(bundle.generator, "synthesis_sr")) - trained
    assert left
    assert all("torgb" in name or "const" in name for name in left)


def test_a_row_names_the_layers_that_read_it(bundle):
    generator = copy.deepcopy(bundle.generator).requires_grad_(True)
    rows = AdaptiveRows(generator, trained_names(generator, "all"), None)
    assert list(rows.names) == list(range(generator.num_ws))
    affine = {
        row: [name for name in names if name.endswith("affine.weight")]
        for row, names in rows.names.items()
    }
    assert [len(names) for names in affine.values()] == [1, 1, 1, 1, 1, 4]
    for blank in range(generator.num_ws):
        ws = torch.randn(1, generator.num_ws, generator.w_dim)
        ws[:, blank] = 0  # the gradient of a weight is that of its output times its input
        generator.zero_grad()
        generator.synthesize(ws, frontal_camera(bundle.orbit)).image.square().sum().backward()
        for row, names in affine.items():
            reached = [bool(generator.get_parameter(name).grad.any()) for name in names]
            assert reached == [row != blank] * len(names)


def test_rows_that_move_most_are_chosen(bundle):
    generator = bundle.generator
    rows = AdaptiveRows(generator, trained_names(generator, "planes_only"), 2)
    assert generator.num_ws - 1 not in rows.names  # its layers are not in the planes
    moved = [0.1, 0.9, 0.2, 0.8, 0.3, 5.0]
    assert rows.choose(moved) == [1, 3]
    ws = torch.zeros(3, 6, 4)
    weights = torch.arange(6.0)[None, :, None]
    found = row_movements(ws, lambda codes: (codes * weights).sum(), steps=2, learning_rate=0.5)
    torch.testing.assert_close(found, torch.arange(6.0))
    assert not ws.requires_grad


def test_too_many_rows_and_generators_without_layers_by_row_are_refused(bundle):
    names = trained_names(bundle.generator, "all")
    with pytest.raises(InvalidArgumentError, match="at most 6"):
        AdaptiveRows(bundle.generator, names, 7)
    with pytest.raises(InvalidArgumentError, match="layers that its rows modulate"):
        AdaptiveRows(SimpleNamespace(row_layers=()), names, None)


def test_both_renders_have_one_camera_and_frontal_views_one_for_all_steps(make_method, bundle):
    cameras = {}
    for views in ("orbit", "frontal"):
        method = make_method(views=views)
        seen = watched(method)
        for index in range(3):
            method.step(index)
        generators = [generator for generator, _ in seen]
        assert generators == [bundle.generator, method.students["adapted"].generator] * 3
        cameras[views] = torch.cat([camera for _, camera in seen])
        for before, after in zip(seen[::2], seen[1::2], strict=True):
            assert torch.equal(before[1], after[1])
    assert (cameras["frontal"] == frontal_camera(bundle.orbit)).all()
    assert len(cameras["orbit"].unique(dim=0)) == 6


def test_the_first_step_has_no_direction_and_a_bounded_gradient(make_method):
    method = make_method()
    part = method.loss(0)
    assert part.log["nada_clip"] == pytest.approx(1.0, abs=1e-4)
    gradients = torch.autograd.grad(
        part.loss, list(method.students["adapted"].trained.values()), allow_unused=True
    )
    largest = max(float(g.abs().max()) for g in gradients if g is not None)
    assert 0 < largest < 1e3


def test_the_direction_of_pictures_leads_from_random_portraits_to_them(make_method, bundle):
    guide = make_method("image").guides["stylegan_nada"]
    (direction,) = guide.directions
    assert direction[0] > direction[16] + 0.01  # more red than green, in the grid's first place
    again = make_method("image").guides["stylegan_nada"].directions[0]
    assert torch.equal(again, direction)


@pytest.mark.parametrize("mode", ["text", pytest.param("image", marks=pytest.mark.slow)])
def test_the_loss_falls_and_a_resumed_run_gives_the_same(
    bundle, config, make_spec, reference, mode
):
    options = {**FEW, "probe.every": 4, "learning_rate": 0.03}
    spec = make_spec(mode, method="stylegan_nada", steps=8, options=options)
    references = [reference] if mode == "image" else None
    result, reports, states = recorded(bundle, spec, config, references)
    losses = [report.metrics["train/nada_clip"] for report in reports]
    assert losses[-1] < losses[0] - 0.1
    assert reports[-1].metrics["style"] > 0.01
    again = adapt_domain(bundle, spec, config, references=references, resume_state=states[0])
    assert same(again.style, result.style)


def test_words_and_pictures_at_once_are_refused(make_spec):
    spec = make_spec("image_text", method="stylegan_nada")
    assert "image or text with method 'stylegan_nada'" in misfits(spec)["mode"]
    assert misfits(make_spec("text", method="stylegan_nada")) == {}


def test_settings_that_nothing_reads_do_not_make_a_domain_anew(make_spec):
    text, image = make_spec("text", method="stylegan_nada"), make_spec("image")
    config = resolve(text, AdaptConfig())
    assert config.layer_rows is None
    assert set(config.unread(text)) >= {"choice_codes", "direction_samples"}
    assert "direction_samples" not in config.unread(image)
    chosen = resolve(text, AdaptConfig.parse({"methods": {"stylegan_nada": {"layer_rows": 3}}}))
    assert chosen.unread(text) == ("direction_samples",)
