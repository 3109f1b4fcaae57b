"""The examples of CONTRIBUTING.md do what their sections say."""

import re

from tests.conftest import REPOSITORY


def run_example(heading):
    """Run the Python of a section of CONTRIBUTING.md as a module, and return its names."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert blocks, heading
    names = {"__name__": "contributing"}
    exec(compile("\n".join(blocks), "CONTRIBUTING.md", "exec"), names)
    return names


def test_the_example_of_an_op_computes_what_the_op_does():
    import torch

    from itportrait.ops.bias_act import BIAS_ACT, bias_act

    try:
        run_example("Add an op")
        x, scale = torch.randn(2, 3, 4, 5), torch.randn(2, 3)
        for bias in (torch.randn(3), torch.randn(2, 3)):
            given = x.clone()
            expected = bias_act(x, bias, scale=scale, clamp=0.7, backend="reference")
            with torch.no_grad():
                assert BIAS_ACT.choose([x, bias]).__name__ == "in_place"
            assert torch.allclose(bias_act(x, bias, scale=scale, clamp=0.7), expected)
            assert torch.equal(x, given)
        assert BIAS_ACT.choose([x.requires_grad_()]).__name__ == "bias_act_folded"
    finally:
        BIAS_ACT.remove("in_place")


def test_the_example_of_a_kind_of_style_is_read_back_and_rendered(monkeypatch):
    import torch

    from itportrait.geometry.camera import frontal_camera
    from itportrait.styles import STYLE_KINDS, Codes, PreparedGenerator, read_style
    from tests.helpers.tiny_family import tiny_generator

    monkeypatch.setattr(STYLE_KINDS, "_items", dict(STYLE_KINDS._items))
    made = run_example("Add a kind of style")
    generator = tiny_generator()
    direction = torch.ones(generator.num_ws, generator.w_dim)
    style = read_style(made["OlderStyle"]("older", "tiny", direction).to_bytes())
    codes = Codes(generator.w_avg.expand(1, generator.num_ws, -1), frontal_camera())
    with torch.no_grad():
        plain = PreparedGenerator(generator).render(codes).final_image
        assert torch.equal(style.prepare(generator, 0.0).render(codes).final_image, plain)
        assert not torch.allclose(style.prepare(generator).render(codes).final_image, plain)


def test_the_example_of_a_mini_domain_is_drawn_and_captioned(monkeypatch):
    import numpy as np

    from itportrait.geometry.camera import frontal_camera
    from itportrait.mini.captions import captions
    from itportrait.portraits import HELD_OUT_SEED, domains, render_portrait, sample_people
    from itportrait.portraits.shading import STUFFS
    from itportrait.pretrain.networks.prompts import domain_prompts

    made = run_example("Add a domain of the mini world")
    monkeypatch.setitem(STUFFS, "marble", made["marble"])
    monkeypatch.setitem(domains._BY_NAME, "marble", made["MARBLE"])
    person = sample_people(1, HELD_OUT_SEED)[0]
    drawn, photo, bronze = (
        render_portrait(person, frontal_camera(), 64, domain=name)
        for name in ("marble", "photo", "bronze")
    )
    on = drawn.alpha > 0.99
    colors = drawn.image[on].astype(int)
    assert np.array_equal(drawn.alpha, bronze.alpha)
    assert (colors.max(1) - colors.min(1)).mean() < 20 < colors.mean()
    assert colors.mean() > photo.image[on].mean() + 20
    said = captions(person, "marble", np.random.default_rng(0), 8)
    assert all("marble" in text and "{" not in text for text in said)
    assert not any("eyes" in text for text in said)
    assert "a marble statue of a person" in domain_prompts("marble")


def test_the_example_of_a_stage_stands_between_two_others(monkeypatch):
    import numpy as np

    from itportrait.records import InvertedRecord
    from itportrait.stages.chain import check_chain
    from itportrait.stages.recipe import Recipe
    from itportrait.stages.registry import CHAIN, STAGES

    monkeypatch.setattr(STAGES, "_items", dict(STAGES._items))
    written = run_example("Add a stage")
    check_chain((*CHAIN[:-1], "calm", CHAIN[-1]))
    recipe = Recipe(stage="calm", output="OUT", config='{"share": 0.5}')
    assert (recipe.before, recipe.table().root) == (CHAIN[:-1], "OUT/calmed")
    portrait = InvertedRecord(record_id="a", w_plus=np.ones(4, dtype=np.float32), psnr=25.0)
    ((row,),) = recipe.definition.build(recipe)([portrait])
    assert isinstance(row, written["CalmRecord"])
    assert (row.record_id, row.psnr, row.share, row.w_plus.tolist()) == ("a", 25.0, 0.5, [0.5] * 4)


def test_the_example_of_a_method_adapts_and_its_style_is_read_back(monkeypatch):
    from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain
    from itportrait.adapt.methods import METHODS
    from itportrait.styles import STYLE_KINDS, read_style
    from tests.helpers.tiny_family import tiny_bundle

    for registry in (METHODS, STYLE_KINDS):
        monkeypatch.setattr(registry, "_items", dict(registry._items))
    written = run_example("Add an adaptation method")
    words = {"mode": "text", "prompt": "red", "source_prompt": "green", "method": "seek"}
    spec = DomainSpec.parse({"name": "red", "steps": 4, **words})
    shared = {"probe": {"every": 2, "count": 3, "images": 2}, "methods": {"seek": {"portraits": 4}}}
    states = []

    def adapt(state=None):
        config = AdaptConfig.parse(shared)
        keep = lambda report: states.append(report.state())  # noqa: E731
        return adapt_domain(tiny_bundle(), spec, config, on_report=keep, resume_state=state)

    style = adapt().style
    assert isinstance(style, written["ShiftStyle"])
    assert float(style.direction.abs().max()) > 0
    assert adapt(states[0]).style.direction.equal(style.direction)
    assert read_style(style.to_bytes()).direction.equal(style.direction)
