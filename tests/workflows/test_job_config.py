"""The main job's configuration: recipes in `configs/`, overrides, and errors that help."""

import pytest

from itportrait.adapt.domain import DomainSpec
from itportrait.errors import InvalidArgumentError, ItportraitError, NoInputError
from itportrait.jobs.ready_made import ready_made_bank
from itportrait.jobs.stylize.config import JobConfig, load_job
from tests.conftest import REPOSITORY
from tests.helpers.odd_names import NOT_UTF8, ODD_NAMES

DEMO = str(REPOSITORY / "configs" / "demo.yaml")


def test_demo_has_three_kinds_of_domains_with_their_pictures(monkeypatch, tmp_path):
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(tmp_path))
    config = load_job(DEMO)
    live = {d.mode for d in config.domains if isinstance(d, DomainSpec)}
    ready = {d for d in config.domains if isinstance(d, str)}
    modes = {ready_made_bank(config.bundle).champion(name).spec["mode"] for name in ready}
    assert (live, modes) == ({"text", "image_text"}, {"image"})
    assert config.output == f"{tmp_path}/demo"
    for spec in config.specifications().values():
        for uri in spec.references:
            assert (REPOSITORY / "configs" / "references").as_posix() in uri


def test_production_recipe_is_valid():
    path, places = REPOSITORY / "configs" / "ffhq512.yaml", {"input": "in", "output": "s3://b/out"}
    config = load_job(str(path), ["bundle=models/ffhq512"], **places)
    assert config.bank == "s3://b/out/bank"
    assert config.resources.invert.gpus == 0.5


def test_command_line_goes_over_the_file():
    config = load_job(
        DEMO,
        ["ingest.shard_size=7", "invert.steps=9"],
        domains=["zombie", "from_the_bank"],
        input="/photos",
    )
    assert (config.ingest.shard_size, config.invert.steps, config.input) == (7, 9, "/photos")
    assert config.domain_names() == ["zombie", "from_the_bank"]
    assert list(config.specifications()) == ["zombie"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ingest.shard=7", "unknown key 'shard'; known: camera_convention, mask_suffix, patterns"),
        ("nothing=1", "unknown key 'nothing'; known: adapt, adaptation, align"),
        ("invert.steps=many", "invert.steps: Input should be a valid integer"),
        ("domains=[{name: a, mode: text}]", "needs a prompt"),
        ("domains=[a, a]", "a named more than once"),
        ("domains=a", "domains: expected names of the bank's domains and specifications, as ["),
        (
            "invert.method=ptii",
            "invert.method: unknown inversion method 'ptii'; known: encoder, hyper",
        ),
        (
            "invert.methods.w.rank=4",
            "got invert.methods.w: unknown key 'rank'; known: none",
        ),
        ("invert.methods.pti.rnk=4", "unknown key 'rnk'; known: check_every"),
        ("invert.methods.ptii.rank=4", "invert.methods: unknown inversion method 'ptii'"),
        (
            "adapt.threshold.kind=hrad",
            "adapt.threshold.kind: unknown threshold 'hrad'; known:",
        ),
        (
            "domains=[{name: a, mode: text, prompt: b, method: magic}]",
            "'magic'; known: ",
        ),
        ("domains=[{name: a, mode: text, prompt: b, train: most}]", "'most'; known: all"),
        (
            "domains=[{name: a, mode: text, prompt: b, options: {threshold.kind: hrad}}]",
            "got options of domain 'a': threshold.kind: unknown",
        ),
        ("publish.deliverables.mesh=[stl]", "publish.deliverables.mesh.0: Input should be 'glb'"),
    ],
)
def test_bad_values_are_named(override, message):
    with pytest.raises(InvalidArgumentError) as error:
        load_job(DEMO, [override])
    assert message in str(error.value)


def test_the_item_of_set_is_named_that_is_wrong(tmp_path):
    for items, said in (
        (["adapt.lead=x", "invert.steps=9"], "--set adapt.lead=x must be valid job settings, got "),
        (["domains.zombie.steps=0"], "domain 'zombie': steps: Input should be greater than or eq"),
        (["domains.zombie.stesp=9"], "perhaps 'steps' is meant"),
    ):
        with pytest.raises(InvalidArgumentError) as error:
            load_job(DEMO, items)
        text = str(error.value)
        assert text.startswith(f"--set {items[0]} must be valid job settings, got ")
        assert said in text
        assert "demo.yaml" not in text
    own = tmp_path / "own.yaml"
    own.write_text("invert: {steps: 0}")
    with pytest.raises(
        InvalidArgumentError, match=rf"{own} with --set align.size=-1 must be valid"
    ):
        load_job(str(own), ["align.size=-1", "invert.seed=3"])
    with pytest.raises(InvalidArgumentError, match=f"^{own} must be valid job settings"):
        load_job(str(own), ["invert.seed=3"])


