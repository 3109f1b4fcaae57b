"""The command line: thin, and an expected error is one line and exit code 2."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from itportrait.bank.store import Bank, BankVersion
from itportrait.cli import app

runner = CliRunner()
CONSOLE_SCRIPT = "import sys; from itportrait.cli import app; sys.exit(app())"


@pytest.fixture
def bank(tmp_path):
    styles = Bank(str(tmp_path / "bank"))
    for version, identity in (("v1", 0.7), ("v2", 0.8)):
        card = BankVersion(domain="bronze", version=version, metrics={"identity": identity})
        styles.publish(card, {"adapter.safetensors": b"1"})
    return styles


def call(*arguments: str, code: int = 0) -> str:
    done = runner.invoke(app, list(arguments))
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_every_command_of_the_design_is_there():
    text = call("--help")
    for name in (
        "align",
        "invert",
        "adapt",
        "stylize",
        "evaluate",
        "export-mesh",
        "import-eg3d",
        "sample-portraits",
        "demo-inputs",
        "bank",
        "doctor",
    ):
        assert name in text


def test_bank_list_show_promote_rollback_prune(bank):
    assert "0.800" in call("bank", "list", bank.uri)
    assert json.loads(call("bank", "show", bank.uri, "bronze"))["version"] == "v2"
    card = json.loads(call("bank", "show", bank.uri, "bronze", "--version", "v1"))
    assert (card["metrics"], card["versions"]) == ({"identity": 0.7}, ["v1", "v2"])
    assert "champion is v1" in call("bank", "rollback", bank.uri, "bronze")
    assert "champion is v2" in call("bank", "promote", bank.uri, "bronze", "v2")
    assert "0 versions removed" in call("bank", "prune", bank.uri, "bronze")


@pytest.mark.parametrize("start", [["-m", "itportrait.cli"], ["-c", CONSOLE_SCRIPT]])
def test_a_name_that_is_no_text_is_printed_however_the_command_is_started(tmp_path, start):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    options = ["demo-inputs", "--count", "1", folder]
    photos = folder + b"/photos"
    os.makedirs(photos)
    open(photos + b"/truth.parquet", "w").close()
    env = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([sys.executable, *start, *options], capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    assert rb"caf\xe9/photos is there already" in done.stdout


def test_align_counts_what_is_no_input(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    os.mkfifo(photos / "pipe.jpg")
    (photos / "Thumbs.db").write_bytes(b"")
    text = call("align", str(photos), str(tmp_path / "out"))
    assert "failed: 1" in text
    assert "reasons: {'storage': 1}" in text
    assert "1 skipped: 1 system (Thumbs.db)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bank", "list", "{tmp}/none"), "no bank at {tmp}/none: bank.json is missing"),
        (("bank", "show", "{tmp}/none", "bronze"), "no bank at {tmp}/none"),
        (("bank", "show", "{tmp}/none", "bronze", "--version", "v1"), "no bank at {tmp}/none"),
        (("bank", "promote", "{tmp}/none", "bronze", "v1"), "no bank at {tmp}/none"),
        (("bank", "rollback", "{tmp}/none", "bronze"), "no bank at {tmp}/none"),
        (("bank", "prune", "{tmp}/none", "bronze"), "no bank at {tmp}/none"),
        (
            ("bank", "register", "{tmp}/none", "--mlflow", "sqlite:///{tmp}/none/m.db"),
            "no bank at {tmp}/none",
        ),
        (("stylize", "{tmp}/out", "--bank", "{tmp}/none"), "`itportrait bank list BANK`"),
        (("stylize", "{tmp}/out", "--bank", "{tmp}/none", "--domains", "clown"), "no bank at"),
        (("stylize", "{tmp}/out"), "no bank at {tmp}/out/bank"),
        (("evaluate", "--bank", "{held}"), "no champion in the bank {held}"),
        (("evaluate", "--bank", "{held}", "--domains", "faint"), "candidates alone (v1)"),
        (
            ("stylize", "{tmp}/out", "--bank", "{bank}", "--domains", "clown,bronz"),
            "unknown domain 'bronz'; known: bronze, clown",
        ),
        (("evaluate", "--bank", "{tmp}/none"), "no bank at {tmp}/none"),
        (("evaluate", "--bank", "{tmp}/none", "--domains", "a"), "no bank at {tmp}/none"),
        (
            ("export-mesh", "{tmp}/out", "a", "--bank", "{tmp}/none", "--domain", "clown"),
            "no bank at {tmp}/none",
        ),
        (("bank", "show", "{bank}", "bronz"), "unknown domain 'bronz'; known: bronze"),
        (("bank", "promote", "{bank}", "bronze", "v9"), "unknown version 'v9'; known: v1, v2"),
        (("align", "{tmp}/none", "{tmp}/out"), "no input found"),
        (("align", "{tmp}", "{tmp}/out", "--set", "align.sise=3"), "unknown key 'sise'; known:"),
        (("invert", "{tmp}/out"), "run `itportrait align` first"),
        (("export-mesh", "{tmp}/out", "a", "--to", "m.stl"), "a .glb, .ply or .obj file"),
        (("align", "{tmp}/held", "{tmp}/out", "--device", "gpu"), "auto, cpu, cuda or cuda:N"),
        (("align", "{tmp}/held", "{tmp}/out", "--device", "cuda:99"), "one of this machine"),
        (("invert", "{tmp}/out", "--device", "gpu"), "auto, cpu, cuda or cuda:N"),
        (("evaluate", "--bank", "{bank}", "--device", "gpu"), "auto, cpu, cuda or cuda:N"),
        (("adapt", "b/d", "--bank", "{tmp}/new", "--prompt", "clay"), "got 'b/d'"),
        (
            ("adapt", "clay", "--bank", "{tmp}/new", "--prompt", "clay", "--device", "gpu"),
            "auto, cpu, cuda or cuda:N",
        ),
        (
            ("import-eg3d", "{tmp}/face.png", "--out", "{tmp}/new"),
            "{tmp}/face.png: this is a picture (PNG)",
        ),
    ],
)
def test_errors_are_one_line(bank, tmp_path, arguments, message):
    held = Bank(str(tmp_path / "held"))
    held.publish(BankVersion(domain="faint", version="v1"), {}, promote=False)
    (tmp_path / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    filled = [part.format(tmp=tmp_path, bank=bank.uri, held=held.uri) for part in arguments]
    before = sorted(tmp_path.rglob("*"))
    output = call(*filled, code=2)
    assert message.format(tmp=tmp_path, held=held.uri) in " ".join(output.split())
    assert "Traceback" not in output
    assert sorted(tmp_path.rglob("*")) == before  # a call that is refused creates nothing


@pytest.mark.slow
def test_photos_to_codes_and_a_mesh_without_ray(tmp_path):
    import trimesh

    call("sample-portraits", f"{tmp_path}/photos", "--count", "2", "--seed", "3", "--size", "256")
    (tmp_path / "photos" / "truth.parquet").unlink()
    out = f"{tmp_path}/out"
    assert "ok: 2" in call("align", f"{tmp_path}/photos", out, "--set", "align.size=128")
    steps = ["--set", "invert.method=w_plus", "--set", "invert.steps=2"]
    steps += ["--set", "invert.statistics_samples=128"]
    assert "ok: 2" in call("invert", out, *steps)
    mesh = f"{tmp_path}/head.ply"
    text = call("export-mesh", out, "portrait-00001", "--to", mesh, "--resolution", "48")
    assert "triangles" in text
    assert len(trimesh.load(mesh).faces) > 100


@pytest.mark.slow
def test_doctor_looks_at_everything():
    text = runner.invoke(app, ["doctor"]).output
    for what in ("torch", "GPU", "models: mini", "Ray", "MLflow", "disk"):
        assert what in text


def test_a_place_that_storage_refuses_is_one_sentence(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    output = call("bank", "list", f"{tmp_path}/loop", code=2)
    assert f"{tmp_path}/loop" in "".join(output.split())
    assert "check the path" in " ".join(output.split())
    assert "Traceback" not in output
