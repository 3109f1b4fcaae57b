"""What jobs refuse before anything is started or made: places, models, networks, pictures."""

import numpy as np
import pytest
import yaml
from typer import Typer
from typer.testing import CliRunner

from itportrait.image import encode
from itportrait.programs import build_style_bank, compare_methods, stylize_dataset
from itportrait.programs.commands import add_jobs

ZOMBIE = {"name": "zombie", "mode": "text", "prompt": "a zombie", "steps": 1}
MADE_BEFORE = {"file", "model.json", "faceless.png", "job.yaml", "photos", "photos/photo.png"}
DENSE = ("--set", "align.camera_points=dense")


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return what runs a command to its refusal; a cluster that is started is the test's end."""

    def started(*_, **__):
        raise AssertionError("a cluster is started")

    for program in (stylize_dataset, build_style_bank, compare_methods):
        monkeypatch.setattr(program, "ray_session", started)
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "photo.png").write_bytes(b"to be looked at later")
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "faceless.png").write_bytes(encode(np.full((90, 120, 3), 127, np.uint8)))
    app = Typer()
    add_jobs(app)

    def run(command: str, data: dict, *options: str, code: int = 2) -> str:
        config = tmp_path / "job.yaml"
        config.write_text(yaml.safe_dump(data))
        filled = [option.format(tmp=tmp_path) for option in options]
        done = CliRunner().invoke(app, [command, "--config", str(config), *filled])
        assert done.exit_code == code, (done.output, done.exception)
        made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
        assert made <= MADE_BEFORE, made
        return " ".join(done.stderr.split()).replace(str(tmp_path), "TMP")

    return run


def stylize(call, domain, *options: str, code: int = 2) -> str:
    data = {"domains": [domain], "tracking": {"uri": "none"}}
    places = ("--input", "{tmp}/photos", "--output", "{tmp}/out", "--bank", "{tmp}/bank")
    return call("stylize-dataset", data, *places, *options, code=code)


def build(call, domain, *options: str) -> str:
    domains = {domain["name"]: {key: domain[key] for key in domain if key != "name"}}
    return call("build-bank", {"domains": domains}, "--mlflow", "none", *options)


def compare(call, *options: str) -> str:
    data = {"methods": {"itportrait": {}}, "domains": {"zombie": {"prompt": "a zombie"}}}
    return call("compare", data, "--mlflow", "none", "--output", "{tmp}/out", *options)


def test_a_place_that_takes_nothing(call):
    refused = "must be a folder that can be written to, got"
    for domain in (ZOMBIE, "clown"):  # one to be adapted, and one that comes with the models
        said = stylize(call, domain, "--bank", "/proc/bank")
        assert f"error: bank {refused} /proc/bank: /proc takes no new folder" in said
    assert f"bank {refused} TMP/file: TMP/file is a file" in stylize(
        call, ZOMBIE, "--bank", "{tmp}/file"
    )
    assert f"output {refused} TMP/file: TMP/file is a file" in stylize(
        call, ZOMBIE, "--output", "{tmp}/file"
    )
    assert f"--bank {refused} TMP/file: TMP/file is a file" in build(
        call, ZOMBIE, "--bank", "{tmp}/file"
    )
    assert f"--output {refused} TMP/file: TMP/file is a file" in compare(
        call, "--output", "{tmp}/file"
    )


def test_a_bundle_that_is_not_there(call):
    absent = (
        "error: no model bundle at 'TMP/minni': model.json is absent; make one with `itportrait "
        "import-eg3d FILE.pkl --output TMP/minni`, or take `mini`, which comes with the package"
    )
    minni = ("--bundle", "{tmp}/minni")
    assert stylize(call, ZOMBIE, *minni).endswith(absent)
    assert build(call, ZOMBIE, "--bank", "{tmp}/bank", *minni).endswith(absent)
    assert compare(call, *minni).endswith(absent)


def test_a_reference_without_a_face_names_its_domain(call, tmp_path):
    guided = {"name": "tin", "mode": "image", "references": [str(tmp_path / "faceless.png")]}
    said = stylize(call, guided)
    assert "error: domain 'tin': no face found in TMP/faceless.png (no_face:" in said
    unread = {**guided, "references": [str(tmp_path / "job.yaml")]}
    assert "domain 'tin': reference TMP/job.yaml:" in stylize(call, unread)


def test_a_network_that_this_machine_lacks(call, tmp_path):
    absent = "error: align.camera_points is dense, and the published network face-mesh is absent"
    guided = {"name": "tin", "mode": "image", "references": [str(tmp_path / "faceless.png")]}
    assert absent in stylize(call, ZOMBIE, *DENSE)
    assert absent in build(call, guided, "--bank", "{tmp}/bank", *DENSE)
    assert absent in compare(call, *DENSE)
