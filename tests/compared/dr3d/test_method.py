"""What is characteristic of Dr.3D: all three learn, by the base's depth, and slips stay out."""

from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain, adapt_fingerprint, misfits
from itportrait.adapt.sampling import random_codes
from itportrait.compared.dr3d.config import PoseConfig
from itportrait.compared.dr3d.maps import ResidualMaps
from itportrait.compared.dr3d.poses import PoseEstimator
from itportrait.compared.dr3d.priors import depth_prior, normal_prior
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.generator import Rendering
from itportrait.generator.deformation import deformed
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.learning.seeds import step_rng
from itportrait.styles import DeformedStyle
from tests.helpers.method_runs import changed, method_of, recorded, same, snapshot

SMALL = {
    "batch": 2,
    "deformation.width": 8,
    "learning_rate": 0.01,
    "poses.learning_rate": 1e-3,
    "poses.refresh": 2,
    "adversary.features": "perceptual",
    "adversary.channel_max": 8,
    "adversary.mapping_layers": 1,
    "adversary.blur": 0.0,
    "adversary.density_points": 50,
}


@pytest.fixture
def make_method(bundle, make_spec, pictures):
    def make(models=bundle, **options):
        spec = make_spec(
            "image",
            method="dr3d",
            references=[],
            pictures="mini:clown",
            train="all",
            options={**SMALL, **options},
        )
        return method_of(models, spec, pictures=pictures)

    return make


def test_a_step_moves_generator_discriminator_and_estimator_and_nothing_else(make_method, bundle):
    method = make_method()
    parts = {
        "generator": method.students["drawn"].generator,
        "discriminator": method.adversary.discriminator,
        "estimator": method.poses.network,
        "proposing": method.poses.proposing,
        "base": bundle.generator,
        "encoder": bundle.encoder,
    }
    before = {name: snapshot(module) for name, module in parts.items()}
    log = method.step(0)
    moved = {name: changed(module, before[name]) for name, module in parts.items()}
    assert {name for name, found in moved.items() if found} == {
        "generator",
        "discriminator",
        "estimator",
    }
    assert {"dr3d_adversarial", "dr3d_depth", "dr3d_pose", "dr3d_normal", "r1"} <= set(log)
    assert {"deformation.heads.b16_conv1.weight", "deformation.mapping.0.weight"} <= moved[
        "generator"
    ]
    method.step(1)  # the second step ends an interval: what was learned proposes
    assert not changed(parts["proposing"], snapshot(parts["estimator"]))


def test_the_gradient_reaches_the_estimator_and_its_first_layers_stay(make_method):
    """The published program computes the estimator's loss and never calls backward."""
    method = make_method()
    network, before = method.poses.network, snapshot(method.poses.network)
    method.step(0)
    moved = changed(network, before)
    assert {"angles.weight", "hidden.weight"} <= moved
    assert any(name.startswith("trunk.stages.1.") for name in moved)
    assert not any(name.startswith(("trunk.stages.0.", "code.", "offset.")) for name in moved)


def test_the_estimator_learns_poses_from_renders(make_method, bundle):
    method = make_method(**{"poses.learning_rate": 3e-3})
    real = method.draw_real(0)
    cameras = bundle.camera_prior.sample(8, step_rng(0, 0, 0))
    ws = random_codes(bundle, 8, step_rng(1, 0, 0))
    with torch.no_grad():
        image = bundle.generator.synthesize(ws, cameras).final_image
    errors = [method.poses.learn(image, cameras, method.context.workers) for _ in range(12)]
    assert errors[-1] < 0.5 * errors[0]
    assert torch.equal(method.draw_real(0).cameras, real.cameras)  # until they take turns
    method.poses.take_turns(1)
    assert not torch.equal(method.draw_real(0).cameras, real.cameras)


def test_a_common_turn_of_all_heads_is_taken_off(make_method, pictures):
    """Generator and estimator both go along with it, so that nothing else would stop it."""
    images = pictures.batch(0, pictures.count, seed=0).images
    found = {}
    for level in (False, True):
        poses = make_method(**{"poses.level": level, "poses.mirror": True}).poses
        first = camera_angles(poses.propose(images))[1].mean()
        with torch.no_grad():
            poses.network.angles.bias.add_(torch.tensor([0.3, 0.1]))  # what it has learned
        poses.average.load_state_dict(poses.network.state_dict())
        poses.take_turns(1)
        found[level] = float(camera_angles(poses.propose(images))[1].mean() - first)
    assert found[False] > 0.05
    assert found[True] == pytest.approx(0, abs=1e-3)


def test_a_mirrored_picture_has_the_mirrored_camera(make_method, pictures):
    image = pictures.batch(0, 2, seed=0).images
    poses = make_method(**{"poses.mirror": True}).poses
    yaw, pitch = camera_angles(poses.propose(image))
    mirrored_yaw, mirrored_pitch = camera_angles(poses.propose(image.flip(-1)))
    torch.testing.assert_close(mirrored_yaw, -yaw)
    torch.testing.assert_close(mirrored_pitch, pitch)


