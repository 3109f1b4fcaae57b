"""Files of published weights in their true sizes and layouts, with random numbers in them."""

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

from itportrait.generator import GeneratorConfig, TriPlaneGenerator
from itportrait.perception.face_resnet import DEPTHS, KIND, NUMBERS, WIDTHS, FaceResnet
from itportrait.perception.files import write_converted
from itportrait.published.registry import WheelModel, find_model
from itportrait.published.store import WEIGHTS, origin_of, put_in_place, working_on
from tests.conftest import REPOSITORY
from tests.helpers.published import published_pickle

VGG_LAYERS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of torchvision's VGG-16, and 0 for each pooling."""


def write_generator(path: Path) -> None:
    """Write a generator as `ffhq512-128.pkl` is laid out: a persistent object under `G_ema`."""
    golden = REPOSITORY / "tests/data/goldens/eg3d_ffhq512-128.json"
    published = json.loads(golden.read_text())
    init, raw = published["config"], published["neural_rendering_resolution"]
    model = TriPlaneGenerator(GeneratorConfig.from_eg3d(init, neural_rendering_resolution=raw))
    del model.config
    model._init_kwargs, model.rendering_kwargs = init, init["rendering_kwargs"]
    model.neural_rendering_resolution = raw
    path.write_bytes(published_pickle({"G_ema": model}))


def write_open_clip(path: Path, architecture: str) -> None:
    """Write a state of an architecture of open_clip, as its repositories on the hub have it."""
    model = open_clip.create_model(architecture, load_weights=False)
    save_file(model.state_dict(), path)


def keep_face_network() -> None:
    """Put a network of the size of `dlib-face` into the cache, as if it had been fetched."""
    model = find_model("dlib-face")
    assert isinstance(model, WheelModel)
    state = FaceResnet(WIDTHS, DEPTHS).state_dict()
    config = {"widths": WIDTHS, "depths": DEPTHS, "numbers": NUMBERS}
    with working_on(model) as work:
        write_converted(state, config, KIND, work / WEIGHTS)
        about = {**origin_of(model), "license": model.license}
        put_in_place(model, work / WEIGHTS, about)


def write_vgg(path: Path) -> None:
    """Write torchvision's `vgg16-397923af.pth`: convolutions and the classifier behind them."""
    state, inputs, place = dict[str, torch.Tensor](), 3, 0
    for width in VGG_LAYERS:
        if width:
            state[f"features.{place}.weight"] = kaiming(width, inputs, 3, 3)
            state[f"features.{place}.bias"] = torch.zeros(width)
            inputs, place = width, place + 1  # its rectifier
        place += 1
    for place, (outputs, inputs) in {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}.items():
        state[f"classifier.{place}.weight"] = torch.zeros(outputs, inputs)
        state[f"classifier.{place}.bias"] = torch.zeros(outputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)


def kaiming(*shape: int) -> torch.Tensor:
    """Return weights that keep the size of what goes through rectifiers."""
    return torch.nn.init.kaiming_normal_(torch.empty(shape))
