"""Settings that come with a bundle: under a job's own, key by key, and said where they are from."""

import json
import shutil
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from itportrait.bundle.places import SETTINGS_FILE, bundle_folder
from itportrait.bundle.spec import hash_files
from itportrait.comparison.config import load_comparison
from itportrait.configuration.bundle_settings import read_bundle_settings
from itportrait.errors import InvalidArgumentError, ItportraitError, NoInputError
from itportrait.io import uris
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.jobs.stylize.config import JobConfig, load_job
from itportrait.training.domain_job import DomainJob
from tests.conftest import REPOSITORY

CONFIGS = REPOSITORY / "configs"
FORMER = REPOSITORY / "tests" / "data" / "former-configs"
OWN = """\
bundle: mini
domains:
  - name: zombie
    mode: text
    prompt: a zombie
"""
LOADERS = {
    "demo": (load_job, "bundle"),
    "bank": (load_bank_spec, "base"),
    "compare": (load_comparison, "base"),
    "experiments": (load_comparison, "base"),
}


def load(name, path, overrides=()):
    loader = LOADERS[name][0]
    more = {"output": "/out"} if loader is load_comparison else {}
    return loader(str(path), list(overrides), **more)


@pytest.mark.parametrize("name", LOADERS)
def test_shipped_recipes_mean_what_they_meant_when_they_said_everything(
    name, tmp_path, monkeypatch
):
    """Fingerprints are made of parsed settings: what was computed before stands.

    How much of it the pages show is none of them, nor what runs the demo's adaptations.
    """
    monkeypatch.setenv("ITPORTRAIT_RUNS", "/runs")
    shutil.copy(FORMER / f"{name}.yaml", tmp_path / "former.yaml")
    plain = f"{tmp_path}/plain"  # a bundle without settings
    former = load(name, tmp_path / "former.yaml", [f"{LOADERS[name][1]}={plain}"])
    text = former.model_dump_json().replace(plain, "mini").replace(str(tmp_path), str(CONFIGS))
    now = load(name, CONFIGS / f"{name}.yaml").model_dump(mode="json")
    apart = {"defaults": {}, "publish": {}}
    apart |= {"adaptation": "tasks"} if name == "demo" else {}
    assert now | apart == json.loads(text) | apart


@pytest.fixture
def own(tmp_path):
    """Return a function that loads a configuration of one's own."""

    def load_own(text=OWN, overrides=(), **given) -> JobConfig:
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return load_job(str(path), list(overrides), **{"input": "/in", "output": "/out"} | given)

    return load_own


def test_five_lines_of_ones_own_ask_for_what_the_demo_does(own):
    demo, mine = load_job(str(CONFIGS / "demo.yaml"), input="/in", output="/out"), own()
    assert mine.shard_size() == demo.shard_size()  # a batch is of one shard, and decides last bits
    for stage in demo.stages:
        assert mine.recipe(stage, "m").fingerprint == demo.recipe(stage, "m").fingerprint
    tasks = [
        DomainJob.of(
            job.specifications()["zombie"],
            bundle=job.bundle,
            adapt=job.adapt,
            align=job.align,
            model_id="m",
        )
        for job in (demo, mine)
    ]
    assert tasks[0].fingerprint == tasks[1].fingerprint
    assert tasks[0].spec == tasks[1].spec


def test_the_readme_shows_five_lines_that_are_valid(own):
    text = (REPOSITORY / "README.md").read_text()
    shown = text[text.index("```yaml\nbundle: mini\n") + len("```yaml\n") :].partition("```")[0]
    assert shown.count("\n") == 5
    assert own(shown).specifications()


def test_files_and_command_lines_override_it_key_by_key(own):
    text = OWN + "    steps: 50\nalign: {size: 128}\nadapt: {probe: {every: 5}}\n"
    job = own(text, ["align.crop_scale=1", "defaults.seed=3"])
    assert (job.align.size, job.align.crop_scale, job.align.crop_shift) == (128, 1, (0, 0.028))
    assert (job.adapt.probe.every, job.adapt.probe.count, job.adapt.lead) == (5, 4, 0.75)
    zombie = job.specifications()["zombie"]
    assert (zombie.steps, zombie.seed, zombie.source_prompt) == (50, 3, "a photo of a person")
    said = job.settings_from
    assert {key: said[key] for key in SAID} == SAID


SAID = {
    "bundle": "file",
    "input": "command line",
    "bank": "default",
    "align.size": "file",
    "align.crop_scale": "command line",
    "align.crop_shift": "bundle",
    "align.faces": "default",
    "invert.method": "bundle",
    "adapt.preset": "bundle",
    "adapt.probe.every": "file",
    "adapt.probe.count": "bundle",
    "adapt.ite.learning_rate": "preset",
    "adapt.ite.pair_weight": "default",
    "defaults.steps": "bundle",
    "domains.zombie.prompt": "file",
    "domains.zombie.steps": "file",
    "domains.zombie.seed": "command line",
    "domains.zombie.source_prompt": "bundle",
    "domains.zombie.train": "default",
}


