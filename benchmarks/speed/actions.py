"""What users wait for: a scene, a view, an inversion step, and the parts of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.published_path import PublishedPath
from benchmarks.speed.families import FAMILIES, quick_config
from benchmarks.speed.measure import Action
from itportrait.generator import TriPlaneGenerator, renderer
from itportrait.generator.volume import Volume
from itportrait.geometry.camera import frontal_camera
from itportrait.geometry.rays import camera_rays


class Subject:
    """A generator with codes, cameras, scenes and targets of a batch.

    Args:
        family: `published` or `mini`.
        batch: number of portraits.
        device: where all of it is.
        quick: whether the generator is shrunk.
    """

    def __init__(self, family: str, batch: int, device: str, *, quick: bool) -> None:
        torch.manual_seed(0)
        config = quick_config(family) if quick else FAMILIES[family]()
        generator = TriPlaneGenerator(config).eval().requires_grad_(False).to(device)
        self.generator, self.path = generator, PublishedPath(generator)
        self.cameras = frontal_camera().to(device).expand(batch, -1)
        side = generator.image_resolution
        self.targets = torch.rand(batch, 3, side, side, device=device) * 2 - 1
        with torch.no_grad():
            latents = torch.randn(batch, generator.z_dim, device=device)
            self.ws = generator.mapping(latents, self.cameras)
            self.planes = generator.planes(self.ws)
            self.features = self.path.features(self.planes, self.ws, self.cameras)

    def inversion_step(self) -> Tensor:
        """Return the gradient of the squared error, to a copy of the codes."""
        ws = self.ws.clone().requires_grad_()
        image = self.generator.synthesize(ws, self.cameras).final_image
        return torch.autograd.grad((image - self.targets).square().mean(), ws)[0]

    def published_inversion_step(self) -> Tensor:
        """Return the same of the published sequence."""
        ws = self.ws.clone().requires_grad_()
        return self.path.inversion_step(ws, self.cameras, self.targets)

    def rays(self, planes: Tensor) -> Tensor:
        """Return what rays from the cameras carry."""
        generator = self.generator
        rays = camera_rays(self.cameras, generator.neural_rendering_resolution)
        volume = Volume(generator.config, generator.decoder, planes)
        seen, _ = volume.composite(*rays, None, random=False, with_weights=False)
        return renderer.with_margin(seen.features, seen.alpha) * 2 - 1


def published_actions(device: str, *, quick: bool) -> Iterator[Action]:
    """Return the actions of the published generator, one portrait each."""
    it = Subject("published", 1, device, quick=quick)
    path, generator = it.path, it.generator

    def published_rays(planes: Tensor) -> Tensor:
        return path.features(planes, it.ws, it.cameras)

    def published_large(features: Tensor, ws: Tensor) -> Tensor:
        return path.super_resolve(features, ws)

    yield Action(
        "backbone, forward",
        forward(path.planes, it.ws),
        forward(generator.planes, it.ws),
    )
    yield Action(
        "volume rendering, forward",
        forward(published_rays, it.planes),
        forward(it.rays, it.planes),
    )
    yield Action(
        "volume rendering, forward and backward to planes",
        backward(published_rays, it.planes),
        backward(it.rays, it.planes),
    )
    yield Action(
        "super-resolution, forward",
        forward(published_large, it.features, it.ws),
        forward(generator.superresolution, it.features, it.ws),
    )
    yield Action(
        "super-resolution, forward and backward to features and code",
        backward(published_large, it.features, it.ws),
        backward(generator.superresolution, it.features, it.ws),
    )
    yield from whole_actions(it)


def mini_actions(device: str, *, quick: bool) -> Iterator[Action]:
    """Return the actions of the embedded generator, alone and in a batch."""
    one, eight = (Subject("mini", batch, device, quick=quick) for batch in (1, 8))
    yield from whole_actions(one, "mini: ")
    for action, single in zip(whole_actions(eight, "mini, batch of 8: "), whole_actions(one)):
        yield replace(action, units=8, single=single.reference)


def whole_actions(it: Subject, prefix: str = "") -> Iterator[Action]:
    """Return the actions that go from a code or a scene to a picture."""
    path, generator, ws, cameras = it.path, it.generator, it.ws, it.cameras
    yield Action(
        f"{prefix}one image, new latent",
        forward(lambda code: path.synthesize(code, cameras), ws),
        forward(lambda code: generator.synthesize(code, cameras).final_image, ws),
    )
    yield Action(
        f"{prefix}one more view",
        forward(lambda planes: path.render(planes, ws, cameras), it.planes),
        forward(lambda planes: generator.render(planes, ws, cameras).final_image, it.planes),
    )
    yield Action(f"{prefix}inversion step", it.published_inversion_step, it.inversion_step)


def forward(function: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], Tensor]:
    """Return a call without gradients."""

    @torch.no_grad()
    def run() -> Tensor:
        return function(*inputs)

    return run


def backward(function: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], object]:
    """Return a call with the gradients of all inputs."""

    def run() -> object:
        given = [value.clone().requires_grad_() for value in inputs]
        out = function(*given)
        return torch.autograd.grad(out, given, torch.ones_like(out))

    return run
