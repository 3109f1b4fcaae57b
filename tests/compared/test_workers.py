"""Several workers of one domain: their copies, and the way back, stay alike."""

import pytest
import torch

from tests.helpers.thread_workers import adapt_together

METHODS = {
    "stylegan_nada+jojogan": {
        "stylegan_nada": {"layer_rows": 2, "choice_codes": 1},
        "jojogan": {"pair": {"steps": 1}},
    },
    "your3demoji": {"teacher": {"steps": 1, "pair": {"steps": 1}}},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "mode"), [("stylegan_nada+jojogan", "image_text"), ("your3demoji", "image")]
)
def test_workers_of_other_methods_stay_alike(bundle, config, make_spec, reference, method, mode):
    spec = make_spec(mode, method=method, steps=3, options=METHODS[method])
    results, reports, states, _ = adapt_together(bundle, spec, config, [reference])
    ours, theirs = (state[-1]["method"] for state in states)
    for name, student in ours["students"].items():
        for key, value in student["trained"].items():
            assert torch.equal(value, theirs["students"][name]["trained"][key])
    for key, value in ours.get("back", {}).get("network", {}).items():
        assert torch.equal(value, theirs["back"]["network"][key])
    losses = [{k: v for k, v in each[-1].metrics.items() if "train/" in k} for each in reports]
    assert all(losses[0][name] != value for name, value in losses[1].items())
    assert results[0].curve == results[1].curve


ADVERSARY = {
    "adversary.features": "perceptual",
    "adversary.channel_max": 4,
    "adversary.mapping_layers": 0,
    "adversary.augment_pictures": 20,
    "adversary.augment_every": 1,
}
SETS = {
    "dr3d": (
        {"batch": 1, "deformation.width": 4, "poses.refresh": 2},
        [("students", "drawn", "trained"), ("poses", "network"), ("poses", "proposing")],
    ),
    "avatargan3d": (
        {"batch": 1, "warp.width": 4, "warp.points": 3}
        | {"cameras.faces": 0, "cameras.renders": 2, "cameras.refresh": 1},
        [("students", "avatar", "trained")],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", SETS)
def test_workers_of_a_discriminator_stay_alike(bundle, config, make_spec, method):
    own, paths = SETS[method]
    options = {**own, **ADVERSARY}
    changes = {"references": [], "pictures": "mini:clown", "pictures_count": 2, "steps": 3}
    spec = make_spec("image", method=method, options=options, **changes)
    _, reports, states, _ = adapt_together(bundle, spec, config, [])
    ours, theirs = (state[-1]["method"] for state in states)
    for path in (*paths, ("adversary", "discriminator")):
        first, second = ours, theirs
        for name in path:
            first, second = first[name], second[name]
        assert all(torch.equal(value, second[name]) for name, value in first.items()), path
    assert ours["adversary"]["augmentation"] == theirs["adversary"]["augmentation"]
    if method == "avatargan3d":
        mine, other = ours["cameras"], theirs["cameras"]
        assert torch.equal(mine.pop("correction"), other.pop("correction"))
        assert mine == other
    losses = [each[-1].metrics["train/discriminator"] for each in reports]
    assert losses[0] != losses[1]
