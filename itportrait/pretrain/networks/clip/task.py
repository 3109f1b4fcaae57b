"""Train the mini CLIP: an open_clip model on drawn portraits and their captions.

The family has two of them, as the published method follows two: one of styles, and one of traits,
which begins as a copy of the first and learns people too. A generator that follows the first alone
reaches the style; the second alone takes a tint for it, but it knows a beard (docs/decisions.md).

The model learns by contrast, where equal captions in a batch are equally right, and by classifying
domains and attributes through their prompts. For traits a linear head, dropped at the end,
classifies attributes too: prompts alone teach nothing about an attribute that neither pictures nor
prompts separate yet (prompts of long and short hair once ended 0.01 apart). More losses serve what
the product uses the models for, as a goal that a generator follows uphill:

- direction: two pictures of one person, as a photo and in a domain, should differ as the two
  prompts do, in direction and in length;
- between: pictures half way to a domain (mixed, tinted, only its colors) lie part of the way, so
  that a tint alone is not taken for the style;
- adversary: pictures changed invisibly, against the model, keep their place. The gradients of a
  model that learned this show what it looks for; those of an ordinary one are noise.

Source:
    CLIP (Radford et al., ICML 2021); the direction of StyleGAN-NADA (Gal et al., SIGGRAPH 2022);
    image synthesis with a robust classifier (Santurkar et al., NeurIPS 2019).
"""

import json
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.image import resize
from itportrait.mini.attributes import ATTRIBUTES
from itportrait.perception.clip import MINI_NAME, WEIGHTS_FILE, ImageTextModel
from itportrait.perception.files import save_compressed
from itportrait.portraits import PHOTO
from itportrait.pretrain.networks.clip.config import ClipTraining
from itportrait.pretrain.networks.clip.losses import classify, contrast, direction, off, tell_apart
from itportrait.pretrain.networks.clip.measure import measure_clip
from itportrait.pretrain.networks.clip.model import MODEL_CONFIG, build_model, write_config
from itportrait.pretrain.networks.clip.words import KnownWords
from itportrait.pretrain.networks.labels import attribute_labels
from itportrait.pretrain.networks.prompts import SUBJECT_TEMPLATES, TEMPLATES, domain_prompts
from itportrait.pretrain.training.augment import between, move, recolor, soften
from itportrait.pretrain.training.data import pairs_across
from itportrait.pretrain.training.task import NetworkTask, TaskInputs

HEAD_SCALE = 10.0
"""Unit vectors are enlarged for the head of attributes, whose weights begin small."""


