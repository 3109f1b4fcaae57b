"""Train the mini CLIP: an open_clip model on drawn portraits and their captions.

Contrastive learning, where equal captions in a batch count as equally right. Two more losses serve
what the product uses the model for: a picture's domain should be told by prompts alone, and the
difference of two pictures of one person, in a domain and as a photo, should point where the
difference of the two prompts points.

Source:
    CLIP (Radford et al., ICML 2021); the direction of StyleGAN-NADA (Gal et al., SIGGRAPH 2022).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.config import Settings
from itportrait.image import resize
from itportrait.mini.portraits import PHOTO
from itportrait.mini.portraits.domains import get_domain
from itportrait.mini.training.augment import move, recolor, soften
from itportrait.mini.training.data import PortraitData, pairs_across
from itportrait.mini.training.loop import draw_batch
from itportrait.mini.training.task import NetworkTask
from itportrait.perception.clip import MINI_NAME, ImageTextModel, split_words

MODEL_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 72,
        "patch_size": 12,
        "width": 128,
        "head_width": 32,
        "layers": 4,
    },
    "text_cfg": {
        "context_length": 40,
        "vocab_size": 49408,
        "width": 64,
        "heads": 2,
        "layers": 3,
    },
}
"""In open_clip's format: 4.2 M parameters, three quarters of them the token embedding."""
TEMPLATES = (
    "{}",
    "a {}",
    "a portrait of a {}",
    "a picture of a {}",
    "a {} of a person",
    "{} style",
)
"""For prompts such as `bronze statue`; `encode_prompt` averages over them."""
PERSON_WORDS = ("a person", "a man", "a woman", "someone", "a face", "a human", "people")


class ClipTraining(Settings):
    """Hyper-parameters of the mini CLIP's training."""

    batch: int = 64
    """Pictures and captions in a batch."""
    pairs: int = 12
    """Pairs of photo and domain in a batch, for the direction loss."""
    learning_rate: float = 2e-3
    """Of Adam."""
    weight_decay: float = 0.02
    """Of matrices; not of gains, biases and embeddings."""
    domain_weight: float = 0.5
    """Weight of the classification by one prompt for each domain."""
    direction_weight: float = 1.0
    """Weight of the direction loss."""


