"""The order of a gallery: those whom the models know first, the worst last."""

import numpy as np

from itportrait.pages import GalleryPortrait
from itportrait.records import AlignedRecord
from itportrait.results.gallery import _worst_last


def portrait(name: str, value: int | None) -> GalleryPortrait:
    pixels = None if value is None else np.full((8, 8, 3), value, np.uint8)
    return GalleryPortrait(name, AlignedRecord(record_id=name, uri=name, pixels=pixels))


def test_portraits_that_the_models_do_not_know_come_last_the_worst_at_the_end():
    def distance(pixels: np.ndarray) -> float | None:
        found = float(pixels[0, 0, 0]) / 100
        return found if found > 0.35 else None

    values = {"worst": 90, "known": 10, "odd": 50, "lost": None, "known too": 30}
    found = _worst_last([portrait(*item) for item in values.items()], distance)
    assert [each.name for each in found] == ["known", "lost", "known too", "odd", "worst"]
    assert [each.unlike for each in found] == [None, None, None, 0.5, 0.9]
