"""What can be said of a drawn person: facts, and captions that templates make of them."""

import colorsys

import numpy as np
from torch import Tensor

from itportrait.portraits.colors import Face, cloth_color, hair_color, iris_color
from itportrait.portraits.domains import PHOTO, Domain, get_domain
from itportrait.portraits.prior import Person
from itportrait.portraits.render import build_face
from itportrait.portraits.shading import background_color

Attributes = dict[str, bool | str]

_HUES = ((0.02, "red"), (0.10, "orange"), (0.19, "yellow"), (0.42, "green"), (0.52, "teal"),
         (0.70, "blue"), (0.84, "purple"), (0.95, "pink"), (1.01, "red"))  # fmt: skip
_AGES = {
    "young": ("young", "youthful", "young adult"),
    "middle-aged": ("middle-aged", "grown-up"),
    "old": ("old", "elderly", "aged", "wrinkled"),
}
_SKINS = {
    "fair": ("fair skin", "pale skin", "light skin"),
    "light": ("light skin",),
    "tan": ("tan skin", "olive skin", "tanned skin"),
    "brown": ("brown skin",),
    "dark": ("dark skin", "black skin", "deep brown skin"),
}
_PERSONS = {
    "man": ("man", "male person", "guy", "gentleman"),
    "woman": ("woman", "female person", "lady"),
    "person": ("person", "human", "face", "someone"),
}


def attributes(person: Person, domain: str = PHOTO) -> Attributes:
    """Return what can be said of a person, as drawn in a domain.

    Returns:
        Booleans `bald`, `bun`, `fringe`, `curly`, `glasses`, `beard`, `smile`, `open_mouth`,
        `makeup`, and words `kind` (man, woman, person), `age` (young, middle-aged, old), `skin`
        (fair, light, tan, brown, dark), `hair_length` (bald, short, medium, long), `hair_color`,
        `eye_color`, `clothes_color`, `background_color`.

    Raises:
        UnknownNameError: no such domain.
    """
    face = build_face(person, domain)
    t, style = face.traits, face.style
    bald = style.hairless or t.bald > 0.6
    length = "long" if t.hair_length > 0.62 else "medium" if t.hair_length > 0.33 else "short"
    kind = "man" if t.masculine > 0.2 else "woman" if t.masculine < -0.2 else "person"
    return {
        "kind": kind,
        "age": "young" if t.age < 0.35 else "middle-aged" if t.age < 0.62 else "old",
        "skin": list(_SKINS)[min(4, int(5 * t.melanin))],
        "bald": bald,
        "hair_length": "bald" if bald else length,
        "hair_color": _hair_name(face),
        "curly": not bald and t.curl > 0.5,
        "fringe": not bald and face.scalars.fringe > 0.5,
        "bun": not bald and t.bun > 0.5,
        "glasses": t.glasses > 0.5,
        "beard": not style.hairless and t.beard > 0.5,
        "smile": t.smile > 0.7,
        "open_mouth": t.mouth_open > 0.25,
        "makeup": t.makeup > 0.6,
        "eye_color": _eye_name(face),
        "clothes_color": color_name(cloth_color(face)),
        "background_color": color_name(_backdrop(face)),
    }


def captions(person: Person, domain: str, rng: np.random.Generator, count: int = 4) -> list[str]:
    """Write captions of a person drawn in a domain.

    Args:
        person: the person.
        domain: `PHOTO` or one of `DOMAINS`.
        rng: source of the choice of template, attributes and synonyms.
        count: number of captions; half of the time the first names the domain alone, and the
            others describe the person in it.

    Raises:
        UnknownNameError: no such domain.
    """
    found = attributes(person, domain)
    kind = get_domain(domain)
    return [_caption(found, kind, rng, short=index == 0) for index in range(count)]


def _caption(found: Attributes, domain: Domain, rng: np.random.Generator, short: bool) -> str:
    if short and rng.random() < 0.5:
        return str(rng.choice(domain.words))
    phrase = str(rng.choice(domain.phrases))
    details = _details(found, domain, rng)
    kept = (
        [] if short else [details[i] for i in rng.permutation(len(details))[: rng.integers(1, 5)]]
    )
    subject = _subject(found, domain, rng, plain=short)
    text = phrase.format(subject)
    if not kept:
        return text
    joined = kept[0] if len(kept) == 1 else ", ".join(kept[:-1]) + " and " + kept[-1]
    return f"{text} with {joined}" if " with " not in text else f"{text}, {joined}"


