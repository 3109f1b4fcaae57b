"""Train the encoder on the finished generator: picture -> W+ and camera.

First it learns the codes of drawn portraits, whose latents are known, which is cheap. An error of a
code counts as much as it shows: by the mean change of the picture (`picture_metric`), most of which
lies in a few directions. Then renders of its codes by the frozen generator are compared with the
pictures, and the rows of W+ learn to differ. The generator's own samples are mixed in, whose codes
are exact.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.generator.base import Generator
from itportrait.geometry.camera import camera_angles
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from itportrait.portraits.prior import INPUTS
from itportrait.pretrain.networks.generator import face_weight
from itportrait.pretrain.training.augment import recolor, soften
from itportrait.pretrain.training.data import PortraitData
from itportrait.pretrain.training.task import AdamTraining, NetworkTask, TaskInputs

WIDTHS, DEPTHS = (32, 64, 96, 160), (1, 2, 2, 3)
"""Size of the encoder's trunk, larger than the perceptual network's: codes need finer features."""


class EncoderTraining(AdamTraining):
    """Hyper-parameters of the encoder's training."""

    average: float = 0.995
    """Largest share of the averaged weights that is kept in a step."""
    batch: int = 32
    """Number of drawn portraits in a batch of the first phase."""
    render_batch: int = 6
    """Number of portraits in a batch of the second phase, whose codes are rendered."""
    render_from: float = 0.5
    """Share of the budget after which renders are compared."""
    picture_share: float = 0.9
    """Share of the code's error that counts what pictures show; all entries share the rest."""
    code_weight: float = 0.3
    """Weight of the code's error in the second phase (1 before)."""
    angle_weight: float = 2.0
    """Weight of the angles' absolute error, in radians."""
    image_weight: float = 4.0
    """Weight of the absolute error of pictures in [0, 1]."""
    square_weight: float = 20.0
    """Weight of the squared error of pictures in [0, 1]."""
    perceptual_weight: float = 0.5
    """Weight of the perceptual distance."""
    offset_weight: float = 0.01
    """Weight of the mean square of the rows' differences, in units of the code's spread."""
    sample_share: float = 0.25
    """Share of the steps of the second phase that encode the generator's samples instead."""

    @classmethod
    def of_trained(cls) -> "EncoderTraining":
        """Return the hyper-parameters of an encoder that knew a former state of the generator."""
        return cls(learning_rate=1e-3, render_from=0.15)


class EncoderTask(NetworkTask[EncoderModel, EncoderTraining]):
    """The encoder in training.

    Args:
        generator: the finished generator, which is not trained any more.
        inputs: photos.
        config: hyper-parameters.
        perceptual: network of the perceptual loss; without it that loss is left out.
        start: an encoder of a former state of the generator to begin with; None begins anew.
    """

    def __init__(
        self,
        generator: Generator,
        inputs: TaskInputs,
        config: EncoderTraining,
        *,
        perceptual: PerceptualModel | None = None,
        start: EncoderModel | None = None,
    ) -> None:
        train, device = inputs.train, inputs.device
        encoder = start or EncoderModel(
            ConvTrunk(WIDTHS, DEPTHS), generator.num_ws, generator.w_dim
        )
        encoder.requires_grad_(True).to(device)
        self.generator, self.perceptual = generator.eval().requires_grad_(False), perceptual
        codes = codes_of(generator, train.latent[:10_000].to(device))
        encoder.w_avg.copy_(codes.mean(0))
        encoder.w_std.copy_(codes.std(0).clamp_min(1e-3))
        shown = picture_metric(generator, codes, train.camera.to(device), encoder.w_std)
        plain = torch.eye(len(shown), device=device)
        self.metric = torch.lerp(plain, shown, config.picture_share)
        super().__init__("encoder", encoder, [config.optimizer(encoder)], config, inputs)

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted losses of one batch."""
        config = self.config
        if progress < config.render_from:
            return self._code_losses(rng)
        if float(torch.rand(1, generator=rng)) < config.sample_share:
            return self._sample_losses(rng)
        image, camera, code = self._drawn(config.render_batch)
        return self._render_losses(image, image, camera, code)

    def _drawn(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return pictures, cameras and codes of the drawn portraits of a step."""
        rows = self.draw(len(self.train), size)
        code = codes_of(self.generator, self.train.latent[rows].to(self.device))
        return self.train.floats(rows, self.device), self.train.camera[rows].to(self.device), code

    def _code_losses(self, rng: torch.Generator) -> dict[str, Tensor]:
        image, camera, code = self._drawn(self.config.batch)
        image = soften(recolor(image, rng, gain=0.04, light=0.06), rng)
        w_plus, angles = self.module(image)
        return self._known_losses(w_plus, angles, code, camera, 1.0)

    def _sample_losses(self, rng: torch.Generator) -> dict[str, Tensor]:
        rows = self.draw(len(self.train), self.config.render_batch)
        z = torch.randn(len(rows), self.generator.z_dim, generator=rng).to(self.device)
        camera, code = self.train.camera[rows].to(self.device), codes_of(self.generator, z)
        with torch.no_grad():
            ws = _repeated(self.generator, code)
            image = self.generator.synthesize(ws, camera).final_image
        return self._render_losses(image.clamp(-1, 1), image, camera, code)

    def _known_losses(
        self, w_plus: Tensor, angles: Tensor, code: Tensor, camera: Tensor, weight: float
    ) -> dict[str, Tensor]:
        config, spread = self.config, self.module.w_std
        true_angles = torch.stack(camera_angles(camera), dim=1)
        mean = w_plus.mean(1)
        return {
            "code": weight * _length(self.metric, (mean - code) / spread),
            "angle": config.angle_weight * (angles - true_angles).abs().mean(),
            "offset": config.offset_weight * ((w_plus - mean[:, None]) / spread).square().mean(),
        }

    def _render_losses(
        self, image: Tensor, target: Tensor, camera: Tensor, code: Tensor
    ) -> dict[str, Tensor]:
        config = self.config
        # Statistics of a batch this small would undo what the first phase has learned.
        for layer in self.module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        w_plus, angles = self.module(image)
        losses = self._known_losses(w_plus, angles, code, camera, config.code_weight)
        render = self.generator.synthesize(w_plus, camera).final_image
        error = (render - target) / 2
        weight = face_weight(camera, render.shape[-1])
        losses["image"] = config.image_weight * (
            (error.abs() * weight).mean() + 0.5 * F.avg_pool2d(error, 8).abs().mean()
        )
        losses["square"] = config.square_weight * error.square().mean()
        if self.perceptual is not None:
            distance = self.perceptual.distance(render, target).mean()
            losses["perceptual"] = config.perceptual_weight * distance
        return losses

    def measure(self) -> dict[str, float]:
        """Return the PSNR of renders from the true camera, and the angles' error in degrees."""
        return measure_encoder(self.average, self.generator, self.held_out, self.device)

    def model(self) -> EncoderModel:
        """Return the averaged encoder."""
        return self.average.eval().requires_grad_(False)