def build_model(folder: Path) -> nn.Module:
    """Write the configuration to `folder/itportrait-mini.json` and build the untrained model."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{MINI_NAME}.json"
    path.write_text(json.dumps(MODEL_CONFIG, indent=2) + "\n")
    open_clip.add_model_config(path)
    return open_clip.create_model(MINI_NAME)


def domain_prompts(name: str) -> list[str]:
    """Return prompts for a domain, as users write them: its words in templates, its phrases."""
    domain = get_domain(name)
    prompts = [template.format(word) for word in domain.words for template in TEMPLATES]
    return prompts + [phrase.format("a person") for phrase in domain.phrases]


def vocabulary(captions: list[list[str]], domains: tuple[str, ...]) -> list[str]:
    """Return the words of captions and prompts, sorted."""
    texts = [text for row in captions for text in row]
    texts += [prompt for name in domains for prompt in domain_prompts(name)]
    texts += list(PERSON_WORDS)
    return sorted({word for text in set(texts) for word in split_words(text)})


class ClipTask(NetworkTask[Any]):
    """The mini CLIP in training.

    Args:
        folder: receives the model's configuration.
        train: portraits with captions, in all domains.
        held_out: the same of other people.
        config: hyper-parameters.
    """

    def __init__(
        self,
        folder: Path,
        train: PortraitData,
        held_out: PortraitData,
        config: ClipTraining | None = None,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        config = config or ClipTraining()
        self.config, self.seed, self.device = config, seed, torch.device(device)
        self.train, self.held_out = train, held_out
        model = build_model(folder).to(device)
        plain = [p for n, p in model.named_parameters() if p.ndim < 2 or "embedding" in n]
        matrices = [p for n, p in model.named_parameters() if p.ndim >= 2 and "embedding" not in n]
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
        super().__init__(
            "clip", model, [optimizer], average=0.99, clip_gradient=1.0, warmup_steps=100
        )
        self.tokenizer = open_clip.get_tokenizer(MINI_NAME)
        self.styles = [
            name
            for index, name in enumerate(train.domains)
            if name != PHOTO and bool((train.domain == index).any())
        ]
        self.pairs = {name: pairs_across(train, PHOTO, name) for name in self.styles}
        self._tokens: dict[str, Tensor] = {}

    def tokens(self, texts: list[str]) -> Tensor:
        """Tokenize, each text once."""
        new = [text for text in dict.fromkeys(texts) if text not in self._tokens]
        if new:
            self._tokens |= dict(zip(new, self.tokenizer(new), strict=True))
        return torch.stack([self._tokens[text] for text in texts]).to(self.device)

    def images(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Return distorted pictures, resized and normalised as the model expects."""
        image = resize(
            self.train.floats(rows, self.device), MODEL_CONFIG["vision_cfg"]["image_size"]
        )
        image = soften(recolor(move(image, rng), rng, gain=0.06, light=0.1), rng, noise=0.04)
        mean, std = self.module.visual.image_mean, self.module.visual.image_std
        shape = (1, 3, 1, 1)
        mean = torch.tensor(mean, device=self.device).view(shape)
        return ((image + 1) / 2 - mean) / torch.tensor(std, device=self.device).view(shape)

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the contrastive and the direction loss."""
        rows = draw_batch(len(self.train), self.config.batch, self.steps, self.seed)
        features = F.normalize(self.module.encode_image(self.images(rows, rng)), dim=1)
        losses = {
            "contrast": self._contrast(rows, features, rng),
            "domain": self.config.domain_weight * self._domain(rows, features, rng),
        }
        if self.styles and self.config.pairs:
            losses["direction"] = self.config.direction_weight * self._direction(rng)
        return losses

    def _domain(self, rows: Tensor, image: Tensor, rng: torch.Generator) -> Tensor:
        text = F.normalize(
            self.module.encode_text(self.tokens(self._prompts(self.train.domains, rng))), dim=1
        )
        logits = self.module.logit_scale.exp().clamp(max=50.0) * image @ text.T
        return F.cross_entropy(logits, self.train.domain[rows].to(self.device))

    def _prompts(self, domains: Sequence[str], rng: torch.Generator) -> list[str]:
        """Return one prompt of each domain, at random."""
        prompts = [domain_prompts(name) for name in domains]
        return [one[int(torch.randint(len(one), (1,), generator=rng))] for one in prompts]

    def _contrast(self, rows: Tensor, image: Tensor, rng: torch.Generator) -> Tensor:
        texts = [self._caption(row, rng) for row in rows.tolist()]
        text = F.normalize(self.module.encode_text(self.tokens(texts)), dim=1)
        number = {text: index for index, text in enumerate(dict.fromkeys(texts))}
        label = torch.tensor([number[text] for text in texts], device=self.device)
        target = (label[:, None] == label[None]).float()
        target = target / target.sum(1, keepdim=True)
        logits = self.module.logit_scale.exp().clamp(max=50.0) * image @ text.T
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    def _caption(self, row: int, rng: torch.Generator) -> str:
        domain = self.train.domains[int(self.train.domain[row])]
        choices = self.train.captions[row]
        if not choices or float(torch.rand(1, generator=rng)) < 0.15:
            choices = domain_prompts(domain)
        return choices[int(torch.randint(len(choices), (1,), generator=rng))]

    def _direction(self, rng: torch.Generator) -> Tensor:
        count = self.config.pairs
        names = [
            self.styles[int(torch.randint(len(self.styles), (1,), generator=rng))]
            for _ in range(count)
        ]
        rows = torch.stack([
            self.pairs[name][int(torch.randint(len(self.pairs[name]), (1,), generator=rng))]
            for name in names
        ])  # fmt: skip
        features = F.normalize(self.module.encode_image(self.images(rows.T.flatten(), rng)), dim=1)
        source, target = features[:count], features[count:]

        def encode(domains: list[str]) -> Tensor:
            texts = self._prompts(domains, rng)
            return F.normalize(self.module.encode_text(self.tokens(texts)), dim=1)

        text = F.normalize(encode(names) - encode([PHOTO] * count), dim=1)
        image = F.normalize(target - source, dim=1)
        return (1 - (image * text).sum(1)).mean()

    def wrapped(self) -> ImageTextModel:
        """Return the averaged model as the product uses it; shares its weights."""
        words = vocabulary(self.train.captions, self.train.domains)
        return ImageTextModel(
            self.average,
            self.tokenizer,
            name=MINI_NAME,
            vocabulary=frozenset(words),
            templates=TEMPLATES,
        )

    def measure(self) -> dict[str, float]:
        """Return the share of right domains and the mean cosine of directions."""
        return measure_clip(self.wrapped(), self.held_out)

    def export(self, folder: Path) -> None:
        """Write configuration, weights (fp16) and vocabulary; see `itportrait.perception.clip`.

        Tokens that no caption holds get a zero embedding: an unknown word then adds nothing,
        instead of the noise it was born with.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{MINI_NAME}.json").write_text(json.dumps(MODEL_CONFIG, indent=2) + "\n")
        words = vocabulary(self.train.captions, self.train.domains)
        texts = [text for row in self.train.captions for text in row]
        texts += [prompt for name in self.train.domains for prompt in domain_prompts(name)]
        texts += words + list(PERSON_WORDS)
        used = self.tokens(sorted(set(texts))).unique().cpu()
        state = {
            name: value.half().contiguous().cpu()
            for name, value in (self.average.state_dict().items())
        }
        seen = torch.zeros(len(state["token_embedding.weight"]), 1, dtype=torch.float16)
        seen[used] = 1
        state["token_embedding.weight"] = state["token_embedding.weight"] * seen
        save_file(state, str(folder / "clip.safetensors"))
        content = {"words": words, "templates": list(TEMPLATES)}
        (folder / "vocabulary.json").write_text(json.dumps(content, indent=0) + "\n")


