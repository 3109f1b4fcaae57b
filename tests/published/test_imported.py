"""Image-text models that a user brings: every kind of file, checked, converted, and used."""

import json
import subprocess
import sys

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from itportrait.bundle import BundleSpec, load_bundle
from itportrait.bundle.choice import use_models
from itportrait.errors import (
    CheckpointError,
    InvalidArgumentError,
    MissingModelError,
    UnknownNameError,
    UnsafeCheckpointError,
)
from itportrait.perception import clip_files
from itportrait.published.hub import get_from_hub
from itportrait.published.imported import import_open_clip
from itportrait.published.registry import MODELS
from itportrait.published.store import place_of, state_of
from tests.helpers.small_clips import NAME, QUICK, know_small_clips, small_clip
from tests.helpers.tiny_folder import write_tiny_bundle


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    know_small_clips(tmp_path, monkeypatch)


def write(path, content):
    save_file(content, path) if path.suffix == ".safetensors" else torch.save(content, path)
    return path


def test_every_kind_of_file_gives_the_same_model(tmp_path):
    state = small_clip().state_dict()
    prefixed = {f"module.{name}": value for name, value in state.items()}
    contents = {
        "plain.pt": state,
        "run.bin": {"epoch": 3, "state_dict": prefixed, "name": "ViT-B-32"},
        "one.safetensors": {name: value.contiguous() for name, value in state.items()},
    }
    first, *others = [write(tmp_path / name, content) for name, content in contents.items()]
    done = import_open_clip(first, NAME)
    assert (done.made, done.replaced, done.path) == (True, False, place_of(MODELS[NAME]))
    for other in others:
        assert not import_open_clip(other, MODELS[NAME].architecture).made
    kept = clip_files.create_model(MODELS[NAME].architecture, done.path, foreign=False)
    assert all(torch.equal(value, state[name]) for name, value in kept.state_dict().items())
    about = json.loads((done.path.parent / "about.json").read_text())
    assert about["from"]["file"] == "plain.pt"
    assert {path.name for path in done.path.parent.iterdir()} == {
        "lock",
        "weights.safetensors",
        "about.json",
    }


def test_half_precision_is_kept_and_is_the_same_model(tmp_path):
    half = {name: value.half() for name, value in small_clip().state_dict().items()}
    full = {name: value.float() for name, value in half.items()}
    assert import_open_clip(write(tmp_path / "a.pt", half), NAME).made
    assert not import_open_clip(write(tmp_path / "b.pt", full), NAME).made


def test_an_archive_of_openai_is_known_by_itself_and_none_of_its_code_is_run(tmp_path):
    model = small_clip(name=QUICK)
    for name, size in (("input_resolution", 64), ("context_length", 77), ("vocab_size", 49408)):
        vars(model).pop(name, None)
        model.register_buffer(name, torch.tensor(size))
    example = (torch.zeros(1, 3, 64, 64), torch.zeros(1, 77).long())
    torch.jit.trace(model, example, check_trace=False).save(tmp_path / "ViT-B-32.pt")
    done = import_open_clip(tmp_path / "ViT-B-32.pt")
    assert done.model is MODELS[QUICK]
    kept = clip_files.create_model(done.model.architecture, done.path, foreign=False)
    expected = small_clip(name=QUICK).state_dict()
    assert kept.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in kept.state_dict().items())


def test_what_the_file_cannot_say_is_asked_for(tmp_path):
    file = write(tmp_path / "x.pt", small_clip().state_dict())
    with pytest.raises(InvalidArgumentError, match=rf"--model must be {NAME} .*no tensor tells"):
        import_open_clip(file)
    with pytest.raises(UnknownNameError, match="unknown published model 'ViT-Z'"):
        import_open_clip(file, "ViT-Z")
    with pytest.raises(InvalidArgumentError, match="got 'dlib-face'"):
        import_open_clip(file, "dlib-face")