def test_names_of_domains_tell_who_named_them(own):
    text = OWN.replace("domains:\n", "domains:\n  - clown\n")
    assert own(text).settings_from["domains.clown"] == "file"
    chosen = own(text, domains=["bronze", "zombie"]).settings_from
    assert chosen["domains.bronze"] == "command line"
    assert chosen["domains.zombie.prompt"] == "file"
    assert "domains.clown" not in chosen


def test_banks_and_comparisons_tell_it_too():
    bank = load_bank_spec(CONFIGS / "bank.yaml", ["domains.clay.seed=1"]).settings_from
    assert bank["domains.clay.seed"] == "command line"
    assert bank["domains.zombie.seed"] == "bundle"
    assert bank["domains.zombie.tags"] == "file"
    assert bank["adapt.probe.every"] == "file"
    compared = load_comparison(str(CONFIGS / "compare.yaml"), output="/out").settings_from
    assert compared["output"] == "command line"
    assert compared["invert.method"] == "file"
    assert compared["invert.steps"] == compared["domains.pencil.steps"] == "bundle"
    assert compared["domains.pencil.license"] == "file"


def test_a_bundle_without_settings_leaves_the_defaults(own, tmp_path):
    job = own(OWN.replace("mini", str(tmp_path / "models")))
    assert job.align == JobConfig().align
    assert job.specifications()["zombie"].source_prompt == "Photo"
    assert set(job.settings_from.values()) == {"default", "file", "command line"}


@pytest.mark.parametrize("place", ["models", "memory://models/of-ones-own"])
def test_settings_of_other_bundles_are_read_where_they_lie(own, tmp_path, place):
    bundle = place if "//" in place else str(tmp_path / place)
    uris.put_bytes(uris.join(bundle, SETTINGS_FILE), b"align: {size: 48}\ndefaults: {steps: 9}\n")
    job = own(OWN.replace("mini", bundle))
    assert (job.align.size, job.specifications()["zombie"].steps) == (48, 9)
    assert job.settings_from["align.size"] == "bundle"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("algn: {size: 48}", "unknown key 'algn'; known: adapt, align, defaults"),
        ("align: {sise: 48}", "align: unknown key 'sise'"),
        ("adapt: {preset: small}", "unknown adaptation preset 'small'"),
        ("defaults: {prompt: a zombie}", "unknown key 'prompt'; known: seed, source_prompt"),
        ("defaults: {steps: 0}", "steps: Input should be greater than or equal to 1"),
        ("- align", "must be a YAML mapping"),
        ("align: [", "not YAML"),
    ],
)
def test_settings_of_a_bundle_that_are_not_valid_are_told_as_the_bundles(
    own, tmp_path, text, message
):
    (tmp_path / SETTINGS_FILE).write_text(text)
    with pytest.raises(InvalidArgumentError) as error:
        own(OWN.replace("mini", str(tmp_path)))
    assert str(error.value).startswith(f"{SETTINGS_FILE} of the bundle {tmp_path}")
    assert message in str(error.value)


def test_settings_that_are_there_and_cannot_be_read_are_named(own, tmp_path):
    (tmp_path / SETTINGS_FILE).mkdir()
    with pytest.raises(NoInputError, match=r"settings\.yaml of the bundle .* cannot be read"):
        own(OWN.replace("mini", str(tmp_path)))


class UnlistableStore(MemoryFileSystem):
    """A store that refuses keys that are not there, as S3 does without the right to list."""

    protocol = "unlistable"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]

    def cat_file(self, path, start=None, end=None, **kwargs):
        try:
            return super().cat_file(path, start=start, end=end, **kwargs)
        except FileNotFoundError:
            raise PermissionError("Forbidden") from None


@pytest.fixture
def unlistable(tmp_path):
    fsspec.register_implementation("unlistable", UnlistableStore, clobber=True)
    yield f"unlistable://models/{tmp_path.name}"
    UnlistableStore.store.clear()


def test_storage_that_refuses_absent_files_has_bundles_without_settings(own, unlistable, capsys):
    uris.put_bytes(f"{unlistable}/model.json", b"{}")
    assert own(OWN.replace("mini", unlistable)).align == JobConfig().align
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: {SETTINGS_FILE} of the bundle {unlistable} cannot be read")
    uris.put_bytes(f"{unlistable}/{SETTINGS_FILE}", b"align: {size: 48}")
    assert own(OWN.replace("mini", unlistable)).align.size == 48
    assert not capsys.readouterr().err


def test_storage_that_gives_no_access_at_all_is_named(own, unlistable):
    with pytest.raises(NoInputError, match=r"settings\.yaml of the bundle .* Forbidden"):
        own(OWN.replace("mini", unlistable))


def test_an_unknown_default_of_domains_is_named(own):
    with pytest.raises(ItportraitError, match="unknown key 'tint'; known: license, method, mode"):
        own(OWN, ["defaults.tint=red"])


def test_settings_are_no_part_of_what_identifies_the_models():
    folder = Path(bundle_folder("mini"))
    assert (folder / SETTINGS_FILE).is_file()
    assert SETTINGS_FILE not in hash_files(folder)
    shown = read_bundle_settings("mini", sections=["align"], of_domains=["steps"])
    assert set(shown) == {"align", "defaults"}
    assert shown["defaults"] == {"steps": 40}
