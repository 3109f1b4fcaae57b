"""The avatargan3d method on tiny models: what is trained, frozen, kept and resumed."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain
from itportrait.adapt.config import resolve
from itportrait.adapt.methods.base import MethodContext
from itportrait.compared.avatargan3d.config import AvatarGan3dConfig
from itportrait.compared.avatargan3d.method import AvatarGan3dMethod
from itportrait.errors import MissingModelError
from itportrait.generator.deformation import PREFIX
from itportrait.picture_sets import DrawnSet
from itportrait.styles import DeformedStyle, read_style

SPEC = {
    "name": "clown",
    "mode": "image",
    "method": "avatargan3d",
    "pictures": "mini:clown",
    "pictures_count": 4,
    "steps": 4,
}
SETTINGS = {
    "preset": "mini",
    "probe": {"every": 2, "count": 2, "images": 1},
    "methods": {
        "avatargan3d": {
            "batch": 2,
            "learning_rate": 0.01,
            "warp": {"width": 8, "points": 3},
            "cameras": {"faces": 0, "renders": 4, "refresh": 2},
            "adversary": {"channel_max": 8},
        }
    },
}


@pytest.fixture(scope="module")
def pictures():
    return DrawnSet("clown", 4, 32)


def make(bundle, pictures, **changes):
    spec = DomainSpec.parse({**SPEC, **changes})
    config = resolve(spec, AdaptConfig.parse(SETTINGS))
    assert isinstance(config, AvatarGan3dConfig)
    return AvatarGan3dMethod(MethodContext(bundle, spec, config, [], pictures=pictures))


def test_it_trains_all_but_the_decoder_and_takes_up_where_it_was(bundle, pictures):
    spec, config = DomainSpec.parse({**SPEC, "train": "all"}), AdaptConfig.parse(SETTINGS)
    states = []
    result = adapt_domain(
        bundle, spec, config, pictures=pictures, on_report=lambda r: states.append(r.state())
    )
    style = read_style(result.style.to_bytes())
    assert isinstance(style, DeformedStyle)
    moved = {name for name, delta in style.delta.items() if delta.abs().max() > 0}
    assert any(name.startswith("superresolution") for name in moved)
    assert not any(name.startswith("decoder") for name in style.delta)
    assert result.notes["cameras"]["radius"] == bundle.orbit.radius
    assert {"renders_wrong_deg", "renders_corrected_deg"} <= result.notes["cameras"].keys()
    resumed = adapt_domain(bundle, spec, config, pictures=pictures, resume_state=states[0])
    for name, tensor in result.style.tensors().items():
        assert torch.equal(tensor, resumed.style.tensors()[name]), name


def test_gradients_reach_the_warp_and_depth_is_held_to_the_base(bundle, pictures):
    method = make(bundle, pictures)
    part, _ = method.terms(method.draw_real(0), 0)
    assert part.log["avatar_depth"] < 0.1  # nearly unbent at first
    part.loss.backward()
    for name, value in method.copy.trained.items():
        if name.startswith(PREFIX):
            assert value.grad is not None
            assert value.grad.abs().max() > 0, name
    with torch.no_grad():
        method.warp.head.weight.mul_(1000)
    bent, _ = method.terms(method.draw_real(0), 0)
    assert bent.log["avatar_depth"] > part.log["avatar_depth"]
    assert bent.log["avatar_shift"] > part.log["avatar_shift"]


def test_the_correction_undoes_what_the_encoder_reads_wrong(bundle, pictures):
    method = make(bundle, pictures)
    report = method.cameras.report
    assert report["renders_corrected_deg"] < report["renders_wrong_deg"]
    batch = pictures.batch(0, 2, seed=0)
    cameras = method.cameras.propose(batch)
    assert cameras.shape == (2, 25)
    plain = bundle.encoder(batch.images)[1]
    assert not torch.allclose(method.cameras.angles(batch), plain)


def test_the_pitches_are_leveled(bundle):
    pictures = DrawnSet("clown", 16, 32)
    cameras = make(bundle, pictures).cameras
    cameras.correction, cameras.pitch = None, 0.0
    batch = pictures.batch(0, 16, seed=0)
    plain = bundle.encoder(batch.images)[1]
    torch.testing.assert_close(cameras.angles(batch), plain)
    cameras.config = cameras.config.model_copy(update={"renders": 0})
    cameras.begin()
    leveled = cameras.angles(batch)
    torch.testing.assert_close(leveled[:, 0], plain[:, 0])
    torch.testing.assert_close(leveled[:, 1], plain[:, 1] - plain[:, 1].mean())


def test_without_an_encoder_the_cameras_of_the_align_stage_are_taken(bundle, pictures):
    blind = SimpleNamespace(**{**vars(bundle), "encoder": None})
    method = make(blind, pictures)
    batch = pictures.batch(0, 2, seed=0)
    with pytest.raises(MissingModelError, match="give `pictures` as the table of the align stage"):
        method.cameras.propose(batch)
    given = replace(batch, cameras=pictures.cameras[:2])
    torch.testing.assert_close(method.cameras.propose(given), pictures.cameras[:2])


def test_the_distance_follows_the_size_of_faces(bundle, pictures, monkeypatch):
    method = make(bundle, pictures)
    cameras, usual = method.cameras, bundle.orbit.radius
    cameras.config = cameras.config.model_copy(update={"faces": 4, "rounds": 3, "reach": 0.3})
    sizes = iter([0.2])

    def spread(images):
        return next(sizes, 0.23 * usual / cameras.orbit.radius)  # faces shrink with distance

    monkeypatch.setattr(cameras, "_spread", spread)
    cameras.begin()
    assert cameras.orbit.radius == pytest.approx(usual * 1.15, rel=1e-3)
    assert abs(cameras.report["spread_left"]) < 1e-3
    monkeypatch.setattr(cameras, "_spread", lambda _: None)
    cameras.begin()
    assert "too few" in cameras.report["distance"]