def test_files_that_are_no_such_model_are_refused_in_a_sentence(tmp_path):
    state = small_clip().state_dict()
    other = {**state, "visual.conv1.weight": torch.zeros(64, 3, 14, 14)}
    broken = {**state, "ln_final.bias": torch.full((16,), torch.nan)}
    less = {name: value for name, value in state.items() if name != "ln_final.bias"}
    contents = {
        "network of another kind": ({"fc.weight": torch.zeros(3, 3)}, "it lacks visual.conv1"),
        "other patches": (other, "has patches of 14 pixels; known are"),
        "not finite": (broken, r"is damaged: ln_final\.bias has values that are not finite"),
        "a tensor less": (less, r"does not fit small-ViT-B-32; missing: ln_final\.bias"),
        "a tensor more": ({**state, "head.bias": torch.zeros(3)}, r"unknown: head\.bias"),
        "whole numbers": ({n: v.to(torch.int8) for n, v in state.items()}, "where the file has 0"),
        "a number": ({"visual.conv1.weight": torch.zeros(())}, "has patches of 0 pixels"),
    }
    for what, (content, message) in contents.items():
        file = write(tmp_path / "x.pt", content)
        name = "" if "patches" in message or "lacks" in message else NAME
        with pytest.raises(CheckpointError, match=message) as caught:
            import_open_clip(file, name)
        assert str(caught.value).startswith(str(file)), what
    assert state_of(MODELS[NAME]) == "absent"


