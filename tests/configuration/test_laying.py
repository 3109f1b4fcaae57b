"""What the command line says goes over the file and the bundle, alike for every kind of job."""

import textwrap

import pytest

from itportrait.adapt import AdaptConfig
from itportrait.comparison.config import load_comparison
from itportrait.configuration.laying import with_key
from itportrait.errors import InvalidArgumentError
from itportrait.invert import InvertConfig
from itportrait.io import uris
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.jobs.stylize.config import load_job
from tests.conftest import REPOSITORY

OF_DOMAIN = "{zombie: {mode: text, prompt: a zombie}}"
RECIPES = {
    "job": "domains: [{name: zombie, mode: text, prompt: a zombie}]",
    "bank": f"domains: {OF_DOMAIN}",
    "comparison": "domains: {zombie: {prompt: a zombie}}\nmethods: {itportrait: {}}",
}


@pytest.fixture(params=RECIPES)
def load(request, tmp_path, monkeypatch):
    """Return a function that reads a recipe in `configs/`, as its workflow does from above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    kind = request.param

    def load(text="", overrides=(), bundle=""):
        (tmp_path / "configs" / "own.yaml").write_text(f"{RECIPES[kind]}\n{text}\n")
        path, items = "configs/own.yaml", list(overrides)
        if kind == "job":
            return load_job(path, items, input="/in", output="/out", bundle=bundle)
        items = with_key(items, "base", bundle)
        if kind == "bank":
            return load_bank_spec(path, items)
        return load_comparison(path, items, output="/out")

    load.key = "bundle" if kind == "job" else "base"
    return load


@pytest.fixture
def put_settings(tmp_path):
    """Return a function that gives a bundle of the working folder settings of its own."""

    def put(bundle, size):
        uris.put_bytes(f"{tmp_path}/{bundle}/settings.yaml", f"align: {{size: {size}}}".encode())
        return f"{tmp_path}/{bundle}"

    return put


@pytest.mark.parametrize("as_option", [True, False])
def test_a_bundle_of_the_command_line_is_taken_from_the_working_folder(
    load, put_settings, as_option
):
    place = put_settings("runs/ffhq512", 48)
    put_settings("configs/runs/ffhq512", 96)
    given = "runs/ffhq512"
    config = load(bundle=given) if as_option else load(overrides=[f"{load.key}={given}"])
    assert getattr(config, load.key) == place
    assert config.align.size == 48
    assert config.settings_from[load.key] == "command line"


@pytest.mark.parametrize("name", ["mini", "memory://models/ffhq512", "/models/ffhq512"])
def test_names_uris_and_absolute_paths_stay_as_they_are(load, name):
    assert getattr(load(bundle=name), load.key) == name


def test_set_goes_over_the_option_and_both_over_the_file(load, put_settings):
    places = {name: put_settings(name, size) for name, size in (("a", 48), ("b", 64), ("c", 96))}
    file = f"{load.key}: {places['c']}"
    assert load(file).align.size == 96
    assert load(file, bundle="a").align.size == 48
    config = load(file, [f"{load.key}=b"], bundle="a")
    assert (getattr(config, load.key), config.align.size) == (places["b"], 64)


def test_set_goes_over_every_option():
    job = load_job(None, ["input=/b", "bank=/c"], input="/a", output="/o", bank="/a")
    assert (job.input, job.output, job.bank) == ("/b", "/o", "/c")


EMPTY = """\
align:
adapt: {probe: , apt: , methods: {jojogan: }}
train:
defaults:
  # steps: 30
