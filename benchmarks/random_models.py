"""Perception models of the published sizes with random weights, to measure time and memory."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.bundle.spec import CameraPrior
from itportrait.generator import TriPlaneGenerator, ffhq512_config, mini_config
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.rectified import run_rectified
from itportrait.perception.trunk import ConvTrunk

GENERATORS = {"ffhq512": ffhq512_config, "mini": mini_config}


class RandomClip(nn.Module):
    """An image-text model of the size of a vision transformer B.

    Args:
        patch: its side in pixels, 32 or 16.
    """

    def __init__(self, patch: int, *, width: int = 768, depth: int = 12) -> None:
        super().__init__()
        self.name = f"random-B-{patch}"
        self.patch = nn.Conv2d(3, width, patch, patch)
        layer = nn.TransformerEncoderLayer(
            width, 12, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.out = nn.Linear(width, 512)

    def encode_image(self, image: Tensor) -> Tensor:
        """Return unit `[N, 512]`."""
        image = F.interpolate(image, (224, 224), mode="bicubic", antialias=True)
        tokens = self.patch(image).flatten(2).transpose(1, 2)
        return F.normalize(self.out(self.blocks(tokens).mean(1)), dim=1)

    def encode_prompt(self, text: str) -> Tensor:
        """Return unit `[512]`, of which the text is the seed."""
        rng = torch.Generator().manual_seed(sum(text.encode()))
        return F.normalize(torch.randn(512, generator=rng), dim=0).to(self.out.weight)


VGG_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of convolutions of each stage of VGG-16."""


class RandomVgg(nn.Module):
    """A network of the size of VGG-16, as perceptual distance and as identity.

    Args:
        stages: channels and number of convolutions of each.
        plain: whether it runs layer by layer by the library, and not as the product runs VGG.
    """

    def __init__(
        self, stages: tuple[tuple[int, int], ...] = VGG_STAGES, *, plain: bool = False
    ) -> None:
        super().__init__()
        self.sizes, self.plain = stages, plain
        self.stages, channels = nn.ModuleList(), 3
        for width, count in stages:
            layers: list[nn.Module] = [] if channels == 3 else [nn.MaxPool2d(2)]
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.stages.append(nn.Sequential(*layers))

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the map of each stage."""
        maps: list[Tensor] = []
        for stage in self.stages:
            assert isinstance(stage, nn.Sequential)
            image = stage(image) if self.plain else run_rectified(stage, image)
            maps.append(image)
        return maps

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Return `[N]`."""
        return self.compare(self.features(a), self.features(b))

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return `[N]` by features."""
        pairs = zip(a, b, strict=True)
        maps = [(F.normalize(x, dim=1) - F.normalize(y, dim=1)).square() for x, y in pairs]
        return torch.stack([each.mean((1, 2, 3)) for each in maps]).sum(0)

    def embed(self, image: Tensor) -> Tensor:
        """Return unit `[N, D]`."""
        maps = self.features(F.interpolate(image, (256, 256)))
        return F.normalize(torch.cat([each.mean((2, 3)) for each in maps], 1), dim=1)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the cosine of each pair, `[N]`."""
        return (self.embed(a) * self.embed(b)).sum(1)


def random_bundle(family: str, device: str) -> SimpleNamespace:
    """Return what methods ask of a bundle, frozen, on a device."""
    generator = TriPlaneGenerator(GENERATORS[family]())
    prior = CameraPrior()
    trunk = ConvTrunk((32, 64, 96, 160), (1, 2, 2, 3))
    models = {
        "generator": generator,
        "perceptual": RandomVgg(),
        "identity": RandomVgg(),
        "encoder": EncoderModel(trunk, generator.num_ws, generator.w_dim),
    }
    clips = [RandomClip(32), RandomClip(16)]
    for model in (*models.values(), *clips):
        model.eval().requires_grad_(False).to(device)
    return SimpleNamespace(
        **models,
        name="random",
        family=family,
        model_id="random",
        clips=clips,
        clip_weights=[1.0, 1.0],
        camera_prior=prior,
        orbit=prior.orbit,
    )