def test_damaged_and_mistaken_files_are_refused_in_a_sentence(tmp_path):
    good = write(tmp_path / "good.pt", small_clip().state_dict()).read_bytes()
    (file := tmp_path / "x.pt").write_bytes(good[: len(good) // 2])
    with pytest.raises(CheckpointError, match="truncated or malformed"):
        import_open_clip(file, NAME)
    file.write_bytes(good[: len(good) // 2] + b"\xff" + good[len(good) // 2 + 1 :])
    with pytest.raises(CheckpointError, match="Bad CRC"):
        import_open_clip(file, NAME)
    file.write_bytes(b"<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(CheckpointError, match="a web page, as a failed download leaves it"):
        import_open_clip(file, NAME)
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(CheckpointError, match="a pointer of Git LFS"):
        import_open_clip(file, NAME)
    torch.save({"state_dict": {"visual.conv1.weight": subprocess.Popen}}, file)
    with pytest.raises(UnsafeCheckpointError, match="nothing was executed"):
        import_open_clip(file, NAME)
    for absent, why in (("absent.pt", "there is no such file"), ("", "it is a folder")):
        with pytest.raises(MissingModelError, match=f"no checkpoint at .*: {why} .expected a .pkl"):
            import_open_clip(tmp_path / absent, NAME)
    assert state_of(MODELS[NAME]) == "absent"


def test_a_bundle_uses_the_weights_that_it_was_made_with_and_no_others(tmp_path):
    write_tiny_bundle(tmp_path / "bundle")
    ids = set()
    for seed in (0, 1):
        file = write(tmp_path / f"{seed}.pt", small_clip(seed).state_dict())
        done = import_open_clip(file, NAME)
        assert done.replaced == bool(seed)
        folder = tmp_path / f"copy{seed}"
        ids.add(use_models(str(tmp_path / "bundle"), [done.model], folder).model_id)
    assert len(ids) == 2
    [clip] = load_bundle(folder).clips
    assert clip.name == MODELS[NAME].architecture
    assert clip.encode_prompt("a zombie").shape == (16,)
    with pytest.raises(MissingModelError, match=r"other weights of .*: those of 1\.pt; import"):
        _ = load_bundle(tmp_path / "copy0").clips
    place_of(MODELS[NAME]).unlink()
    with pytest.raises(MissingModelError, match=r"is damaged in .*import-open-clip FILE --model"):
        _ = load_bundle(folder).clips


def test_the_model_of_the_same_tower_gives_way_and_keeps_its_weight(tmp_path):
    write_tiny_bundle(tmp_path / "bundle")
    path = tmp_path / "bundle" / "model.json"
    content = json.loads(path.read_text())
    tower = MODELS[NAME].architecture
    content["perception"]["clips"] = [
        {"kind": "open_clip", "name": tower, "weight": 0.5},
        {"kind": "open_clip", "name": "ViT-B-16"},
    ]
    path.write_text(BundleSpec.parse(content, source="").to_text())
    for name in (NAME, QUICK):
        import_open_clip(write(tmp_path / "x.pt", small_clip(name=name).state_dict()), name)
        clips = use_models(str(tmp_path / "bundle"), [MODELS[name]]).perception.clips
        assert [clip.name for clip in clips] == [MODELS[name].architecture, "ViT-B-16"]
        assert [clip.path for clip in clips] == [f"models:{name}", None]
        assert [clip.weight for clip in clips] == [0.5, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": None}, "values: must go with a path"),
        ({"path": "clip.pt"}, "values: must go with a path"),
        ({"name": "ViT-B-16"}, "path: models:open-clip-vit-b-32 is for open_clip's"),
        ({"path": "models:dlib-face"}, "models:dlib-face is a network for identity_path"),
        ({"values": "x"}, "values"),
    ],
)
def test_a_place_says_which_weights_are_meant(changes, message, tmp_path):
    write_tiny_bundle(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    clip = {"kind": "open_clip", "name": MODELS[NAME].architecture, "path": f"models:{NAME}"}
    content["perception"]["clips"] = [clip | {"values": "0" * 64} | changes]
    with pytest.raises(InvalidArgumentError, match=message):
        BundleSpec.parse(content, source="model.json")


def test_a_file_of_the_hub_is_imported_and_removed(tmp_path, monkeypatch):
    def download(config, cache_dir):
        assert config["hf_hub"] == f"{MODELS[NAME].repository}/"
        (folder := tmp_path / "cache" / "models" / "hub" / NAME).mkdir(parents=True)
        assert cache_dir == str(folder)
        return str(write(folder / "open_clip_model.safetensors", small_clip().state_dict()))

    monkeypatch.setattr(open_clip, "download_pretrained", download)
    monkeypatch.setattr(
        open_clip,
        "get_pretrained_cfg",
        lambda name, tag, known=open_clip.get_pretrained_cfg: known("ViT-B-32", tag),
    )
    assert get_from_hub(MODELS[NAME]).made
    assert not (tmp_path / "cache" / "models" / "hub" / NAME).exists()
    monkeypatch.setattr(open_clip, "download_pretrained", lambda *_, **__: pytest.fail("asked"))
    assert not get_from_hub(MODELS[NAME]).made


def test_a_machine_without_the_hub_is_told_what_to_copy(tmp_path, monkeypatch):
    code = (
        "from itportrait.published.hub import get_from_hub\n"
        "from itportrait.published.registry import MODELS\n"
        "try:\n"
        f"    get_from_hub(MODELS[{NAME!r}])\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    for name, value in {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    told = done.stdout.strip()
    assert told.startswith(f"MissingModelError {NAME} cannot be downloaded (")
    assert "\n" not in told
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert f"get open_clip_model.safetensors of {repository}, copy it here, and run" in told
    assert told.endswith(f"import-open-clip open_clip_model.safetensors --model {NAME}`")


@pytest.mark.parametrize("patch", [32, 16])
def test_what_is_said_of_the_hub_is_what_open_clip_knows(patch):
    for end in ("", "-quickgelu"):
        model = next(m for n, m in MODELS.items() if n == f"open-clip-vit-b-{patch}{end}")
        name = model.architecture.removeprefix("small-")
        assert model.tag in open_clip.list_pretrained_tags_by_model(name)
        known = open_clip.get_pretrained_cfg(name, model.tag)
        assert known["hf_hub"] == f"{model.repository}/"
        assert known.get("quick_gelu", False) == bool(end)
