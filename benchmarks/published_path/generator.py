"""A tri-plane generator's weights, computed in the published sequence of operations."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.published_path.synthesis import run_block
from benchmarks.published_path.volume import PublishedVolume, Seen
from itportrait.errors import InvalidArgumentError
from itportrait.generator import Rendering, TriPlaneGenerator
from itportrait.generator.backbone import NUM_PLANES
from itportrait.generator.layers import SynthesisBlock
from itportrait.geometry.rays import camera_rays


class PublishedPath:
    """Computes what `TriPlaneGenerator` does, with noise `const` and depths at the mid-points.

    Written from the description of the published EG3D program; no code of it is used.

    Args:
        generator: the weights; it is not copied.
    """

    def __init__(self, generator: TriPlaneGenerator) -> None:
        self.generator = generator

    def planes(self, ws: Tensor) -> Tensor:
        """Draw the tri-planes `[N, 3, C, H, W]` of `ws [N, num_ws, w_dim]`."""
        synthesis, start = self.generator.backbone.synthesis, 0
        x = image = None
        for name in synthesis.block_names:
            block = synthesis.get_submodule(name)
            assert isinstance(block, SynthesisBlock)
            rows = ws[:, start : start + block.num_conv + 1].unbind(1)
            x, image = run_block(block, x, image, rows, noisy=True)
            start += block.num_conv
        assert image is not None
        return image.unflatten(1, (NUM_PLANES, -1))

    def features(self, planes: Tensor, ws: Tensor, camera: Tensor) -> Tensor:
        """Render the feature image `[N, C, R, R]`, whose first three channels are the raw one."""
        return self.view(planes, ws, camera)[0]

    def view(self, planes: Tensor, ws: Tensor, camera: Tensor) -> tuple[Tensor, Seen]:
        """Render the feature image, and return with it what the rays carry."""
        generator = self.generator
        side = generator.neural_rendering_resolution
        origins, directions = camera_rays(camera, side)
        volume = PublishedVolume(generator.config, generator.decoder, planes)
        seen = volume.render(origins, directions)
        colors = seen.colors
        if generator.background is not None:
            colors = colors + (1 - seen.alpha) * generator.background(directions, ws[:, -1])
        return (colors * 2 - 1).transpose(1, 2).reshape(len(planes), -1, side, side), seen

    def super_resolve(self, features: Tensor, ws: Tensor) -> Tensor:
        """Map the feature image to the final one, `[N, 3, S, S]`."""
        module, x = self.generator.superresolution, features
        size = module.input_resolution
        if x.shape[-1] < size or (x.shape[-1] > size and module.kind != "4X"):
            x = F.interpolate(
                x, (size, size), mode="bilinear", align_corners=False, antialias=module.antialias
            )
        image = x[:, :3]
        for index in range(module.num_blocks):
            block = module.get_submodule(f"block{index}")
            assert isinstance(block, SynthesisBlock)
            rows = ws[:, -1:].repeat(1, 3, 1).unbind(1)
            x, image = run_block(block, x, image, rows, noisy=module.noise_mode != "none")
        return image

    def render(self, planes: Tensor, ws: Tensor, camera: Tensor) -> Tensor:
        """Render the final image of scenes from cameras."""
        return self.super_resolve(self.features(planes, ws, camera), ws)

    def synthesize(self, ws: Tensor, camera: Tensor) -> Tensor:
        """Draw the scenes of `ws` and render them."""
        return self.render(self.planes(ws), ws, camera)

    def inversion_step(self, ws: Tensor, camera: Tensor, target: Tensor) -> Tensor:
        """Return the gradient of the squared error, to `ws`."""
        error = (self.synthesize(ws, camera) - target).square().mean()
        return torch.autograd.grad(error, ws)[0]


class PublishedGenerator(TriPlaneGenerator):
    """A tri-plane generator that draws and renders by the published sequence, for whole steps.

    It takes what the steps of the published method ask for, and refuses the rest: noise `const`,
    depths at the mid-points, its own resolution, and the final image.
    """

    def planes(self, ws: Tensor, noise_mode: str = "const", rng: Any = None) -> Tensor:
        """Draw the tri-planes; see `PublishedPath.planes`."""
        _refuse("noise_mode", noise_mode, "const")
        return PublishedPath(self).planes(ws)

    def render(self, planes: Tensor, ws: Tensor, camera: Tensor, **asked: Any) -> Rendering:
        """Render scenes from cameras; see `PublishedPath.render`."""
        side = self.neural_rendering_resolution
        given = {"neural_rendering_resolution": side, "sampling": "midpoint"}
        given |= {"return_samples": False, "super_resolve": True, "rng": None}
        for name, value in asked.items():
            _refuse(name, value, given[name], None)
        path = PublishedPath(self)
        features, seen = path.view(planes, ws, camera)
        depth, alpha = (
            each.transpose(1, 2).view(len(ws), 1, side, side) for each in (seen.depth, seen.alpha)
        )
        return Rendering(path.super_resolve(features, ws), features[:, :3], depth, alpha)


def _refuse(name: str, value: object, *taken: object) -> None:
    if value not in taken:
        raise InvalidArgumentError(name, expected=repr(taken[0]), actual=repr(value))
