"""The two forms: words become a shift of style space, or portraits' codes move towards them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt import AdaptConfig, adapt_domain, misfits
from itportrait.adapt.fingerprint import adapt_fingerprint
from itportrait.editing.styleclip import method as module
from itportrait.editing.styleclip.config import DirectionTerms
from itportrait.editing.styleclip.directions import shift_towards, word_relevances
from itportrait.editing.styleclip.optimization import OptimizedStyle
from itportrait.editing.styleclip.relevances import Relevances
from itportrait.editing.styleclip.space import StyleLayer
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.metrics import clip_direction
from itportrait.styles import Codes, LatentStyle, WeightDelta, read_style
from tests.editing.styleclip.conftest import FEW
from tests.helpers.method_runs import method_of, recorded, same
from tests.helpers.tiny_family import own_samples

RELEVANCE = FEW.model_dump()
LAYERS = [StyleLayer("a.affine", 0, range(2)), StyleLayer("b.affine", 1, range(2, 5))]


@pytest.fixture(scope="module")
def colors(bundle, cache, tmp_path_factory):
    """Return the bundle with words of color, with a folder."""
    return SimpleNamespace(**{**vars(bundle), "directory": tmp_path_factory.mktemp("colors")})


@pytest.fixture(scope="module")
def codes(colors):
    photos, ws = own_samples(colors, 3)
    return Codes(ws, torch.stack([torch.as_tensor(photo.camera) for photo in photos]))


@pytest.fixture
def make_spec():
    from itportrait.adapt import DomainSpec

    def make(form, **options):
        few = {"directions": {"directions": {"beta": 0.2, "relevance": RELEVANCE}}}.get(form)
        few = few or {"optimization": {"steps": 8, "learning_rate": 0.2, "l2": 0.001}}
        data = {"name": "red", "mode": "text", "prompt": "red", "method": "styleclip"}
        return DomainSpec.parse({**data, "options": {"form": form, **few, **options}})

    return make


def style_of(bundle, spec):
    method = method_of(bundle, spec)
    return method.styles(method.tensors(), {"fingerprint": "f"})["styleclip"], method


def image(style, bundle, codes, strength=1.0):
    with torch.no_grad():
        prepared = style.with_models(bundle).prepare(bundle.generator, strength)
        return prepared.render(codes).final_image


def test_the_shift_is_alpha_std_relevance_over_the_largest():
    rows = torch.eye(5)[:, :2] * torch.tensor([0.5, -0.2])
    rows[4] = torch.tensor([0.09, 0.0])
    known = Relevances(LAYERS, torch.tensor([1.0, 2, 3, 4, 5]), [rows, 2 * rows])
    changes = [torch.tensor([3.0, 0]), torch.tensor([0.0, 9])]
    words = word_relevances(known, changes, [3.0, 1.0], agreement=True)
    torch.testing.assert_close(words, torch.tensor([0.375, -0.1, 0, 0, 0.0675]))
    alike = word_relevances(known, changes, [3.0, 1.0])
    torch.testing.assert_close(alike, torch.tensor([0.75, -0.25, 0, 0, 0.75]))
    shift = shift_towards(known, words, DirectionTerms(alpha=3, beta=0.1))
    assert list(shift) == ["a.affine.bias", "b.affine.bias"]
    torch.testing.assert_close(shift["a.affine.bias"], torch.tensor([3.0, -1.6]))
    assert torch.equal(shift["b.affine.bias"], torch.zeros(3))
    with pytest.raises(InvalidArgumentError, match=r"beta must be at most 0\.375.*got 0\.4"):
        shift_towards(known, words, DirectionTerms(beta=0.4))


def test_directions_take_pictures_towards_the_word(colors, codes, make_spec):
    style, method = style_of(colors, make_spec("directions"))
    assert isinstance(style, LatentStyle)
    assert method.step(0)["styleclip_channels"] > 3
    base = colors.generator.synthesize(codes.ws, codes.cameras).final_image
    ends = {sign: image(style, colors, codes, sign) for sign in (-1.0, 0.0, 1.0)}
    assert torch.equal(ends[0.0], base)
    words = {"prompt": "red", "source_prompt": "Photo"}
    towards = {s: clip_direction(ends[s], base, colors.clips, **words) for s in (-1.0, 1.0)}
    assert towards[1.0].mean() > 0.2
    assert towards[-1.0].mean() < -0.1
    again = read_style(style.to_bytes())
    assert torch.equal(image(again, colors, codes), ends[1.0])


def test_optimized_codes_come_nearer_to_the_word(colors, codes, make_spec):
    style, _ = style_of(colors, make_spec("optimization"))
    assert isinstance(style, OptimizedStyle)
    goal = colors.clips[0].encode_prompt("red")
    near = [colors.clips[0].encode_image(image(style, colors, codes, s)) @ goal for s in (0.0, 1.0)]
    assert (near[1] > near[0] + 0.02).all()
    base = colors.generator.synthesize(codes.ws, codes.cameras).final_image
    assert torch.equal(image(style, colors, codes, 0.0), base)


def test_a_portraits_fit_does_not_depend_on_its_batch(colors, codes, make_spec):
    style = style_of(colors, make_spec("optimization"))[0].with_models(colors)
    delta = WeightDelta({"decoder.output.bias": torch.full((5,), 0.3)})
    name = "backbone.synthesis.b4.conv1.bias"
    delta = WeightDelta({name: torch.full_like(colors.generator.get_parameter(name), 0.3)})
    codes = replace(codes, deltas=(None, delta, None))
    prepared = style.prepare(colors.generator)
    together = prepared.bind(codes)
    alone = [prepared.bind(codes[row : row + 1]) for row in range(3)]
    assert together.fitted == tuple(each.fitted[0] for each in alone)
    assert prepared.bind(codes[[2, 0]]).fitted == (together.fitted[2], together.fitted[0])
    quicker = replace(style, terms=style.terms.model_copy(update={"batch": 2}))
    at_once = quicker.prepare(colors.generator).bind(codes)
    for row in range(3):
        moved = [torch.frombuffer(bytearray(bound.fitted[row]), dtype=torch.float32)
                 for bound in (together, at_once)]  # fmt: skip
        assert moved[0].abs().max() > 0.05
        torch.testing.assert_close(*moved, atol=2e-3, rtol=0)


def test_what_was_fitted_serves_all_strengths_without_models(colors, codes, make_spec):
    style, _ = style_of(colors, make_spec("optimization"))
    first = style.with_models(colors).prepare(colors.generator).bind(codes)
    again = read_style(style.to_bytes())
    assert (again.terms, list(again.weights)) == (style.terms, list(style.weights))
    assert again.info == style.info
    half = again.prepare(colors.generator, 0.5).bind(codes, fitted=first.fitted)
    assert half.fitted == first.fitted
    torch.testing.assert_close(half.codes.ws, (codes.ws + first.codes.ws) / 2)
    sigma, _ = half.density(torch.zeros(3, 4, 3))
    assert sigma.shape == (3, 4, 1)
    with pytest.raises(InvalidArgumentError, match="with the models of its bundle"):
        again.prepare(colors.generator).bind(codes)
    with pytest.raises(CheckpointError, match="has 8 bytes, expected"):
        again.prepare(colors.generator).bind(codes[:1], fitted=[bytes(8)])
    with pytest.raises(CheckpointError, match="says nothing of optimization"):
        read_style(replace(style.to_file(), info={}).to_bytes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [1.0, 2.0]}, "gives no weight for each"),
        ({"weights": 1.0}, "gives no weight for each"),
        ({"weights": ["1"]}, "gives no weight for each"),
        ({"steps": 0}, "steps"),
        ({"pace": 2}, "pace"),
    ],
)
def test_a_damaged_style_is_a_checkpoint_error(colors, make_spec, change, message):
    file = style_of(colors, make_spec("optimization"))[0].to_file()
    info = {**file.info, "optimization": {**file.info["optimization"], **change}}
    with pytest.raises(CheckpointError, match=message):
        read_style(replace(file, info=info).to_bytes())


@pytest.mark.parametrize("form", ["directions", "optimization"])
@pytest.mark.parametrize("weights", [[], [1.0, 1.0], [0.0]])
def test_weights_that_do_not_fit_the_models_are_refused(colors, make_spec, form, weights):
    with pytest.raises(InvalidArgumentError, match=r"clip_weights must be 1 numbers.*leave it out"):
        style_of(colors, make_spec(form, clip_weights=weights))


@pytest.mark.parametrize("form", ["directions", "optimization"])
def test_a_run_takes_one_step_and_resumes_without_measuring(colors, make_spec, form, monkeypatch):
    config = AdaptConfig.parse({"probe": {"count": 2, "images": 1}})
    spec = make_spec(form)
    result, reports, states = recorded(colors, spec, config)
    assert [report.step for report in reports] == [1]
    assert ("directions" in result.notes) == (form == "directions")
    monkeypatch.setattr(module, "load_relevances", lambda *_: pytest.fail("measured again"))
    again = adapt_domain(colors, spec, config, resume_state=states[0])
    assert same(again.style, result.style)


def test_a_domain_stands_when_settings_of_the_other_form_change(make_spec):
    def digest(form, **options):
        return adapt_fingerprint(make_spec(form, **options), AdaptConfig(), "tiny-0")

    assert digest("directions") == digest("directions", **{"optimization.steps": 7})
    assert digest("optimization") == digest("optimization", **{"directions.alpha": 1.0})
    assert digest("directions") != digest("directions", **{"directions.alpha": 1.0})
    assert digest("directions") != digest("optimization")


def test_pictures_are_refused():
    from itportrait.adapt import DomainSpec

    picture = {"name": "red", "mode": "image", "references": ["a.png"], "method": "styleclip"}
    assert "must be text" in misfits(DomainSpec.parse(picture))["mode"]
