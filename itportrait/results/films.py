"""What moves in the gallery: turntables, and the ways from the unstylized portrait to the style."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from itportrait.errors import ItportraitError
from itportrait.pages.gallery import GalleryPortrait
from itportrait.pages.reel import reel_views
from itportrait.pages.video import encode_mp4, film_rate
from itportrait.pages.views import Views
from itportrait.records import InvertedRecord, Status, StylizedRecord
from itportrait.stages.recipe import Recipe
from itportrait.stylize import Stylizer
from itportrait.stylize.stage import build_stylizer

log = logging.getLogger(__name__)
_WAY = 9
"""Frames from the unstylized portrait to the style."""


@dataclass(frozen=True)
class Film:
    """One portrait in one domain, moving.

    Args:
        name: of its file.
        record_id: of the portrait.
        domain: of the style.
        data: the file, MP4.
        turn: its frames from one side to the other.
        way: frames from the photo to the style, where the style has degrees.
    """

    name: str
    record_id: str
    domain: str
    data: bytes
    turn: Views
    way: Views | None


def make_films(recipes: Sequence[Recipe], portraits: Sequence[GalleryPortrait]) -> Iterator[Film]:
    """Render the films of these portraits in every domain, one after the other."""
    for recipe in recipes:
        shown = [*_shown(recipe.domain, portraits)]
        stylizer = build_stylizer(recipe)
        for start in range(0, len(shown), stylizer.config.batch_size):
            part = shown[start : start + stylizer.config.batch_size]
            for each, way in zip(part, _ways(stylizer, part), strict=True):
                frames = stylizer.turntable(each.code, recipe.domain, fitted=each.styled.fitted)
                played, fps = film_rate(frames)
                yield Film(
                    name=f"turntable_{recipe.domain}{each.suffix}.mp4",
                    record_id=each.code.record_id,
                    domain=recipe.domain,
                    data=encode_mp4(played, fps=fps),
                    turn=reel_views([*half_turn(frames)]),
                    way=way,
                )


@dataclass(frozen=True)
class _Shown:
    """One portrait that a domain could draw."""

    suffix: str
    photo: np.ndarray | None
    code: InvertedRecord
    styled: StylizedRecord


def _shown(domain: str, portraits: Sequence[GalleryPortrait]) -> Iterator[_Shown]:
    for number, portrait in enumerate(portraits):
        styled = portrait.stylized.get(domain)
        if styled is None or styled.status is not Status.OK or portrait.inverted is None:
            continue
        suffix = f"+{number}" if number else ""  # no domain has such a sign in its name
        yield _Shown(suffix, portrait.aligned.pixels, portrait.inverted, styled)


def with_films(portrait: GalleryPortrait, films: Sequence[Film]) -> GalleryPortrait:
    """Return the portrait with those of the films that show it."""
    own = [film for film in films if film.record_id == portrait.aligned.record_id]
    return replace(
        portrait,
        turns={film.domain: film.turn for film in own},
        ways={film.domain: film.way for film in own if film.way is not None},
        films={film.domain: film.name for film in own},
    )


def half_turn(frames: np.ndarray) -> np.ndarray:
    """Return the part of a turntable's loop that goes from the one side to the other.

    The loop begins in front, and its yaw is a sine.
    """
    quarter = max(len(frames) // 4, 1)
    return frames[np.arange(-quarter, quarter + 1) % len(frames)]


def _ways(stylizer: Stylizer, shown: Sequence[_Shown]) -> list[Views | None]:
    """Render the ways to a style as one batch: each point on it is prepared once for all.

    Where that fails as a whole, each portrait has its own try.
    """
    domain = shown[0].styled.domain
    fitted = [each.styled.fitted for each in shown]
    known = [data for data in fitted if data is not None]
    try:
        films = stylizer.interpolate_all(
            [each.code for each in shown],
            None,
            domain,
            _WAY,
            fitted=known if len(known) == len(shown) else None,
        )
    except ItportraitError as error:
        if len(shown) > 1:
            return [way for each in shown for way in _ways(stylizer, [each])]
        # Styles of some kinds have no degrees.
        log.info("no way from the photo to %s in the gallery: %s", domain, error)
        return [None]
    return [
        reel_views([*film] if each.photo is None else [each.photo, *film])
        for each, film in zip(shown, films, strict=True)
    ]
