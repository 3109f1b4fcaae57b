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
