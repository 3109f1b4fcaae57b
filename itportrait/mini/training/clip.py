"""Train the mini CLIP: an open_clip model on drawn portraits and their captions.

Contrastive learning, where equal captions in a batch count as equally right, and classification by
prompts of the domain and of attributes. More losses serve what the product uses the model for,
which is to be followed uphill by a generator:

- direction: two pictures of one person, as a photo and in a domain, should differ as the two
  prompts do, in direction and in length;
- between: pictures half way to a domain (mixed, tinted, only its colors) lie part of the way, so
  that a tint alone is not taken for the style;
- adversary: pictures changed invisibly, against the model, keep their place. The gradients of such
  a model are pictures of what it looks for, and those of an ordinary one are noise.

Source:
    CLIP (Radford et al., ICML 2021); the direction of StyleGAN-NADA (Gal et al., SIGGRAPH 2022);
    image synthesis with a robust classifier (Santurkar et al., NeurIPS 2019).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.config import Settings
from itportrait.image import resize
from itportrait.mini.portraits import PHOTO
from itportrait.mini.portraits.domains import get_domain
from itportrait.mini.training.attributes import ATTRIBUTES, attribute_labels
from itportrait.mini.training.augment import between, move, recolor, soften
from itportrait.mini.training.data import PortraitData, pairs_across
from itportrait.mini.training.loop import draw_batch
from itportrait.mini.training.task import NetworkTask
from itportrait.perception.clip import MINI_NAME, ImageTextModel, split_words

MODEL_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 96,
        "layers": [1, 1, 2, 1],
        "width": 16,
        "head_width": 64,
    },
    "text_cfg": {
        "context_length": 40,
        "vocab_size": 49408,
        "width": 64,
        "heads": 2,
        "layers": 3,
    },
}
"""In open_clip's format. A convolutional tower: some thousand pictures teach it small things such
as glasses, which they do not teach a transformer."""
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
SUBJECT_TEMPLATES = ("{}", "a photo of {}", "a portrait of {}", "a picture of {}")
"""For prompts of attributes, on pictures of all domains."""


class ClipTraining(Settings):
    """Hyper-parameters of the mini CLIP's training."""

    batch: int = 40
    """Pictures and captions in a batch."""
    pairs: int = 8
    """Pairs of photo and domain in a batch, each with two pictures between them."""
    learning_rate: float = 2e-3
    """Of Adam."""
    weight_decay: float = 0.02
    """Of matrices; not of gains, biases and embeddings."""
    contrast_weight: float = 0.5
    """Weight of the contrast of captions."""
    domain_weight: float = 0.5
    """Weight of the classification by one prompt for each domain."""
    attribute_weight: float = 2.0
    """Weight of the classification by pairs of prompts, see `attributes`."""
    direction_weight: float = 1.0
    """Weight of the direction loss."""
    between_weight: float = 2.0
    """Weight of the loss of pictures between photo and domain."""
    adversary_weight: float = 1.0
    """Weight of the loss of pictures changed against the model."""
    adversary: float = 0.08
    """Largest root mean square of that change, of pictures in [-1, 1]."""
    still_from: tuple[float, float] = (0.2, 0.5)
    """Shares of the budget between which the weights of `between` and `adversary` rise from 0:
    at once they would hold all pictures in one place, where nothing is learned."""


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
    texts += list(PERSON_WORDS) + attribute_prompts()
    return sorted({word for text in set(texts) for word in split_words(text)})


