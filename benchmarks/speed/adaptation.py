"""Steps of the published method with its published settings: both of its stages.

The reference is the same step with the published sequence of operations in the generators and one
picture after the other, whose gradients add up: all pictures of a step of stage 2 at once would
take over 23 GB. Networks that guide the steps have the published sizes and the same weights in
both; the reference runs them layer by layer by the library.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.published_path import PublishedGenerator
from benchmarks.random_models import RandomClip, RandomVgg, random_bundle
from benchmarks.speed.families import quick_config
from benchmarks.speed.measure import Action
from itportrait.adapt import DomainSpec, Reference
from itportrait.adapt.methods import METHODS, MethodContext, config_of
from itportrait.generator import TriPlaneGenerator
from itportrait.geometry.camera import frontal_camera

NAME = "itportrait"
CODES, VIEWS = 2, 2
"""Codes of a step of stage 2, and views of each, as published."""
APT, ITE = 0, 1
"""Steps that do stage 1 and stage 2 where words and a picture guide."""
QUICK_VGG = ((8, 1), (8, 1))


def adaptation_actions(device: str, *, quick: bool) -> Iterator[Action]:
    """Return a step of stage 1, and of stage 2 by words, and by words and the picture."""
    bundle = quick_bundle(device) if quick else random_bundle("ffhq512", device)
    published = published_bundle(bundle)
    name = f"ITE step, {CODES} codes in {VIEWS} views"
    both = Steps(bundle, published, "image_text")
    yield Action("APT step", both.reference(APT, 1), both.ours(APT), brief=True)
    yield Action(
        f"{name}, words and picture", both.reference(ITE, CODES * VIEWS), both.ours(ITE), brief=True
    )
    del both
    words = Steps(bundle, published, "text")
    yield Action(f"{name}, words", words.reference(ITE, CODES * VIEWS), words.ours(ITE), brief=True)


class Steps:
    """The method on our generator, and picture by picture on the published sequence.

    Args:
        bundle: what guides the method, with our generator.
        published: the same with the published sequence.
        mode: of the domain.
    """

    def __init__(self, bundle: SimpleNamespace, published: SimpleNamespace, mode: str) -> None:
        self.method = _method(bundle, mode, CODES, VIEWS)
        self.single = _method(published, mode, 1, 1, self.method.state_dict())

    def ours(self, step: int) -> Callable[[], object]:
        """Return the step as runs take it."""
        return lambda: self.method.step(step)

    def reference(self, step: int, pictures: int) -> Callable[[], object]:
        """Return the step of so many pictures, one after the other."""

        def run() -> None:
            for _ in range(pictures):
                part = self.single.loss(step)
                part.loss.backward()
            student = self.single.students[part.student]
            student.optimizer.step()
            student.optimizer.zero_grad(set_to_none=True)

        return run


def _method(bundle: Any, mode: str, codes: int, views: int, state: Any = None) -> Any:
    """Return the method with its published settings but for the balance of words and picture.

    The published chance that words alone guide a step would leave out the picture's renders, so it
    is 0: steps with both are the longest ones.
    """
    options = {
        "pair": {"steps": 2},
        "ite": {"batch": codes, "views": {} if views == VIEWS else {"yaw_b": []}},
        "threshold": {"text_probability": 0.0},
    }
    config = config_of(NAME).parse(options)
    domain = {"name": "style", "mode": mode, "method": NAME, "prompt": "a bronze statue"}
    references = []
    if mode != "text":
        domain["references"] = ["style.png"]
        side = bundle.generator.image_resolution
        pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
        references = [Reference(pixels, frontal_camera()[0].numpy(), "style.png")]
    context = MethodContext(bundle, DomainSpec.parse(domain), config, references)
    return METHODS.get(NAME)(context, state)


def published_bundle(bundle: SimpleNamespace) -> SimpleNamespace:
    """Return a bundle of the same weights: the published sequence, and the library's layers."""
    plain = {
        "generator": PublishedGenerator(bundle.generator.config),
        "perceptual": RandomVgg(bundle.perceptual.sizes, plain=True),
    }
    for name, model in plain.items():
        model.load_state_dict(getattr(bundle, name).state_dict())
        model.eval().requires_grad_(False).to(bundle.generator.device)
    return SimpleNamespace(**(vars(bundle) | plain))


def quick_bundle(device: str) -> SimpleNamespace:
    """Return a bundle of networks that take fractions of a second."""
    torch.manual_seed(0)
    bundle = random_bundle("mini", "cpu")
    bundle.generator = TriPlaneGenerator(quick_config("published"))
    bundle.encoder = None
    bundle.perceptual, bundle.identity = RandomVgg(QUICK_VGG), RandomVgg(QUICK_VGG)
    bundle.clips = [RandomClip(32, width=24, depth=1), RandomClip(16, width=24, depth=1)]
    for model in (bundle.generator, bundle.perceptual, bundle.identity, *bundle.clips):
        model.eval().requires_grad_(False).to(device)
    return bundle
