"""The avatargan3d method on tiny models: what is trained, frozen, kept and resumed."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain, adapt_fingerprint, misfits
from itportrait.adapt.config import check_fit
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.generator.deformation import PREFIX
from itportrait.styles import DeformedStyle, read_style
from tests.helpers.method_runs import method_of, recorded, same

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


def make(bundle, pictures, **changes):
    spec = DomainSpec.parse({**SPEC, **changes})
    return method_of(bundle, spec, config=AdaptConfig.parse(SETTINGS), pictures=pictures)


def test_it_trains_all_but_the_decoder_and_takes_up_where_it_was(bundle, pictures):
    spec, config = DomainSpec.parse({**SPEC, "train": "all"}), AdaptConfig.parse(SETTINGS)
    result, _, states = recorded(bundle, spec, config, pictures=pictures)
    style = read_style(result.style.to_bytes())
    assert isinstance(style, DeformedStyle)
    moved = {name for name, delta in style.delta.items() if delta.abs().max() > 0}
    assert any(name.startswith("superresolution") for name in moved)
    assert not any(name.startswith("decoder") for name in style.delta)
    assert result.notes["cameras"]["radius"] == bundle.orbit.radius
    assert {"renders_wrong_deg", "renders_corrected_deg"} <= result.notes["cameras"].keys()
    resumed = adapt_domain(bundle, spec, config, pictures=pictures, resume_state=states[0])
    assert same(resumed.style, result.style)


def test_gradients_reach_the_warp_and_depth_is_held_to_the_base(bundle, pictures):
    renders_alone = {"warp.size": 0, "warp.asymmetry": 0, "adversary.density": 0}
    method = make(bundle, pictures, options=renders_alone)
    part = method.loss(0)
    assert part.log["avatar_depth"] < 0.1  # nearly unbent at first
    part.loss.backward()
    for name, value in method.adapted.trained.items():
        if name.startswith(PREFIX):
            assert value.grad is not None
            assert value.grad.abs().max() > 0, name
    with torch.no_grad():
        method.warp.head.weight.mul_(1000)
    bent = method.loss(0)
    assert bent.log["avatar_depth"] > part.log["avatar_depth"]


def test_the_penalties_hold_the_warp(bundle, pictures):
    method = make(bundle, pictures)
    part = method.loss(0)
    with torch.no_grad():
        method.warp.head.weight.mul_(1000)
    bent = method.loss(0)
    assert bent.log["avatar_shift"] > part.log["avatar_shift"]
    assert bent.log["avatar_asymmetry"] > part.log["avatar_asymmetry"]


def test_the_correction_undoes_what_the_encoder_reads_wrong(bundle, pictures):
    method = make(bundle, pictures)
    report = method.cameras.report
    assert report["renders_corrected_deg"] < report["renders_wrong_deg"]
    batch = pictures.batch(0, 2, seed=0)
    cameras = method.cameras.propose(batch)
    assert cameras.shape == (2, 25)
    plain = bundle.encoder(batch.images)[1]
    assert not torch.allclose(method.cameras.angles(batch), plain)


def test_without_an_encoder_the_cameras_of_the_align_stage_are_taken(bundle, pictures):
    blind = SimpleNamespace(**{**vars(bundle), "encoder": None})
    with pytest.raises(MissingModelError, match="4 of the set's 4 have none: give `pictures`"):
        make(blind, pictures)
    known = copy.copy(pictures)
    known.without_camera = 0
    method = make(blind, known)
    batch = known.batch(0, 2, seed=0)
    with pytest.raises(MissingModelError, match="a table of the align stage"):
        method.cameras.propose(batch)
    given = replace(batch, cameras=known.cameras[:2])
    torch.testing.assert_close(method.cameras.propose(given), known.cameras[:2])


def test_settings_that_nothing_reads_are_no_part_of_a_domain():
    def digest(**options):
        spec = DomainSpec.parse({**SPEC, "options": options})
        return adapt_fingerprint(spec, AdaptConfig(preset="mini"), "tiny-0")

    assert digest() == digest(**{"cameras.refresh": 3, "adversary.channel_base": 64})
    corrected = {"cameras.renders": 8}
    assert digest(**corrected) != digest(**corrected, **{"cameras.refresh": 3})


def test_layers_without_the_warp_are_refused():
    spec = DomainSpec.parse({**SPEC, "train": "decoder_sr"})
    assert "train of domain 'clown' must be all or planes_only" in misfits(spec)["train"]
    with pytest.raises(InvalidArgumentError, match="leave out what the method deforms scenes"):
        check_fit(spec)
