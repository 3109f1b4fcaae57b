"""Pickles as the published program writes them, made by its protocol and without its code."""

import contextlib
import copy
import pickle
import sys
import types
from unittest import mock

import torch
from torch import nn

from itportrait.generator import GeneratorConfig, TriPlaneGenerator

RENDERING = {
    "superresolution_module": "training.superresolution.SuperresolutionHybrid2X",
    "depth_resolution": 4,
    "depth_resolution_importance": 4,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "c_scale": 1.0,
}
INIT = {
    "z_dim": 8,
    "c_dim": 25,
    "w_dim": 8,
    "img_resolution": 128,
    "img_channels": 3,
    "channel_base": 512,
    "channel_max": 4,
    "sr_num_fp16_res": 4,
    "mapping_kwargs": {"num_layers": 2},
    "rendering_kwargs": RENDERING,
}
SOURCE = "raise RuntimeError('the source of a checkpoint was run')"


@contextlib.contextmanager
def to_persistent(module, *, source=SOURCE):
    """Yield a copy of a module that pickles as a persistent object, all its parts included.

    The module `torch_utils.persistence` exists only inside the block: a reader that needs it fails.
    """

    def reconstruct(meta):
        raise AssertionError("the published loader was called")

    reconstruct.__module__, reconstruct.__qualname__ = (
        "torch_utils.persistence",
        "_reconstruct_persistent_obj",
    )
    persistence = types.ModuleType("torch_utils.persistence")
    persistence._reconstruct_persistent_obj = reconstruct
    modules = {
        "torch_utils": types.ModuleType("torch_utils"),
        "torch_utils.persistence": persistence,
    }

    def reduce(self, protocol):
        meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": type(self).__name__,
            "state": dict(self.__dict__),
        }
        return reconstruct, (meta,)

    def convert(value):
        if not type(value).__module__.startswith("torch.nn"):
            value.__class__ = type(type(value).__name__, (type(value),), {"__reduce_ex__": reduce})
        elif type(value) in (nn.Module, nn.Linear):
            value.__class__ = type("Layer", (type(value),), {"__reduce_ex__": reduce})

    converted = copy.deepcopy(module)
    for part in list(converted.modules()):
        convert(part)
    with mock.patch.dict(sys.modules, modules):
        yield converted


def published_pickle(content, *, source=SOURCE, protocol=4):
    """Return the bytes of a pickle whose modules are persistent objects."""
    with contextlib.ExitStack() as stack:
        converted = {
            key: stack.enter_context(to_persistent(value, source=source))
            if isinstance(value, nn.Module)
            else value
            for key, value in content.items()
        }
        return pickle.dumps(converted, protocol=protocol)


def published_generator():
    """Return the configuration of a generator, and the generator as the published program would
    hold it, its renderer's planes included."""
    torch.manual_seed(5)
    config = GeneratorConfig.from_eg3d(INIT, neural_rendering_resolution=16)
    model = TriPlaneGenerator(config).eval()
    del model.config
    model._init_kwargs, model.rendering_kwargs = INIT, RENDERING
    model.neural_rendering_resolution = 16
    model.add_module("renderer", torch.nn.Module())
    x, y, z = torch.eye(3)
    planes = [torch.stack(rows) for rows in ((x, y, z), (x, z, y), (z, x, y))]
    model.renderer.plane_axes = torch.stack(planes)
    return config, model