def _subject(found: Attributes, domain: Domain, rng: np.random.Generator, plain: bool) -> str:
    noun = str(
        rng.choice(_PERSONS[str(found["kind"])] if rng.random() < 0.8 else _PERSONS["person"])
    )
    words = [noun]
    if not plain and rng.random() < 0.4:
        words.insert(0, str(rng.choice(_AGES[str(found["age"])])))
    if not plain and found["smile"] and rng.random() < 0.3:
        words.insert(0, "smiling")
    # In a hairless domain, bald says nothing of a person.
    if not plain and found["bald"] and not domain.style.hairless and rng.random() < 0.3:
        words.insert(0, "bald")
    if words == ["someone"]:
        return "someone"
    words = ["person" if word == "someone" else word for word in words]
    return _with_article(" ".join(words))


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _details(found: Attributes, domain: Domain, rng: np.random.Generator) -> list[str]:
    """Return a phrase for everything that is seen of a person in the domain."""

    def pick(*options: str) -> str:
        return str(rng.choice(options))

    colored, style = domain.colored, domain.style
    details = [_hair_phrase(found, colored, pick)]
    details.append(pick("glasses", "eyeglasses", "spectacles") if found["glasses"] else "")
    details.append("a fringe" if found["fringe"] else "")
    details.append(pick("hair buns", "two buns") if found["bun"] else "")
    beard = _with_article(f"{found['hair_color']} beard") if colored else "a beard"
    details.append(pick("a beard", beard, "facial hair") if found["beard"] else "")
    details.append(
        pick("a smile", "a happy face") if found["smile"] else pick("a serious face", "")
    )
    details.append(pick("an open mouth", "teeth showing") if found["open_mouth"] else "")
    if colored:
        details.append(f"{found['eye_color']} eyes")
        clothes = pick("clothes", "shirt", "sweater")
        worn = f"{found['clothes_color']} {clothes}"
        details.append(worn if clothes == "clothes" else _with_article(worn))
        details.append("makeup" if found["makeup"] and domain.name == PHOTO else "")
        details.append(pick(*_SKINS[str(found["skin"])]) if style.skin is None else "")
    if style.background is None:
        details.append(_with_article(f"{found['background_color']} background"))
    return [detail for detail in details if detail]


def _hair_phrase(found: Attributes, colored: bool, pick) -> str:
    if found["bald"]:
        return pick("no hair", "a bald head")
    words = []
    if pick("length", "skip") == "length" and found["hair_length"] != "medium":
        words.append(str(found["hair_length"]))
    if found["curly"] and pick("curl", "skip") == "curl":
        words.append(pick("curly", "wavy"))
    if colored:
        words.append(str(found["hair_color"]))
    elif not words:
        words.append(
            {"short": "short", "medium": "medium length", "long": "long"}[str(found["hair_length"])]
        )
    return " ".join([*words, "hair"])


def color_name(color: Tensor) -> str:
    """Return an everyday name of an sRGB color `[3]` in [0, 1]."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(min(1.0, max(0.0, float(c))) for c in color))
    if value < 0.16:
        return "black"
    if saturation < 0.16:
        return "white" if value > 0.85 else "gray"
    name = next(name for limit, name in _HUES if hue < limit)
    if name in ("orange", "yellow") and value < 0.62:
        return "brown" if name == "orange" else "olive"
    return name


def _hair_name(face: Face) -> str:
    t = face.traits
    if face.style.hair is None:
        if t.gray > 0.5:
            return "gray"
        if t.hair_red > 0.35 and t.hair_tone > 0.25:
            return "red"
        steps = ((0.22, "black"), (0.42, "dark brown"), (0.58, "brown"), (0.74, "light brown"))
        return next((name for limit, name in steps if t.hair_tone < limit), "blond")
    return color_name(hair_color(face))


def _eye_name(face: Face) -> str:
    if face.style.iris is not None:
        return color_name(iris_color(face))
    tone = face.traits.iris_tone
    steps = ((0.35, "brown"), (0.48, "hazel"), (0.68, "green"))
    return next((name for limit, name in steps if tone < limit), "blue")


def _backdrop(face: Face) -> Tensor:
    """Return the background's color `[3]` halfway out, where it is seen beside the head."""
    return background_color(face, hair_color(face).new_tensor([[0.08, 0.05, -1.0]]))[0]
