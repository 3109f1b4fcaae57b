"""What moves in the gallery: turntables, and the ways from the unstylized portrait to the style."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from itportrait.errors import ItportraitError
from itportrait.pages.gallery import GalleryPortrait
from itportrait.pages.video import encode_mp4
from itportrait.records import InvertedRecord, Status, StylizedRecord
from itportrait.stages.recipe import Recipe
from itportrait.stylize import Stylizer
from itportrait.stylize.stage import build_stylizer

log = logging.getLogger(__name__)
_SHORTEST_S, _FASTEST = 3, 24
"""Least seconds of a film, and most frames per second."""
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
        turn: `[T, H, W, 3]` uint8 from one side to the other.
        way: frames from the unstylized portrait to the style, where the style has degrees.
    """

    name: str
    record_id: str
    domain: str
    data: bytes
    turn: np.ndarray
    way: np.ndarray | None


def make_films(recipes: Sequence[Recipe], portraits: Sequence[GalleryPortrait]) -> list[Film]:
    """Render the films of these portraits in every domain."""
    films = []
    for recipe in recipes:
        for number, portrait in enumerate(portraits):
            styled = portrait.stylized.get(recipe.domain)
            if styled is None or styled.status is not Status.OK or portrait.inverted is None:
                continue
            stylizer = build_stylizer(recipe)
            frames = stylizer.turntable(portrait.inverted, recipe.domain, fitted=styled.fitted)
            suffix = "" if number == 0 else f"_{number}"
            films.append(
                Film(
                    name=f"turntable_{recipe.domain}{suffix}.mp4",
                    record_id=portrait.aligned.record_id,
                    domain=recipe.domain,
                    data=encode_mp4(frames, fps=_rate(len(frames))),
                    turn=half_turn(frames),
                    way=_way(stylizer, portrait.inverted, styled),
                )
            )
    return films


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
    quarter = len(frames) // 4
    return frames[np.arange(-quarter, quarter + 1) % len(frames)]


def _rate(frames: int) -> int:
    """Return frames per second: a film is not over before one has seen it."""
    return max(1, min(_FASTEST, frames // _SHORTEST_S))


def _way(stylizer: Stylizer, code: InvertedRecord, styled: StylizedRecord) -> np.ndarray | None:
    try:
        return stylizer.interpolate(code, None, styled.domain, _WAY, fitted=styled.fitted)
    except ItportraitError as error:
        # Styles of some kinds have no degrees.
        log.info("no way from the photo to %s in the gallery: %s", styled.domain, error)
        return None