class ClipTask(NetworkTask[Any, ClipTraining]):
    """The mini CLIP in training.

    Args:
        folder: receives the model's configuration.
        inputs: portraits with captions, in all domains.
        config: hyper-parameters.
        start: folder of an exported model to begin with, of the same configuration.
        name: name of the task, which distinguishes the family's two models.
    """

    def __init__(
        self,
        folder: Path,
        inputs: TaskInputs,
        config: ClipTraining,
        *,
        start: Path | None = None,
        name: str = "clip",
    ) -> None:
        train = inputs.train
        model = build_model(folder)
        if start is not None:
            model.load_state_dict(torch.load(start / WEIGHTS_FILE, weights_only=True))
        self.words = KnownWords(train.captions, train.domains)
        embedding = cast(nn.Embedding, model.token_embedding)
        model.token_embedding = nn.Embedding.from_pretrained(
            embedding.weight.detach()[self.words.used], freeze=False
        )
        # Dropped at export; there so that it is trained, averaged and kept with the rest.
        model.attribute_head = nn.Linear(MODEL_CONFIG["embed_dim"], len(ATTRIBUTES))
        model = model.to(inputs.device)
        cast(nn.Module, model.visual).to(memory_format=torch.channels_last)  # faster on a CPU
        super().__init__(name, model, [config.optimizer(model)], config, inputs)
        size = MODEL_CONFIG["vision_cfg"]["image_size"]
        self.small = torch.cat([
            resize(train.floats(rows), size).add(1).mul(127.5).round().clamp(0, 255).byte()
            for rows in torch.arange(len(train)).split(256)
        ])  # fmt: skip
        self.labels = torch.stack(list(attribute_labels(train).values()), dim=1)
        self.photo = train.domains.index(PHOTO)
        is_photo = train.domain == self.photo
        self.photo_rows, self.styled_rows = (m.nonzero().flatten() for m in (is_photo, ~is_photo))
        self.pairs = {
            name: pairs_across(train, PHOTO, name)
            for index, name in enumerate(train.domains)
            if name != PHOTO and bool((train.domain == index).any())
        }

    def images(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Return distorted small pictures in [-1, 1]."""
        image = self.small[rows].to(self.device).float().div_(127.5).sub_(1)
        return soften(recolor(move(image, rng), rng, gain=0.06, light=0.1), rng, noise=0.04)

    def encode(self, image: Tensor) -> Tensor:
        """Return unit vectors of small pictures."""
        visual = self.module.visual
        mean = torch.tensor(visual.image_mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(visual.image_std, device=self.device).view(1, 3, 1, 1)
        pixels = ((image + 1) / 2 - mean) / std
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return F.normalize(self.module.encode_image(pixels), dim=1)

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted losses of one batch."""
        config = self.config
        first, last = config.still_from
        still = min(max((progress - first) / max(last - first, 1e-9), 0.0), 1.0)
        rows = self._rows()
        captions = [self._caption(row, rng) for row in rows.tolist()]
        domains, subjects = self._domain_prompts(rng), self._attribute_prompts(rng)
        text = self._encode_texts(captions + domains + subjects)
        said, named, subject = text.split([len(captions), len(domains), len(subjects)])

        images = self.images(rows, rng)
        pair_rows, pair_domain = self._pairs(rng)
        photo, styled = self.images(pair_rows.flatten(), rng).unflatten(0, (-1, 2)).unbind(1)
        ends = torch.cat([photo, styled])
        extra: list[Tensor] = []
        if still:
            middle, share = between(photo.repeat(2, 1, 1, 1), styled.repeat(2, 1, 1, 1), rng)
            adverse, kept = self._adversary(ends, named.detach(), rng)
            extra = [middle, adverse]
        feature, source, target, *moved = self.encode(torch.cat([images, ends, *extra])).split(
            [len(part) for part in (images, photo, styled, *extra)]
        )
        scale = self.module.logit_scale.exp().clamp(max=50.0)
        margins = {  # has, lacks, has, lacks, ...
            "attribute": scale * feature @ (subject[0::2] - subject[1::2]).T,
            "head": self.module.attribute_head(HEAD_SCALE * feature),
        }
        labels = self.labels[rows].to(self.device)
        losses = {
            "contrast": config.contrast_weight * contrast(feature, said, captions, scale),
            "domain": config.domain_weight
            * classify(scale * feature @ named.T, self.train.domain[rows].to(self.device)),
            "attribute": config.attribute_weight * tell_apart(margins["attribute"], labels),
            "head": config.head_weight * tell_apart(margins["head"], labels),
            "direction": config.direction_weight
            * direction(target - source, named[pair_domain] - named[self.photo]),
        }
        if still:
            source, target = source.detach(), target.detach()
            place = torch.lerp(source.repeat(2, 1), target.repeat(2, 1), share[:, None])
            kept_place = torch.cat([source, target])[kept]
            losses["between"] = still * config.between_weight * off(moved[0], place)
            losses["adversary"] = still * config.adversary_weight * off(moved[1], kept_place)
        return losses

    def _rows(self) -> Tensor:
        """Return the rows of a step's batch: photos, and pictures of all other domains."""
        photos = round(self.config.batch * self.config.photo_share)
        kinds = ((self.photo_rows, photos), (self.styled_rows, self.config.batch - photos))
        return torch.cat([
            rows[self.draw(len(rows), count)] for rows, count in kinds
        ])  # fmt: skip

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
        tokens = self.words.tokens(list(place)).to(self.device)
        features = F.normalize(self.module.encode_text(tokens), dim=1)
        return features[torch.tensor([place[text] for text in texts], device=self.device)]

    def _caption(self, row: int, rng: torch.Generator) -> str:
        choices = self.train.captions[row]
        if not choices or float(torch.rand(1, generator=rng)) < 0.15:
            choices = domain_prompts(self.train.domains[int(self.train.domain[row])])
        return _any(choices, rng)

    def _pairs(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows `[pairs, 2]` of a person as a photo and in a domain, and the domains."""
        styles = list(self.pairs)
        names = [_any(styles, rng) for _ in range(self.config.pairs)]
        rows = [_any(self.pairs[name], rng) for name in names]
        return torch.stack(rows), torch.tensor([self.train.domains.index(name) for name in names])

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
        return ImageTextModel(
            self.average,
            self.words.tokens,
            name=MINI_NAME,
            vocabulary=frozenset(self.words.vocabulary),
            templates=TEMPLATES,
        )

    def measure(self) -> dict[str, float]:
        """Return the share of right domains and the mean cosine of directions."""
        return measure_clip([self.wrapped()], self.held_out)

    def export(self, weights: Path) -> None:
        """Write configuration, weights (fp16) and vocabulary; see `itportrait.perception.clip`.

        Tokens that no caption holds get a zero embedding: an unknown word then adds nothing,
        instead of the noise of an untrained embedding.
        """
        folder = weights / self.name
        write_config(folder)
        state = {
            name: value.half().contiguous().cpu()
            for name, value in self.average.state_dict().items()
            if not name.startswith("attribute_head.")
        }
        used = state["token_embedding.weight"]
        whole = used.new_zeros(MODEL_CONFIG["text_cfg"]["vocab_size"], used.shape[1])
        whole[self.words.used] = used
        state["token_embedding.weight"] = whole
        save_compressed(state, folder / WEIGHTS_FILE)
        content = {"words": self.words.vocabulary, "templates": list(TEMPLATES)}
        (folder / "vocabulary.json").write_text(json.dumps(content, indent=0) + "\n")


def _any(options, rng: torch.Generator):
    return options[int(torch.randint(len(options), (1,), generator=rng))]
