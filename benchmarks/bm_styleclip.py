"""What styleclip's global directions do to people: attributes that they raise, and styles.

    python benchmarks/bm_styleclip.py --people 64 --alpha 2.5 --beta 0.2 --sheet OUT.png

Portraits are drawn people of the held-out seed, by their true codes and cameras. Whether a picture
has an attribute is judged by logistic regressions on the codes that the family's encoder gives it,
which are fitted to drawn people of the training seed, as drawn and as the generator renders them;
no image-text model takes part. Columns:

    raised      share of the people whose probability of the attribute rises
    before      mean probability of the attribute before the edit
    after       mean probability after it
    identity    mean cosine of identity embeddings before and after
    both        share of the people who have a higher probability at an identity of at least 0.7
    judge       area under the judge's curve on the held-out people as drawn
    clip        mean cosine of the change with the words (clip_direction), guided by the same models
    seconds     of a core for a portrait: its own optimization, where the form has one, and a render

`--options '{"form": "optimization"}'` optimizes the people's codes one by one, and
`'{"form": "optimization", "optimization.batch": 8}'` so many at once.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from itportrait import metrics
from itportrait.adapt import AdaptConfig, DomainSpec, resolve
from itportrait.adapt.methods import METHODS, MethodContext
from itportrait.bundle import load_bundle
from itportrait.image import to_tensor, to_uint8
from itportrait.mini.attributes import ATTRIBUTES
from itportrait.portraits import (
    HELD_OUT_SEED,
    TRAIN_SEED,
    build_face,
    render_portrait,
    sample_people,
)
from itportrait.portraits.prior import decode_traits
from itportrait.styles import Codes

WORDS = {
    "glasses": ("a person with glasses", "a person"),
    "smile": ("a smiling person", "a serious person"),
    "beard": ("a man with a beard", "a person"),
    "old": ("an old person", "a young person"),
}
STYLES = ("zombie", "alien", "bronze statue", "clay figure")
PENALTY = 0.03


class People:
    """Drawn people, their pictures, and the renders of their true codes."""

    def __init__(self, bundle, count: int, seed: int) -> None:
        people = sample_people(count, seed)
        cameras = bundle.camera_prior.sample(count, torch.Generator().manual_seed(seed))
        side = bundle.generator.image_resolution
        self.drawn = torch.stack(
            [
                to_tensor(render_portrait(build_face(person), camera, side).image)
                for person, camera in zip(people, cameras, strict=True)
            ]
        )
        z = torch.as_tensor(np.stack([person.latent for person in people]))
        self.codes = Codes(bundle.generator.mapping(z, cameras), cameras)
        self.rendered = render(bundle.generator.synthesize, self.codes)
        traits = [decode_traits(person) for person in people]
        self.amounts = {
            name: torch.tensor([float(ATTRIBUTES[name].amount(t)) for t in traits])
            for name in WORDS
        }

    def labels(self, name: str) -> tuple[Tensor, Tensor]:
        """Return who has an attribute, and for whom that is clear."""
        amount, attribute = self.amounts[name], ATTRIBUTES[name]
        has = amount >= attribute.high
        return has, has | (amount <= attribute.low)


class Judge:
    """The probability of each attribute, from the encoder's codes."""

    def __init__(self, encoder, people: People) -> None:
        self.encoder = encoder
        found = torch.cat([self.features(people.drawn), self.features(people.rendered)])
        self.mean, self.std = found.mean(0), found.std(0) + 1e-3
        x = (found - self.mean) / self.std
        self.lines = {}
        for name in WORDS:
            has, clear = (torch.cat([part, part]) for part in people.labels(name))
            self.lines[name] = fit_line(x[clear], has[clear].float())

    def features(self, images: Tensor) -> Tensor:
        return torch.cat([self.encoder(part)[0].flatten(1) for part in images.split(32)])

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        x = (self.features(images) - self.mean) / self.std
        return {name: x @ weight + bias for name, (weight, bias) in self.lines.items()}