def test_domains_stand_in_a_list_or_by_name_and_set_reaches_both(tmp_path):
    own = tmp_path / "own.yaml"
    spec = "mode: text, prompt: a bust"
    for text in (f"[{{name: bust, {spec}}}]", f"{{bust: {{{spec}}}}}"):
        own.write_text(f"{{input: in, output: out, domains: {text}}}")
        config = load_job(str(own), ["domains.bust.steps=3"])
        assert config.specifications()["bust"].steps == 3
        assert config.settings_from["domains.bust.steps"] == "command line"
        assert config.settings_from["domains.bust.prompt"] == "file"
    with pytest.raises(InvalidArgumentError, match="leave `name` out below it"):
        load_job(str(own), ["domains.bust.name=head"])


def test_missing_places_and_files_are_named(tmp_path):
    with pytest.raises(NoInputError, match=r"none\.yaml"):
        load_job(str(tmp_path / "none.yaml"))
    with pytest.raises(InvalidArgumentError, match="--input must be a folder or URI"):
        load_job(None, output="x")


def test_configuration_does_not_load_the_models():
    """Reading it is what every second run begins with."""
    import subprocess
    import sys

    code = (
        "import sys; from itportrait.jobs.stylize.config import load_job\n"
        f"load_job({DEMO!r})\n"
        "print([m for m in ('torch', 'open_clip', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], 64),
        (["stylize.views_deg=[]", "ingest.shard_mb=18"], 2),  # 2 pictures of 0.75 MiB, 6 times
        (["stylize.views_deg=[]", "ingest.shard_mb=18", "pixels.format=webp"], 4),
        (["align.size=4096"], 2),
        (["ingest.shard_mb=1"], 1),
        (["invert.method=pti"], 64),
        (["invert.method=pti", "invert.methods.pti.rank=null"], 20),
    ],
)
def test_shard_has_as_many_photos_as_its_memory_holds(settings, expected):
    plain = ["bundle=models", *settings]  # its own settings would lie under these
    config = load_job(None, plain, input="in", output="out")
    assert config.shard_size() == expected


@pytest.mark.parametrize("name", ODD_NAMES + NOT_UTF8)
def test_the_runs_folder_is_put_in_as_a_value(name, tmp_path, monkeypatch):
    """Quotes, backslashes, `#` and `: ` in it are no YAML; so are they in references' folders."""
    runs = tmp_path / name
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(runs))
    runs.mkdir()
    recipe = runs / "job.yaml"
    recipe.write_text(
        'input: "{runs}/photos"  # {runs} is the folder\n'
        "output: {runs}/out\n"
        "bank: '{runs}/bank'\n"
        "domains: [{name: a, mode: image, references: [a.png]}]\n"
        "tracking: {uri: none}\n"
    )
    config = load_job(str(recipe))
    places = (config.input, config.output, config.bank)
    assert places == tuple(str(runs / part) for part in ("photos", "out", "bank"))
    assert config.specifications()["a"].references == (str(runs / "a.png"),)


@pytest.mark.parametrize(
    ("content", "message"), [(b"a: [", "not YAML"), (b"\xff: 1", "cannot be read")]
)
def test_a_file_that_is_no_yaml_is_named(tmp_path, content, message):
    (tmp_path / "job.yaml").write_bytes(content)
    with pytest.raises(ItportraitError, match=message):
        load_job(str(tmp_path / "job.yaml"))


@pytest.mark.parametrize("name", ["x/../../../../Y", "..", "a b", "_index"])
def test_names_of_domains_are_checked_at_load(name, tmp_path):
    with pytest.raises(InvalidArgumentError, match="domain must be a name of letters, digits"):
        load_job(None, input="photos", output="out", domains=[name])
    (tmp_path / "job.yaml").write_text(f"domains: ['{name}']\n")
    with pytest.raises(InvalidArgumentError, match="domain must be a name of letters, digits"):
        load_job(str(tmp_path / "job.yaml"), input="photos", output="out")


def test_a_program_gives_domains_as_it_has_them():
    spec = DomainSpec(name="zombie", mode="text", prompt="a zombie")
    config = JobConfig(domains=("bronze", spec), defaults={"steps": 9})
    assert config.domains == ("bronze", spec)
    assert config.domains[1] is spec  # nothing is laid under what is whole
    assert JobConfig.model_validate(config.model_dump()).domain_names() == ["bronze", "zombie"]
