"""Train the mini generator on drawn portraits: multi-view supervision with known latents.

A step takes a few people with two views each, so that the tri-planes are paid for once. The
resolution grows: 16 -> 32 pixels, 32 -> 64, 32 -> 128, by leaving out the last blocks of the
super-resolution, because an early step at full size costs four times as much and learns the same.

There is no discriminator: every latent has one true picture, which is regressed. Gradients of the
picture and the depth are supervised as well, for edges and geometry.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.config import Settings
from itportrait.generator.base import Generator, Rendering
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.generator.io import save_generator
from itportrait.geometry.camera import unpack_camera
from itportrait.learning.muon import Muon, split_parameters
from itportrait.portraits.prior import INPUTS
from itportrait.pretrain.training.data import PortraitData
from itportrait.pretrain.training.task import NetworkTask, NetworkTraining, TaskInputs

HEAD_CENTER = (0.0, -0.015, 0.22)
"""World point on which the weight of the losses is centered."""


class Stage(Settings):
    """A part of the training at one resolution."""

    until: float
    """Share of the budget at which this part ends."""
    rays: int
    """Side of the raw image, in pixels."""
    blocks: int
    """Number of super-resolution blocks in use, each of which doubles the side."""


class LossWeights(Settings):
    """How much each loss counts."""

    image: float = 1.0
    """Weight of the absolute error of the picture, which counts more over the face."""
    square: float = 3.0
    """Weight of the squared error of the picture, which counts misplaced outlines more."""
    pooled: float = 0.5
    """Weight of the absolute error of the picture pooled to 16 pixels, for colors and light."""
    raw: float = 0.4
    """Weight of the absolute error of the raw image."""
    gradient: float = 0.7
    """Weight of the absolute error of differences between neighboring pixels, for edges."""
    alpha: float = 0.25
    """Weight of the absolute error of the coverage."""
    depth: float = 0.6
    """Weight of the mean distance of a ray's weight from the true depth, for geometry."""


class GeneratorTraining(NetworkTraining):
    """Hyper-parameters of the generator's training."""

    learning_rate: float = 1.2e-2
    """Learning rate of Muon and Adam, after the warm-up and before it falls."""
    hold: float = 0.35
    """Share of the budget before the learning rate starts to fall."""
    warmup_steps: int = 100
    """Number of steps over which the learning rate rises."""
    average: float = 0.998
    """Largest share of the averaged weights that is kept in a step."""
    people: int = 4
    """Number of people in a batch."""
    views: int = 2
    """Number of views of each person in a batch."""
    stages: tuple[Stage, ...] = (
        Stage(until=0.1, rays=16, blocks=1),
        Stage(until=0.3, rays=32, blocks=1),
        Stage(until=1.0, rays=32, blocks=2),
    )
    """Parts of the training with their resolutions, in order."""
    weights: LossWeights = LossWeights()
    """Weights of the losses, on images in [0, 1] and depths in world units."""
    noise_latents: int = 64 - len(INPUTS)
    """Number of trailing latents that the picture does not show; they are drawn anew every step."""

    @classmethod
    def of_trained(cls) -> "GeneratorTraining":
        """Return the hyper-parameters of a generator that was trained before, at full size only."""
        return cls(learning_rate=8e-3, hold=0.3, stages=(Stage(until=1.0, rays=32, blocks=2),))


def face_weight(camera: Tensor, size: int) -> Tensor:
    """Return weights `[N, 1, size, size]`, about 1 on average, that rise over the face.

    Args:
        camera: `[N, 25]`.
    """
    cam2world, intrinsics = unpack_camera(camera)
    center = torch.tensor(HEAD_CENTER, device=camera.device) - cam2world[:, :3, 3]
    point = torch.einsum("nij,ni->nj", cam2world[:, :3, :3], center)
    uv = (intrinsics @ (point / point[:, 2:])[..., None])[:, :2, 0]
    grid = (torch.arange(size, device=camera.device) + 0.5) / size
    dx = grid[None, None, :] - uv[:, 0, None, None]
    dy = (grid[None, :, None] - uv[:, 1, None, None]) / 1.15
    return (1 + 1.5 * torch.exp(-(dx.square() + dy.square()) / 0.03))[:, None] / 1.3


