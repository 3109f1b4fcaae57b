"""Pickles as the published program writes them, made by its protocol and without its code."""

import contextlib
import copy
import pickle
import sys
import types
from unittest import mock

from torch import nn

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
