"""What a drawn person has or lacks: pairs of prompts, and which of them is right."""

from collections.abc import Callable
from dataclasses import dataclass

from itportrait.portraits.prior import Traits


@dataclass(frozen=True)
class Attribute:
    """Something that a person has or lacks.

    Attributes:
        has: subjects of prompts that have it, such as "a person with glasses".
        lacks: subjects of prompts that lack it.
        amount: how much of it traits have.
        low: a person with at most this amount lacks it.
        high: a person with at least this amount has it; between the two it is unclear.
        colored: whether it is a color, which photos alone show.
    """

    has: tuple[str, ...]
    lacks: tuple[str, ...]
    amount: Callable[[Traits], float]
    low: float
    high: float
    colored: bool = False


ATTRIBUTES: dict[str, Attribute] = {
    "glasses": Attribute(
        ("a person with glasses", "someone with eyeglasses", "a person with spectacles"),
        ("a person", "a person without glasses", "a person with no glasses"),
        lambda t: t.glasses, 0.3, 0.7,
    ),
    "beard": Attribute(
        ("a man with a beard", "a person with a beard", "a person with facial hair"),
        ("a person", "a person without a beard", "a person with no beard"),
        lambda t: t.beard, 0.3, 0.6,
    ),
    "old": Attribute(
        ("an old person", "an elderly person", "an old man", "an old woman"),
        ("a young person", "a youthful person", "a young man", "a young woman"),
        lambda t: t.age, 0.3, 0.6,
    ),
    "bald": Attribute(
        ("a bald person", "a bald person with no hair", "a person with a bald head"),
        ("a person with hair", "a person"),
        lambda t: t.bald, 0.2, 0.6,
    ),
    "bun": Attribute(
        ("a person with hair buns", "a woman with two buns", "a person with two hair buns"),
        ("a person", "a person without hair buns"),
        lambda t: t.bun, 0.3, 0.6,
    ),
    "long_hair": Attribute(
        ("a person with long hair",),
        ("a person with short hair",),
        lambda t: t.hair_length if t.bald < 0.3 else 0.5, 0.33, 0.62,
    ),
    "blond": Attribute(
        ("a person with blond hair",),
        ("a person with black hair",),
        lambda t: t.hair_tone if max(t.gray, t.bald, t.hair_red) < 0.35 else 0.5, 0.22, 0.74,
        colored=True,
    ),
    "smile": Attribute(
        ("a smiling person", "a person with a smile", "a person with a happy face"),
        ("a serious person", "a person with a serious face"),
        lambda t: t.smile, 0.45, 0.75,
    ),
    "open_mouth": Attribute(
        ("a person with an open mouth", "a person with teeth showing"),
        ("a person with a closed mouth", "a person"),
        lambda t: t.mouth_open, 0.05, 0.3,
    ),
    "woman": Attribute(
        ("a woman", "a lady", "a female person"),
        ("a man", "a guy", "a male person"),
        lambda t: -t.masculine, -0.2, 0.2,
    ),
    "dark_skin": Attribute(
        ("a person with dark skin", "a person with black skin"),
        ("a person with fair skin", "a person with pale skin"),
        lambda t: t.melanin, 0.3, 0.65,
        colored=True,
    ),
    "fringe": Attribute(
        ("a person with a fringe",),
        ("a person", "a person without a fringe"),
        lambda t: t.fringe, 0.3, 0.6,
    ),
}  # fmt: skip
"""Attributes by name; the balanced accuracies of their prompts are figures of the card."""