def truth(data: PortraitData, rows: Tensor, rays: int, device: torch.device) -> dict[str, Tensor]:
    """Return what a render is compared with.

    Returns:
        `image` `[m, 3, S, S]` in [0, 1]; `alpha`, `depth`, `solid` `[m, 1, rays, rays]`: the
        coverage, the mean depth, and 1 where the pixel is covered all over.
    """
    image = data.image[rows].to(device).float().div_(255)
    alpha = data.alphas(rows, device)
    depth = data.depths(rows, device)
    inside = (alpha > 0.99).float()
    covered = F.adaptive_avg_pool2d(inside, rays)
    mean = F.adaptive_avg_pool2d(torch.where(inside > 0, depth, 0.0), rays) / covered.clamp_min(
        1e-4
    )
    solid = (covered > 0.95).float()
    return {
        "image": image,
        "alpha": F.adaptive_avg_pool2d(alpha, rays),
        "depth": torch.where(solid > 0, mean, 0.0),
        "solid": solid,
    }


def losses(rendering: Rendering, target: Mapping[str, Tensor], camera: Tensor) -> dict[str, Tensor]:
    """Return the unweighted losses of a rendering against `truth`."""
    image, raw = rendering.final_image.add(1).mul(0.5), rendering.image_raw.add(1).mul(0.5)
    size, rays = image.shape[-1], raw.shape[-1]
    wanted = F.adaptive_avg_pool2d(target["image"], size)
    weight = face_weight(camera, size)
    error = image - wanted
    right, down = error.diff(dim=-1).abs(), error.diff(dim=-2).abs()
    assert rendering.samples is not None
    depths, weights = rendering.samples
    off = (weights * (depths - target["depth"].flatten(1)[..., None]).abs()).sum(-1)
    return {
        "image": (error.abs() * weight).mean(),
        "square": error.square().mean(),
        "pooled": F.avg_pool2d(error, size // 16).abs().mean(),
        "raw": (raw - F.adaptive_avg_pool2d(target["image"], rays)).abs().mean(),
        "gradient": (right * weight[..., 1:]).mean() + (down * weight[..., 1:, :]).mean(),
        "alpha": (rendering.image_alpha - target["alpha"]).abs().mean(),
        "depth": (off * target["solid"].flatten(1)).mean(),
    }


def at_stage(generator: TriPlaneGenerator, stage: Stage) -> TriPlaneGenerator:
    """Return a generator of a stage's resolution that shares all its weights with the full one."""
    config = generator.config
    blocks = config.superresolution_blocks[: stage.blocks]
    side = stage.rays * 2 ** sum(block.up for block in blocks)
    values = config.to_json() | {
        "neural_rendering_resolution": stage.rays,
        "image_resolution": side,
        "superresolution_blocks": [block.model_dump() for block in blocks],
    }
    small = TriPlaneGenerator(GeneratorConfig.from_json(values))
    for name in ("backbone", "decoder", "background"):
        setattr(small, name, getattr(generator, name))
    for index in range(stage.blocks):
        name = f"block{index}"
        setattr(small.superresolution, name, getattr(generator.superresolution, name))
    return small


class GeneratorTask(NetworkTask[TriPlaneGenerator, GeneratorTraining]):
    """The mini generator in training.

    Args:
        generator: generator to train, a new one or one that was trained before.
        inputs: photos with geometry, several views of each person.
        config: hyper-parameters.
    """

    def __init__(
        self, generator: TriPlaneGenerator, inputs: TaskInputs, config: GeneratorTraining
    ) -> None:
        matrices, rest = split_parameters(generator, muon=("backbone.", "superresolution."))
        optimizers = [
            Muon(matrices, lr=config.learning_rate),
            torch.optim.Adam(rest, lr=config.learning_rate, betas=(0.9, 0.99)),
        ]
        super().__init__("generator", generator, optimizers, config, inputs)
        self.groups = self.train.groups()
        self.stages = [at_stage(generator, stage) for stage in config.stages]

    def batch(self, rng: torch.Generator) -> Tensor:
        """Return row numbers `[people, views]` of the present step."""
        rows = self.groups[self.draw(len(self.groups), self.config.people)]
        order = torch.rand(rows.shape, generator=rng).argsort(1)
        return rows.gather(1, order)[:, : self.config.views]

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted losses of one batch."""
        config, rows = self.config, self.batch(rng)
        index = sum(progress >= stage.until for stage in config.stages[:-1])
        generator, stage = self.stages[index], config.stages[index]
        flat, views = rows.flatten(), rows.shape[1]
        z = self.train.latent[rows[:, 0]].clone()
        if config.noise_latents:
            unseen = torch.randn(len(z), config.noise_latents, generator=rng)
            z[:, -config.noise_latents :] = unseen
        camera = self.train.camera[flat].to(self.device)
        ws = generator.mapping(z.to(self.device), camera[:1])
        rendering = generator.render(
            generator.planes(ws).repeat_interleave(views, 0),
            ws.repeat_interleave(views, 0),
            camera,
            sampling="random",
            rng=rng,
            return_samples=True,
        )
        target = truth(self.train, flat, stage.rays, self.device)
        return {
            name: getattr(config.weights, name) * value
            for name, value in losses(rendering, target, camera).items()
        }

    def measure(self) -> dict[str, float]:
        """Return PSNR of the picture and of the head on held-out people, in dB, and depth error."""
        return measure_generator(self.average, self.held_out, self.device)

    def export(self, weights: Path) -> None:
        """Write the averaged generator with its mean code to the bundle's folder."""
        set_mean_code(self.average)
        save_generator(self.average, weights, half=True)


@torch.no_grad()
def measure_generator(
    generator: Generator,
    data: PortraitData,
    device: torch.device | str = "cpu",
    *,
    count: int = 96,
    batch: int = 16,
) -> dict[str, float]:
    """Compare renders with drawn portraits of known latent, evenly picked from the data.

    Returns:
        `psnr`, `head_psnr`: means over pictures, dB; `depth_error`: median over pixels of heads, in
        world units.
    """
    whole, head, depth = [], [], []
    for part in data.spread(count).split(batch):
        camera = data.camera[part].to(device)
        ws = generator.mapping(data.latent[part].to(device), camera[:1])
        rendering = generator.synthesize(ws, camera)
        image = rendering.final_image.add(1).mul(0.5).clamp(0, 1)
        target = truth(data, part, rendering.image_depth.shape[-1], torch.device(device))
        error = (image - target["image"]).square()
        alpha = data.alphas(part, device)
        whole.append(error.mean((1, 2, 3)))
        head.append((error * alpha).sum((1, 2, 3)) / (3 * alpha.sum((1, 2, 3))).clamp_min(1))
        solid = target["solid"] > 0
        depth.append((rendering.image_depth - target["depth"]).abs()[solid])
    return {
        "psnr": float(-10 * torch.cat(whole).log10().mean()),
        "head_psnr": float(-10 * torch.cat(head).log10().mean()),
        "depth_error": float(torch.cat(depth).median()),
    }


@torch.no_grad()
def set_mean_code(generator: Generator, *, count: int = 10_000, seed: int = 0) -> None:
    """Set `w_avg` to the mean code of many latents, so that truncation has a center."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.z_dim, generator=rng).to(generator.w_avg.device)
    camera = torch.zeros(1, 25, device=z.device)
    generator.w_avg.copy_(generator.mapping(z, camera)[:, 0].mean(0))