def test_the_average_of_the_estimator_proposes(make_method, bundle):
    method = make_method(**{"poses.average": 0.75})
    expected = bundle.encoder.angles.bias.clone()
    for index in range(2):  # the second step ends an interval
        method.step(index)
        expected = 0.75 * expected + 0.25 * method.poses.network.angles.bias
    torch.testing.assert_close(method.poses.proposing.angles.bias, expected)
    assert not torch.allclose(expected, method.poses.network.angles.bias, atol=1e-5)


def test_an_anchored_estimator_learns_from_the_base_too(make_method, bundle):
    method = make_method(**{"poses.anchor": True, "poses.recolor": 1.0})
    views = method.views(0)
    fake, (base,) = views.fake, views.further
    rng = step_rng(5, 0, 0, "dr3d")
    ws, cameras = random_codes(bundle, 2, rng), bundle.camera_prior.sample(2, rng)
    with torch.no_grad():
        expected = bundle.generator.synthesize(ws, cameras).final_image
    torch.testing.assert_close(base.image, expected)
    assert torch.equal(base.cameras, cameras)
    assert torch.equal(fake.cameras, views.real.cameras)
    shown = []
    method.poses.learn = lambda image, cameras, workers: shown.append((image, cameras)) or 0.0
    method.learn_poses(views, 0)
    image, cameras = shown[0]
    assert len(image) == len(cameras) == 4
    assert not torch.allclose(image[2:], base.image, atol=0.05)  # of other colors


def test_the_pose_term_reaches_the_generator(make_method):
    method = make_method(adversarial=0, depth=0, normal=0, **{"adversary.density": 0})
    method.loss(0).loss.backward()
    weight = method.students["drawn"].trained["superresolution.block0.conv1.weight"]
    assert bool(weight.grad.any())


def test_the_depth_prior_is_that_of_the_base(make_method, bundle):
    """The published program takes an untrained network's depth."""
    method = make_method()
    maps = method.students["drawn"].generator.deformation
    maps.strength = 0.0  # the copy then draws what the base draws
    assert method.loss(0).log["dr3d_depth"] == 0
    maps.strength = 1.0
    for head in maps.heads.values():
        head.weight.data.mul_(300)
    value = method.loss(0).log["dr3d_depth"] / method.context.config.depth
    rng = step_rng(5, 0, 0, "dr3d")
    ws, cameras = random_codes(bundle, 2, rng), method.draw_real(0).cameras
    with torch.no_grad():
        ours = method.students["drawn"].generator.synthesize(ws, cameras)
        base = bundle.generator.synthesize(ws, cameras)
    assert value > 0
    assert value == pytest.approx(float(depth_prior(ours, base, 3.0)), rel=1e-4)


def rendering(depth, alpha):
    return Rendering(None, depth.expand(1, 3, 8, 8), depth, alpha)


def test_priors_see_the_surface_alone():
    flat, seen = torch.full((1, 1, 8, 8), 2.5), torch.ones(1, 1, 8, 8)
    near = rendering(flat - 0.1, seen)
    assert float(depth_prior(near, rendering(flat, seen), 1.0)) == pytest.approx(0.1, rel=1e-4)
    half = seen.clone()
    half[..., 4:] = 0
    assert float(depth_prior(near, rendering(flat, half), 1.0)) == pytest.approx(0.1, rel=1e-4)
    assert float(normal_prior(near)) == 0
    ramp = flat + 0.01 * torch.arange(8.0)
    assert float(normal_prior(rendering(ramp, seen))) == pytest.approx(0, abs=1e-5)
    rough = flat + 0.01 * (torch.arange(8.0) % 2)
    assert float(normal_prior(rendering(rough, seen))) > 0.1
    assert float(normal_prior(rendering(rough, 0 * seen))) == 0


def test_the_first_blocks_stay_and_the_mapping_too(make_method):
    names = set(make_method().students["drawn"].trained)
    assert not any(
        name.startswith(("backbone.mapping.", "backbone.synthesis.b4.")) for name in names
    )
    parts = ("backbone.synthesis.b16.", "deformation.", "decoder.", "superresolution.")
    assert all(any(name.startswith(part) for name in names) for part in parts)
    free = set(make_method(frozen_rows=0).students["drawn"].trained)
    assert any(name.startswith("backbone.synthesis.b4.") for name in free)


def test_mirrored_pictures_get_a_camera_of_their_own(make_method, pictures):
    method = make_method(batch=8)
    plain = pictures.batch(0, 8, seed=5).images
    image = method.draw_real(0).image
    mirrored = [not torch.equal(image[row], plain[row]) for row in range(8)]
    assert 0 < sum(mirrored) < 8
    assert all(torch.equal(image[row], plain[row].flip(2)) for row in range(8) if mirrored[row])
    unmirrored = make_method(batch=8, mirror=False)
    assert torch.equal(unmirrored.draw_real(0).image, plain)


