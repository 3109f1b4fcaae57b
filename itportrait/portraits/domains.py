"""The style domains of the embedded world: what each changes, and the words for it."""

from dataclasses import dataclass, replace

from itportrait.errors import UnknownNameError
from itportrait.portraits.finishes import PAPER
from itportrait.portraits.prior import Traits
from itportrait.portraits.style import Style

PHOTO = "photo"
_GAUNT = (
    (-0.09, (0.40, -0.48, 0.5), (0.15, 0.2, 0.35), True),
    (-0.06, (0.30, 0.03, 0.7), (0.2, 0.17, 0.2), True),
)
_NARROW_JAW = (-0.07, (0.42, -0.62, 0.45), (0.22, 0.25, 0.4), True)


@dataclass(frozen=True)
class Domain:
    """A style domain.

    Attributes:
        name: name in datasets, specifications and captions.
        style: changes to the look of a person.
        phrases: ways to name the domain, most with `{}` where the person goes; the first is what
            its pictures are measured by.
        words: short names of the domain, usable as prompts.
        colored: whether hair, eyes and clothes keep a color of their own, which captions name.
    """

    name: str
    style: Style
    phrases: tuple[str, ...]
    words: tuple[str, ...]
    colored: bool = True


_DOMAINS = (
    Domain(
        PHOTO,
        Style(),
        ("a photo of {}", "a portrait photo of {}", "a photograph of {}", "a picture of {}",
         "a portrait of {}", "a headshot of {}"),
        ("photo", "photograph", "portrait photo", "headshot"),
    ),
    Domain(
        "pencil",
        Style(finish="pencil", background=(PAPER, PAPER)),
        ("a pencil sketch of {}", "a pencil drawing of {}", "a sketch of {}",
         "a black and white drawing of {}", "a hatched pencil portrait of {}",
         "a graphite sketch of {}"),
        ("pencil", "sketch", "pencil drawing", "pencil sketch", "graphite drawing"),
        colored=False,
    ),
    Domain(
        "bronze",
        Style(
            finish="bronze",
            background=((0.42, 0.44, 0.46), (0.16, 0.17, 0.19)),
            traits={"glasses": 0.0},
        ),
        ("a bronze statue of {}", "a bronze bust of {}", "a bronze sculpture of {}",
         "a metal statue of {}", "a golden brown metal bust of {}", "a statue of {}"),
        ("bronze", "bronze statue", "bronze bust", "statue", "metal sculpture"),
        colored=False,
    ),
    Domain(
        "cartoon",
        Style(
            finish="cartoon",
            eye_scale=1.22,
            eye_open_scale=1.12,
            nose_scale=0.75,
            bumps=(
                (0.04, (0, 0.72, 0.1), (0.6, 0.5, 0.6), False),
                (-0.05, (0.40, -0.70, 0.45), (0.2, 0.25, 0.4), True),
            ),
            background=((0.98, 0.86, 0.48), (0.96, 0.72, 0.36)),
            factors={"age": 0.2, "beard": 0.8},
            minimums={"smile": 0.5},
        ),
        ("a cartoon of {}", "a cartoon character of {}", "a comic drawing of {}",
         "an animated character of {}", "a cel shaded cartoon of {}",
         "a comic book portrait of {}"),
        ("cartoon", "comic", "cartoon character", "animated character", "cel shading"),
    ),
    Domain(
        "alien",
        Style(
            eye_scale=1.25,
            eye_open_scale=1.2,
            nose_scale=0.6,
            ear_point=1.0,
            hairless=True,
            bumps=(
                (0.10, (0, 0.80, -0.05), (0.65, 0.5, 0.7), False),
                _NARROW_JAW,
            ),
            skin=(0.42, 0.68, 0.36),
            redness=-0.5,
            iris=(0.78, 0.56, 0.06),
            sclera=(0.10, 0.12, 0.10),
            lips=(0.25, 0.42, 0.24),
            cloth=(0.25, 0.27, 0.33),
            background=((0.20, 0.30, 0.42), (0.04, 0.05, 0.12)),
            factors={"age": 0.4},
            traits={"glasses": 0.0, "recede": 0.95, "makeup": 0.0},
        ),
        ("an alien", "a green alien that looks like {}", "an alien version of {}",
         "a portrait of {} as an alien", "an extraterrestrial creature, {} as an alien",
         "a green skinned alien with pointed ears, {}"),
        ("alien", "green alien", "extraterrestrial", "martian"),
    ),
    Domain(
        "zombie",
        Style(
            bumps=_GAUNT,
            skin=(0.54, 0.62, 0.47),
            redness=-0.9,
            iris=(0.88, 0.90, 0.82),
            sclera=(0.84, 0.76, 0.48),
            lips=(0.30, 0.19, 0.22),
            hair=(0.13, 0.13, 0.10),
            eye_paint=(0.33, 0.27, 0.28),
            stains=(0.38, 0.34, 0.26),
            background=((0.30, 0.34, 0.32), (0.06, 0.08, 0.08)),
            minimums={"age": 0.72},
            traits={"glasses": 0.0, "makeup": 0.1},
            factors={"smile": 0.5},
        ),
        ("a zombie", "a zombie version of {}", "{} as a zombie", "a portrait of {} as a zombie",
         "an undead corpse, {} as a zombie", "a rotten gray green zombie, {}"),
        ("zombie", "undead", "living dead", "corpse", "walking dead"),
    ),
    Domain(
        "watercolor",
        Style(finish="watercolor", background=(PAPER, PAPER)),
        ("a watercolor painting of {}", "a watercolor portrait of {}", "a watercolour of {}",
         "an aquarelle of {}", "a soft painting of {} on white paper", "a painting of {}"),
        ("watercolor", "watercolor painting", "watercolour", "aquarelle", "painting"),
    ),
    Domain(
        "clay",
        Style(
            finish="clay",
            nose_scale=1.1,
            ear_scale=1.1,
            background=((0.80, 0.78, 0.74), (0.55, 0.53, 0.50)),
        ),
        ("a clay sculpture of {}", "a clay figure of {}", "a terracotta bust of {}",
         "a clay model of {}", "a plasticine figure of {}", "a pottery bust of {}"),
        ("clay", "clay sculpture", "terracotta", "clay figure", "plasticine"),
        colored=False,
    ),
    Domain(
        "clown",
        Style(
            skin=(0.95, 0.94, 0.93),
            redness=0.3,
            hair=(0.88, 0.22, 0.10),
            lips=(0.80, 0.03, 0.06),
            nose=(0.88, 0.05, 0.06),
            nose_scale=1.45,
            eye_paint=(0.20, 0.42, 0.86),
            cloth=(0.38, 0.10, 0.52),
            traits={"makeup": 1.0, "smile": 1.0, "curl": 0.95, "hair_volume": 0.95, "beard": 0.0,
                    "glasses": 0.0, "bun": 0.0},
            factors={"recede": 0.5, "age": 0.5},
        ),
        ("a clown", "a clown version of {}", "{} as a clown", "a circus clown, {}",
         "a portrait of {} with clown makeup", "{} with a red nose and clown makeup"),
        ("clown", "circus clown", "clown makeup", "jester"),
    ),
    Domain(
        "devil",
        Style(
            nose_scale=1.15,
            ear_point=0.8,
            bumps=(
                (0.30, (0.40, 0.66, 0.62), (0.12, 0.17, 0.22), True),
                _NARROW_JAW,
            ),
            skin=(0.74, 0.13, 0.09),
            redness=0.5,
            hair=(0.07, 0.05, 0.05),
            iris=(0.98, 0.82, 0.12),
            sclera=(0.93, 0.80, 0.45),
            lips=(0.22, 0.03, 0.05),
            eye_paint=(0.26, 0.03, 0.04),
            cloth=(0.07, 0.06, 0.07),
            background=((0.42, 0.12, 0.07), (0.07, 0.02, 0.02)),
            traits={"glasses": 0.0, "makeup": 0.6, "brow_angle": 1.0, "bun": 0.0, "fringe": 0.0},
            factors={"melanin": 0.2},
        ),
        ("a devil", "a red devil that looks like {}", "{} as a devil",
         "a portrait of {} as a devil", "a demon with horns and red skin, {}",
         "a horned red demon, {} as a demon"),
        ("devil", "red devil", "demon", "satan", "horned demon"),
    ),
)  # fmt: skip

_BY_NAME = {domain.name: domain for domain in _DOMAINS}
DOMAINS = tuple(name for name in _BY_NAME if name != PHOTO)
"""Names of the style domains, without the source domain `PHOTO`."""


def get_domain(name: str) -> Domain:
    """Return the domain of a name in `(PHOTO, *DOMAINS)`.

    Raises:
        UnknownNameError: no such domain.
    """
    if name not in _BY_NAME:
        raise UnknownNameError("portrait domain", name, list(_BY_NAME))
    return _BY_NAME[name]


def style_traits(traits: Traits, style: Style) -> Traits:
    """Return the traits as the style alters them: some set, some multiplied, some raised."""
    changed = dict(style.traits)
    changed |= {name: factor * getattr(traits, name) for name, factor in style.factors.items()}
    changed |= {name: max(low, getattr(traits, name)) for name, low in style.minimums.items()}
    return replace(traits, **changed)