@torch.enable_grad()
def fit_line(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and bias of a logistic regression; both classes count alike."""
    weight = torch.zeros(x.shape[1], requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")
    rare = (1 - y).sum() / y.sum()

    def loss() -> Tensor:
        solver.zero_grad()
        fit = F.binary_cross_entropy_with_logits(x @ weight + bias, y, pos_weight=rare)
        total = fit + PENALTY * weight.square().sum()
        total.backward()
        return total

    solver.step(loss)
    return weight.detach(), bias.detach()


def render(synthesize, codes: Codes) -> Tensor:
    """Render portraits from their own cameras, a few at once."""
    parts = [synthesize(part.ws, part.cameras).final_image for part in codes.split(16)]
    return torch.cat(parts).clamp(-1, 1)


@torch.no_grad()
def main() -> None:
    """Edit the people by each of the words, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--train", type=int, default=800)
    parser.add_argument("--alpha", type=float, nargs="*")
    parser.add_argument("--beta", type=float, nargs="*")
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--styles", action="store_true")
    parser.add_argument("--sheet")
    arguments = parser.parse_args()
    bundle = load_bundle("mini")
    people = People(bundle, arguments.people, HELD_OUT_SEED)
    judge = Judge(bundle.encoder, People(bundle, arguments.train, TRAIN_SEED))
    before, drawn = judge.scores(people.rendered), judge.scores(people.drawn)
    rows = [people.rendered[:8]]
    usual = resolve(_spec("any", ("a", "b"), {}), AdaptConfig(preset="mini")).directions
    print(
        "alpha beta  words                  channels raised before after identity both judge clip"
        " seconds"
    )
    for alpha in arguments.alpha or [usual.alpha]:
        for beta in arguments.beta or [usual.beta]:
            options = {"directions.alpha": alpha, "directions.beta": beta, **arguments.options}
            words = WORDS | ({name: (name, "Photo") for name in STYLES} if arguments.styles else {})
            for name, pair in words.items():
                image, channels, seconds = edited(bundle, people, _spec(name, pair, options))
                rows.append(image[:8])
                line = [f"{alpha:5.1f} {beta:4.2f}  {pair[0]:22s} {channels:8.0f}"]
                identity = bundle.identity.similarity(image, people.rendered)
                if name in WORDS:
                    old, new = before[name].sigmoid(), judge.scores(image)[name].sigmoid()
                    up = new > old
                    has, clear = people.labels(name)
                    right = (drawn[name][has, None] > drawn[name][clear & ~has]).float().mean()
                    both = (up & (identity >= 0.7)).float().mean()
                    line.append(f"{up.float().mean():6.2f} {old.mean():6.2f} {new.mean():5.2f}")
                    line.append(f"{identity.mean():8.2f} {both:4.2f} {right:5.2f}")
                else:
                    line.append(f"{'':19s} {identity.mean():8.2f} {'':10s}")
                clip = metrics.clip_direction(
                    image, people.rendered, bundle.clips, prompt=pair[0], source_prompt=pair[1]
                )
                print(*line, f"{clip.mean():4.2f} {seconds:7.2f}", flush=True)
    if arguments.sheet:
        pictures = np.concatenate([np.concatenate(list(to_uint8(row)), 1) for row in rows])
        Image.fromarray(pictures).save(Path(arguments.sheet))


def _spec(name: str, words: tuple[str, str], options: dict) -> DomainSpec:
    data = {"name": name.replace(" ", "-"), "mode": "text", "method": "styleclip"}
    return DomainSpec.parse(
        {**data, "prompt": words[0], "source_prompt": words[1], "options": options}
    )


def edited(bundle, people: People, spec: DomainSpec) -> tuple[Tensor, float, float]:
    """Return the people edited by a domain's words, how many channels that shifts, and seconds."""
    method = METHODS.get("styleclip")(
        MethodContext(bundle, spec, resolve(spec, AdaptConfig(preset="mini")), [])
    )
    prepared = method.candidate()
    started = time.process_time()
    parts = [prepared.render(part).final_image for part in people.codes.split(16)]
    seconds = (time.process_time() - started) / len(people.codes)
    channels = method.step(0).get("styleclip_channels", 0.0)
    return torch.cat(parts).clamp(-1, 1), channels, seconds


if __name__ == "__main__":
    main()