def codes_of(generator: Generator, latent: Tensor) -> Tensor:
    """Return the codes `[N, w_dim]` of latents `[N, 64]`, of which only what shows is read."""
    z = latent.clone()
    z[:, len(INPUTS) :] = 0
    return generator.mapping(z, torch.zeros(1, 25, device=z.device))[:, 0]


@torch.no_grad()
def picture_metric(
    generator: Generator,
    codes: Tensor,
    camera: Tensor,
    spread: Tensor,
    *,
    count: int = 16,
    step: float = 0.25,
    seed: int = 0,
) -> Tensor:
    """Return how much errors of a code change pictures, as a quadratic form.

    Args:
        generator: the finished generator.
        codes: `[n, w_dim]`, from which the changed ones are chosen.
        camera: `[m, 25]`, from which the cameras of the pictures are chosen.
        spread: `[w_dim]`: the unit of each entry.
        count: number of codes whose entries are changed, one entry after the other.
        step: size of a change, in units of `spread`.
        seed: seed of the choice of codes and cameras.

    Returns:
        `[w_dim, w_dim]`, symmetric, of mean diagonal 1: the mean of `J^T J` over the codes, where
        `J` is the derivative of all pixels by the entries in units of `spread`.
    """
    rng = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(spread), len(spread), device=codes.device)
    for _ in range(count):
        code = codes[int(torch.randint(len(codes), (), generator=rng))]
        view = camera[int(torch.randint(len(camera), (), generator=rng))][None]
        moved = torch.cat([code[None], code + step * torch.diag(spread)])
        pixels = torch.cat([_pixels(generator, part, view) for part in moved.split(16)])
        change = pixels[1:] - pixels[:1]
        total += change @ change.T
    return total / total.diagonal().mean()


def _repeated(generator: Generator, code: Tensor) -> Tensor:
    """Return codes `[N, w_dim]` as `[N, num_ws, w_dim]`, the same in every row."""
    return code[:, None].expand(-1, generator.num_ws, -1)


def _pixels(generator: Generator, codes: Tensor, camera: Tensor) -> Tensor:
    """Return the pixels `[n, 3 * S * S]` of codes `[n, w_dim]` from one camera `[1, 25]`."""
    ws = _repeated(generator, codes)
    return generator.synthesize(ws, camera.expand(len(codes), -1)).final_image.flatten(1)


def _length(metric: Tensor, error: Tensor) -> Tensor:
    """Return the mean square of errors `[n, w_dim]` by a metric, over entries."""
    return ((error @ metric) * error).mean()


@torch.no_grad()
def measure_encoder(
    encoder: EncoderModel,
    generator: Generator,
    data: PortraitData,
    device: torch.device | str = "cpu",
    *,
    count: int = 64,
) -> dict[str, float]:
    """Measure reconstruction without any optimization.

    Returns:
        `psnr` in dB from the true camera; `angle_error_deg`: median over yaw and pitch.
    """
    psnr, off = [], []
    for part in data.spread(count).split(16):
        image, camera = data.floats(part, device), data.camera[part].to(device)
        w_plus, angles = encoder(image)
        render = generator.synthesize(w_plus, camera).final_image
        error = ((render.clamp(-1, 1) - image) / 2).square().mean((1, 2, 3))
        psnr.append(-10 * error.log10())
        off.append((angles - torch.stack(camera_angles(camera), dim=1)).abs().flatten())
    return {
        "psnr": float(torch.cat(psnr).mean()),
        "angle_error_deg": float(torch.rad2deg(torch.cat(off).median())),
    }