@torch.no_grad()
def measure_clip(
    model: ImageTextModel, data: PortraitData, *, count: int = 450
) -> dict[str, float]:
    """Measure domains and directions on pictures.

    Returns:
        `domain_top1`: share of pictures whose nearest prompt is their domain's; `direction`: mean
        cosine between the pictures' direction, photo to domain, and the prompts', over domains;
        `direction_least`: of the worst domain.
    """
    names = [name for i, name in enumerate(data.domains) if bool((data.domain == i).any())]
    prompts = torch.stack([
        model.encode_prompt(get_domain(name).phrases[0].format("a person"), ("{}",))
        for name in names
    ])  # fmt: skip
    rows = torch.linspace(0, len(data) - 1, min(count, len(data))).long().unique()
    images = torch.cat(
        [model.encode_image(data.floats(part, model.device)) for part in rows.split(64)]
    )
    guess = (images @ prompts.T).argmax(1).cpu()
    true = torch.tensor([names.index(data.domains[int(d)]) for d in data.domain[rows]])
    figures = {"domain_top1": float((guess == true).float().mean())}
    cosines = {}
    for name in names:
        if name == PHOTO or PHOTO not in names:
            continue
        pairs = pairs_across(data, PHOTO, name)[:64]
        first, second = (model.encode_image(data.floats(side, model.device)) for side in pairs.T)
        text = F.normalize(prompts[names.index(name)] - prompts[names.index(PHOTO)], dim=0)
        cosines[name] = float((F.normalize(second - first, dim=1) @ text).mean())
    if cosines:
        figures["direction"] = sum(cosines.values()) / len(cosines)
        figures["direction_least"] = min(cosines.values())
    return figures
