"""Random generators that belong to a step, a worker or a portrait, and never to history.

A generator is a function of its names alone, so a resumed run draws what it would have drawn, and a
portrait's noise does not depend on its batch. The three functions derive their seeds in three ways,
each of which is kept: results of earlier releases depend on it.
"""

import hashlib
from typing import Literal

import torch
from torch import Generator

_BYTES = 7
"""Number of bytes of a digest that make a seed."""


def step_rng(seed: int, rank: int, step: int, stream: str = "") -> Generator:
    """Return the CPU generator of one step of one worker.

    Args:
        seed: of the run.
        rank: number of the worker.
        step: number of the step.
        stream: name of the use, so that uses within a step are independent.
    """
    return _from_text(f"{seed}:{rank}:{step}:{stream}", "little")


def key_rng(seed: int, key: str) -> Generator:
    """Return the CPU generator of one item, whatever batch it is in.

    Args:
        seed: of the stage.
        key: the item's own name, such as the id of a portrait's record.
    """
    return _from_text(f"{seed}:{key}", "big")


def device_rng(seed: int, step: int, device: torch.device | str = "cpu") -> Generator:
    """Return the generator of one step on a device, for steps that draw many numbers there.

    Args:
        seed: of the run.
        step: number of the step.
        device: where the numbers are drawn.
    """
    return Generator(device).manual_seed((seed * 1_000_003 + step) * 2_654_435_761 % 2**63)


def _from_text(text: str, order: Literal["little", "big"]) -> Generator:
    digest = hashlib.sha256(text.encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:_BYTES], order))
