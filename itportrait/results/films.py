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
from itportrait.records import Status, StylizedRecord
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
        for number, portrait in enumerate(portraits):
            styled = portrait.stylized.get(recipe.domain)
            if styled is None or styled.status is not Status.OK or portrait.inverted is None:
                continue
            stylizer = build_stylizer(recipe)
            frames = stylizer.turntable(portrait.inverted, recipe.domain, fitted=styled.fitted)
            suffix = f"+{number}" if number else ""  # no domain has such a sign in its name
            shown, fps = film_rate(frames)
            yield Film(
                name=f"turntable_{recipe.domain}{suffix}.mp4",
                record_id=portrait.aligned.record_id,
                domain=recipe.domain,
                data=encode_mp4(shown, fps=fps),
                turn=reel_views([*half_turn(frames)]),
                way=_way(stylizer, portrait, styled),
            )


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


def _way(stylizer: Stylizer, portrait: GalleryPortrait, styled: StylizedRecord) -> Views | None:
    code = portrait.inverted
    assert code is not None  # `make_films` skips such portraits
    try:
        frames = stylizer.interpolate(code, None, styled.domain, _WAY, fitted=styled.fitted)
    except ItportraitError as error:
        # Styles of some kinds have no degrees.
        log.info("no way from the photo to %s in the gallery: %s", styled.domain, error)
        return None
    photo = portrait.aligned.pixels
    return reel_views([*frames] if photo is None else [photo, *frames])