def test_a_resumed_run_goes_on_bit_for_bit_and_gives_a_deformed_style(
    bundle, config, make_spec, pictures
):
    options = {**SMALL, "probe.every": 3, "ema": 0.5}
    spec = make_spec(
        "image", method="dr3d", references=[], pictures="mini:clown", steps=6, options=options
    )
    result, _, states = recorded(bundle, spec, config, pictures=pictures)
    assert isinstance(result.style, DeformedStyle)
    assert result.notes["augmentation"] == 0
    again = adapt_domain(bundle, spec, config, pictures=pictures, resume_state=states[0])
    assert same(again.style, result.style)


def test_what_it_needs_is_said(make_spec, bundle, make_method):
    assert "must be image" in misfits(make_spec("text", method="dr3d"))["mode"]
    assert "`pictures`" in misfits(make_spec("image", method="dr3d"))["mode"]
    assert (
        "deforms scenes with"
        in misfits(make_spec("image", method="dr3d", train="decoder_sr"))["train"]
    )
    poor = SimpleNamespace(**{**vars(bundle), "encoder": None})
    with pytest.raises(MissingModelError, match="cameras of pictures by the bundle's encoder"):
        make_method(poor)


def test_proposals_stand_and_look_as_the_family_s_cameras(bundle, pictures):
    orbit = Orbit(radius=3.1, focal=3.9, pivot=(0.0, 0.1, -0.3))
    image = pictures.batch(0, 2, seed=0).images
    yaw, pitch = bundle.encoder(image)[1].unbind(1)
    cameras = {}
    for name, each in (("own", bundle.orbit), ("other", orbit)):
        models = SimpleNamespace(**{**vars(bundle), "orbit": each})
        cameras[name] = PoseEstimator(models, PoseConfig(), pictures, 0).propose(image)
        torch.testing.assert_close(cameras[name], look_at_camera(yaw, pitch, each))
    assert not torch.allclose(cameras["own"][:, :11], cameras["other"][:, :11], atol=0.01)


def test_normals_of_the_edge_of_the_surface_do_not_count():
    ramp, seen = 2.5 + 0.01 * torch.arange(8.0).expand(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    for turn in range(4):  # what is empty lies right, above, left, below
        depth, alpha = ramp.clone(), seen.clone()
        depth[..., 4:], alpha[..., 4:] = 3.3, 0.0
        turned = [torch.rot90(part, turn, (2, 3)) for part in (depth, alpha)]
        assert float(normal_prior(rendering(*turned))) == pytest.approx(0, abs=1e-5)
        open_edge = rendering(turned[0], seen)
        assert float(normal_prior(open_edge)) > 0.01


def test_what_cannot_be_deformed_is_refused():
    family = SimpleNamespace()
    with pytest.raises(InvalidArgumentError, match=r"draws tri-planes.*choose a method"):
        ResidualMaps.of(family, (8,), 8)
    with pytest.raises(InvalidArgumentError, match=r"draws tri-planes.*choose a method"):
        deformed(family, None)


def test_settings_that_nothing_reads_are_no_part_of_a_domain(make_spec):
    def digest(**options):
        spec = make_spec("image", method="dr3d", references=[], pictures="mini:clown")
        spec = spec.model_copy(update={"options": options})
        return adapt_fingerprint(spec, AdaptConfig(), "tiny-0")

    none = {"depth": 0, "adversary.density": 0, "deformation.sides": []}
    unread = {"depth_blur": 1.0, "adversary.density_points": 7, "deformation.width": 3}
    assert digest(**none) == digest(**none, **unread)
    assert len({digest(), *(digest(**{key: value}) for key, value in unread.items())}) == 4


def test_settings_that_came_later_are_no_part_of_a_domain_where_they_are_neutral():
    """The digests are those of the method before `poses.average`, `mirror` and `level`."""

    def digest(preset="published", **options):
        spec = DomainSpec.parse(
            {"name": "clown", "mode": "image", "method": "dr3d", "pictures": "mini:clown"}
            | {"steps": 80, "train": "all", "options": options}
        )
        settings = AdaptConfig.parse({"preset": preset})
        return adapt_fingerprint(spec, settings, "model", set_digest="set")

    assert digest() == "a2052432e2462195"
    assert digest(**{"poses.recolor": 0.5, "poses.anchor": True}) == "a88b69099812e677"
    later = {"poses.average": 0.5, "poses.mirror": True, "poses.level": True}
    assert len({digest(), *(digest(**{key: value}) for key, value in later.items())}) == 4
    assert digest("mini") != "0e93efc01bd29510"  # whose result is another one since
    neutral = {"poses.average": 0.0, "poses.mirror": False, "poses.level": False}
    assert digest("mini", **neutral) == "0e93efc01bd29510"