"""


def test_a_section_without_content_says_nothing(load):
    plain, empty = load(), load(EMPTY)
    assert empty.model_dump() == plain.model_dump()
    assert empty.settings_from == plain.settings_from
    assert (empty.adapt.probe.count, empty.align.size) == (4, 256)
    zombie = empty.specifications()["zombie"] if load.key == "bundle" else empty.domains["zombie"]
    assert zombie.steps == 40
    assert load(EMPTY, ["adapt.probe.every=5"]).adapt.probe.every == 5
    assert load("align: {size: 64}", ["align="]).align.size == 256


def test_an_empty_value_that_is_no_section_is_not_passed_over(load):
    for text in (f"{load.key}:", "align: {size: }", "adapt: {mehtods: }"):
        with pytest.raises(InvalidArgumentError):
            load(text)
    if load.key == "bundle":
        assert load("invert: {target_psnr: }").invert.target_psnr is None
        assert load("invert:").invert.steps == 50


@pytest.mark.parametrize("key", ["methods", "domains"])
def test_sections_that_must_be_given_are_asked_for(tmp_path, key):
    text = {"methods": "{itportrait: {}}", "domains": OF_DOMAIN.replace("mode: text, ", "")}
    lines = [f"{name}: {'' if name == key else value}" for name, value in text.items()]
    (tmp_path / "own.yaml").write_text("\n".join(lines))
    with pytest.raises(InvalidArgumentError, match=f"{key}: Input should be a valid dictionary"):
        load_comparison(str(tmp_path / "own.yaml"), output="/out")


@pytest.mark.parametrize(
    ("text", "items"), [("adapt: {preset: published}", []), ("", ["adapt.preset=published"])]
)
def test_another_preset_is_taken_whole(load, text, items):
    config = load(text, items)
    assert config.adapt == AdaptConfig()
    assert config.settings_from["adapt.lead"] == "default"
    assert config.align.size == 256  # the rest of the bundle's settings stands
    over = load(text, [*items, "adapt.lead=0.5", "adapt.probe.every=5"]).adapt
    assert (over.lead, over.probe.every, over.probe.count) == (0.5, 5, 8)


def test_the_preset_of_the_bundle_named_again_changes_nothing(load):
    assert load("adapt: {preset: mini}").adapt == load().adapt


def test_a_preset_over_a_bundle_that_names_none_is_taken_whole(load, tmp_path):
    uris.put_bytes(f"{tmp_path}/plain/settings.yaml", b"adapt: {lead: 0.25}")
    assert load("adapt: {preset: published}", bundle="plain").adapt.lead == 0.25
    assert load("adapt: {preset: mini}", bundle="plain").adapt == AdaptConfig(preset="mini")


TUNED = b"""\
invert:
  method: pti
  steps: 30
  tune: always
  good_identity: 0.8
  methods: {pti: {rank: 2}, multiview: {rank: 3}}
"""


def test_settings_of_methods_do_not_lie_under_another_method(tmp_path):
    uris.put_bytes(f"{tmp_path}/models/settings.yaml", TUNED)

    def load(*items):
        return load_job(None, items, input="/i", output="/o", bundle=f"{tmp_path}/models").invert

    assert load() == load("invert.method=pti")
    assert (load().tune, load().options) == ("always", {"rank": 2})
    other = load("invert.method=w_plus")  # which tunes nothing, and refuses to be told so
    assert other == InvertConfig(method="w_plus", steps=30)
    several = load("invert.method=multiview", "invert.tune=never")
    assert (several.tune, several.good_identity) == ("never", InvertConfig().good_identity)
    assert (several.steps, several.methods) == (30, {"multiview": {"rank": 3}})


def test_what_keeps_jobs_of_the_first_release_is_in_the_changelog(tmp_path):
    text = (REPOSITORY / "CHANGELOG.md").read_text()
    block = text[text.index("  ```yaml\n") + len("  ```yaml\n") :].partition("  ```")[0]
    own = "domains: [{name: zombie, mode: text, prompt: a zombie}]\n"
    (tmp_path / "kept.yaml").write_text(textwrap.dedent(block) + own)
    (tmp_path / "first.yaml").write_text(own)
    kept = load_job(str(tmp_path / "kept.yaml"), input="/i", output="/o")
    first = load_job(
        str(tmp_path / "first.yaml"), input="/i", output="/o", bundle=f"{tmp_path}/plain"
    )
    assert kept.model_dump(exclude={"bundle", "defaults"}) == first.model_dump(
        exclude={"bundle", "defaults"}
    )
    for stage in kept.stages:
        of_first = first.model_copy(update={"bundle": "mini"}).recipe(stage, "m")
        assert kept.recipe(stage, "m").fingerprint == of_first.fingerprint