def attribute_prompts() -> list[str]:
    """Return every prompt of `ATTRIBUTES`."""
    return [
        template.format(subject)
        for attribute in ATTRIBUTES.values()
        for subject in attribute.has + attribute.lacks
        for template in SUBJECT_TEMPLATES
    ]


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
        model = build_model(folder)
        self.tokenizer = open_clip.get_tokenizer(MINI_NAME)
        self.used = self._used_tokens()
        # Three quarters of the parameters are embeddings of tokens that no caption has.
        embedding = cast(nn.Embedding, model.token_embedding)
        model.token_embedding = nn.Embedding.from_pretrained(
            embedding.weight.detach()[self.used], freeze=False
        )
        model = model.to(device)
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
        size = MODEL_CONFIG["vision_cfg"]["image_size"]
        self.small = torch.cat([
            resize(train.floats(rows), size).add(1).mul(127.5).round().clamp(0, 255).byte()
            for rows in torch.arange(len(train)).split(256)
        ])  # fmt: skip
        self.labels = attribute_labels(train)
        self.styles = [
            name
            for index, name in enumerate(train.domains)
            if name != PHOTO and bool((train.domain == index).any())
        ]
        self.pairs = {name: pairs_across(train, PHOTO, name) for name in self.styles}

    def _used_tokens(self) -> Tensor:
        texts = {text for row in self.train.captions for text in row} | set(attribute_prompts())
        texts |= {prompt for name in self.train.domains for prompt in domain_prompts(name)}
        texts |= set(vocabulary(self.train.captions, self.train.domains)) | set(PERSON_WORDS)
        self._tokens = {}
        # Sorted: the end of a text stays its largest number, by which open_clip finds it.
        self.used = torch.arange(MODEL_CONFIG["text_cfg"]["vocab_size"])
        return self.tokens(sorted(texts), "cpu").unique()

    def tokens(self, texts: list[str], device: torch.device | str | None = None) -> Tensor:
        """Tokenize, each text once; numbers are places in `used`."""
        new = [text for text in dict.fromkeys(texts) if text not in self._tokens]
        if new:
            self._tokens |= dict(zip(new, self.tokenizer(new), strict=True))
        rows = torch.stack([self._tokens[text] for text in texts])
        return torch.searchsorted(self.used, rows).to(device or self.device)

    def images(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Return distorted small pictures in [-1, 1]."""
        image = self.small[rows].to(self.device).float().div_(127.5).sub_(1)
        return soften(recolor(move(image, rng), rng, gain=0.06, light=0.1), rng, noise=0.04)

    def encode(self, image: Tensor) -> Tensor:
        """Return unit vectors of small pictures."""
        visual = self.module.visual
        mean = torch.tensor(visual.image_mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(visual.image_std, device=self.device).view(1, 3, 1, 1)
        return F.normalize(self.module.encode_image(((image + 1) / 2 - mean) / std), dim=1)

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted losses of one batch."""
        config = self.config
        rows = draw_batch(len(self.train), config.batch, self.steps, self.seed)
        captions = [self._caption(row, rng) for row in rows.tolist()]
        domains, subjects = self._domain_prompts(rng), self._attribute_prompts(rng)
        text = self._encode_texts(captions + domains + subjects)
        said, named, subject = text.split([len(captions), len(domains), len(subjects)])

        images = self.images(rows, rng)
        pair_rows, pair_domain = self._pairs(rng)
        photo, styled = self.images(pair_rows.flatten(), rng).unflatten(0, (-1, 2)).unbind(1)
        ends = torch.cat([photo, styled])
        middle, share = between(photo.repeat(2, 1, 1, 1), styled.repeat(2, 1, 1, 1), rng)
        adverse, kept = self._adversary(ends, named.detach(), rng)
        count, pairs = len(images), len(photo)
        parts = [count, pairs, pairs, len(middle), len(adverse)]
        feature, source, target, mid, moved = self.encode(
            torch.cat([images, ends, middle, adverse])
        ).split(parts)

        scale = self.module.logit_scale.exp().clamp(max=50.0)
        truth = self.train.domain[rows].to(self.device)
        wanted = (1 - share)[:, None] * source.repeat(2, 1) + share[:, None] * target.repeat(2, 1)
        wanted = F.normalize(wanted.detach(), dim=1)
        still = torch.cat([source, target]).detach()[kept]
        first, last = config.still_from
        still_weight = min(max((progress - first) / (last - first), 0.0), 1.0)
        losses = {
            "contrast": config.contrast_weight * _contrast(feature, said, captions, scale),
            "domain": config.domain_weight * F.cross_entropy(scale * feature @ named.T, truth),
            "attribute": config.attribute_weight * self._attributes(rows, feature, subject, scale),
            "direction": config.direction_weight
            * _direction(target - source, named[pair_domain] - named[self._photo]),
            "between": still_weight * config.between_weight * (1 - (mid * wanted).sum(1)).mean(),
            "adversary": still_weight
            * config.adversary_weight
            * (1 - (moved * still).sum(1)).mean(),
        }
        return losses

    @property
    def _photo(self) -> int:
        return self.train.domains.index(PHOTO)

    def _domain_prompts(self, rng: torch.Generator) -> list[str]:
        """Return one prompt of each domain, at random."""
        return [_any(domain_prompts(name), rng) for name in self.train.domains]

    def _attribute_prompts(self, rng: torch.Generator) -> list[str]:
        """Return a prompt with and one without each attribute, in one template."""
        prompts = []
        for attribute in ATTRIBUTES.values():
            template = _any(SUBJECT_TEMPLATES, rng)
            prompts.append(template.format(_any(attribute.has, rng)))
            prompts.append(template.format(_any(attribute.lacks, rng)))
        return prompts

    def _encode_texts(self, texts: list[str]) -> Tensor:
        """Return unit vectors; equal texts are encoded once."""
        place = {text: index for index, text in enumerate(dict.fromkeys(texts))}
        features = F.normalize(self.module.encode_text(self.tokens(list(place))), dim=1)
        return features[torch.tensor([place[text] for text in texts], device=self.device)]

    def _caption(self, row: int, rng: torch.Generator) -> str:
        choices = self.train.captions[row]
        if not choices or float(torch.rand(1, generator=rng)) < 0.15:
            choices = domain_prompts(self.train.domains[int(self.train.domain[row])])
        return _any(choices, rng)

    def _pairs(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows `[pairs, 2]` of a person as a photo and in a domain, and the domains."""
        names = [_any(self.styles, rng) for _ in range(self.config.pairs)]
        rows = [_any(self.pairs[name], rng) for name in names]
        return torch.stack(rows), torch.tensor([self.train.domains.index(name) for name in names])

    def _attributes(self, rows: Tensor, image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
        """Return the mean cross-entropy of the right prompts, over attributes that are seen."""
        logits = scale * image @ text.T  # has, lacks, has, lacks, ...
        losses = []
        for index, labels in enumerate(self.labels.values()):
            label = labels[rows].to(self.device)
            has = logits[:, 2 * index] - logits[:, 2 * index + 1]
            for value, sign in ((1, -1.0), (0, 1.0)):  # the rarer side counts as much
                if (label == value).any():
                    losses.append(F.softplus(sign * has[label == value]).mean())
        return torch.stack(losses).mean()

    def _adversary(
        self, image: Tensor, named: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Move half of the pictures a little, towards another domain's prompt or merely away."""
        kept = torch.randperm(len(image), generator=rng)[: len(image) // 2]
        start = image[kept]
        goal = named[torch.randint(len(named), (len(kept),), generator=rng)]
        noise = 0.2 * self.config.adversary * torch.randn(start.shape, generator=rng)
        probe = (start + noise.to(start.device)).requires_grad_()
        gradient = torch.autograd.grad((self.encode(probe) * goal).sum(), probe)[0]
        size = gradient.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        length = self.config.adversary * torch.rand(len(kept), 1, 1, 1, generator=rng)
        return (probe.detach() + length.to(start.device) * gradient / size).clamp(-1, 1), kept

    def wrapped(self) -> ImageTextModel:
        """Return the averaged model as the product uses it; shares its weights."""
        words = vocabulary(self.train.captions, self.train.domains)
        return ImageTextModel(
            self.average,
            lambda texts: self.tokens(texts, "cpu"),
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
        state = {
            name: value.half().contiguous().cpu()
            for name, value in (self.average.state_dict().items())
        }
        used = state["token_embedding.weight"]
        whole = used.new_zeros(MODEL_CONFIG["text_cfg"]["vocab_size"], used.shape[1])
        whole[self.used] = used
        state["token_embedding.weight"] = whole
        save_file(state, str(folder / "clip.safetensors"))
        content = {"words": words, "templates": list(TEMPLATES)}
        (folder / "vocabulary.json").write_text(json.dumps(content, indent=0) + "\n")


def _any(options, rng: torch.Generator):
    return options[int(torch.randint(len(options), (1,), generator=rng))]


def _contrast(image: Tensor, text: Tensor, captions: Sequence[str], scale: Tensor) -> Tensor:
    """Return the contrastive loss of CLIP; equal captions are equally right."""
    number = {text: index for index, text in enumerate(dict.fromkeys(captions))}
    label = torch.tensor([number[text] for text in captions], device=image.device)
    target = (label[:, None] == label[None]).float()
    target = target / target.sum(1, keepdim=True)
    logits = scale * image @ text.T
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def _direction(image: Tensor, text: Tensor) -> Tensor:
    """Return how far changes of pictures are from the words' change, in direction and length."""
    cosine = F.cosine_similarity(image, text, dim=1)
    # Only the pictures reach for the words: words that gave way would end in one point.
    goal = text.detach()
    off = (image - goal).square().sum(1) / goal.square().sum(1).clamp_min(1e-6)
    return (1 - cosine).mean() + 0.25 * off.mean()


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
