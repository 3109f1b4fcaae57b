"""Image-text models of others: what their configuration and vocabulary may ask for."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import itportrait.mini
from itportrait.errors import CheckpointError
from itportrait.perception.clip import MINI_NAME, WEIGHTS_FILE, ImageTextModel
from itportrait.perception.files import save_compressed

EMBEDDED = Path(itportrait.mini.__file__).parent / "weights" / "clip"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(EMBEDDED, tmp_path / "clip"))


def altered(folder, file, change):
    path = folder / file
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


CHANGES = {
    "width for 100 GB": (lambda c: c["text_cfg"].update(width=160_000), "text_cfg.width"),
    "width within bounds": (lambda c: c["text_cfg"].update(width=8192), "does not fit"),
    "vocabulary": (lambda c: c["text_cfg"].update(vocab_size=10**12), "text_cfg.vocab_size"),
    "layers": (lambda c: c["vision_cfg"].update(layers=10**9), "layers must be from 1 to 64"),
    "layers of stages": (lambda c: c["vision_cfg"].update(layers=[1, 1, 1, -1]), "from 1 to 64"),
    "another tower": (lambda c: c["vision_cfg"].update(layers=3, width=64), "does not fit"),
    "a network of a hub": (
        lambda c: c["text_cfg"].update(hf_model_name="somebody/model"),
        "unknown key 'hf_model_name'",
    ),
    "a tokenizer of a hub": (
        lambda c: c["text_cfg"].update(hf_tokenizer_name="somebody/code"),
        "unknown key 'hf_tokenizer_name'",
    ),
    "a network by name": (
        lambda c: c["vision_cfg"].update(timm_model_name="resnet50"),
        "unknown key 'timm_model_name'",
    ),
    "no tower": (lambda c: c.pop("text_cfg"), "text_cfg"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_configurations_that_ask_for_more_than_the_file_has(folder, name):
    change, message = CHANGES[name]
    altered(folder, f"{MINI_NAME}.json", change)
    with pytest.raises(CheckpointError, match=message) as caught:
        ImageTextModel.load_mini(folder)
    assert str(folder) in str(caught.value)


def test_a_configuration_of_a_million_brackets(folder):
    (folder / f"{MINI_NAME}.json").write_text("[" * 1_000_000)
    with pytest.raises(CheckpointError, match="brackets without end"):
        ImageTextModel.load_mini(folder)


@pytest.mark.parametrize("template", ["a {:1000000000}", "{0.__class__}", "{} {}", "none", "{"])
def test_templates_that_are_more_than_a_text_around_a_prompt(folder, template):
    altered(folder, "vocabulary.json", lambda data: data.update(templates=[template]))
    with pytest.raises(CheckpointError, match="must have one"):
        ImageTextModel.load_mini(folder)


def test_words_that_are_none(folder):
    altered(folder, "vocabulary.json", lambda data: data.update(words=[1]))
    with pytest.raises(CheckpointError, match="words must be a list of texts"):
        ImageTextModel.load_mini(folder)


def test_weights_that_expand_to_far_more_than_their_file(folder):
    save_compressed({"weight": torch.zeros(80 << 20)}, folder / WEIGHTS_FILE)
    assert (folder / WEIGHTS_FILE).stat().st_size < 1 << 20
    with pytest.raises(CheckpointError, match=r"(expand to|claim) far more bytes"):
        ImageTextModel.load_mini(folder)


def test_an_architecture_that_is_larger_than_its_file(tmp_path):
    torch.save({"visual.proj": torch.ones(768, 512)}, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match=r"has 2,539,567,\d+ values, where the file has 3"):
        ImageTextModel.load("ViT-bigG-14", tmp_path / "weights.pt")


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_an_architecture_of_open_clip(tmp_path, prefix, wrapped):
    import open_clip

    torch.manual_seed(0)
    theirs = open_clip.create_model("RN50", load_weights=False)
    state = {f"{prefix}{name}": value for name, value in theirs.state_dict().items()}
    content = {"epoch": 3, "state_dict": state} if wrapped else state
    torch.save(content, tmp_path / "weights.pt")
    own = ImageTextModel.load("RN50", tmp_path / "weights.pt").model.state_dict()
    expected = theirs.state_dict()
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[name], value) for name, value in expected.items())


def test_the_embedded_model_is_read_as_open_clip_reads_it(folder):
    import open_clip

    model = ImageTextModel.load_mini(folder).model
    theirs = open_clip.create_model(
        MINI_NAME, pretrained=str(folder / WEIGHTS_FILE), weights_only=True
    )
    expected = theirs.float().state_dict()
    state = model.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
