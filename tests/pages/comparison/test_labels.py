"""Labels find places where they cover neither each other nor foreign points."""

import itertools
import random

import pytest

from itportrait.pages.comparison.labels import Box, place_labels

FRAME = Box(50, 20, 860, 400)


@pytest.mark.parametrize("spread", [4, 40, 400])
def test_labels_do_not_overlap_and_stay_inside(spread):
    rng = random.Random(spread)
    points = [(400 + rng.uniform(0, spread), 200 + rng.uniform(0, spread / 2)) for _ in range(11)]
    texts = [f"method_{'x' * rng.randrange(14)}" for _ in points]
    boxes = place_labels(points, texts, FRAME)
    assert all(box.inside(FRAME) for box in boxes)
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlap(pair[1]) > 0]


def test_a_lone_label_stands_right_of_its_point_or_left_at_the_edge():
    (box,) = place_labels([(300, 200)], ["alone"], FRAME)
    assert 300 < box.left < 320
    (box,) = place_labels([(905, 200)], ["alone"], FRAME)
    assert box.left + box.width < 905


def test_a_label_leaves_a_whisker_free():
    whisker = Box(240, 198, 120, 4)
    (box,) = place_labels([(300, 200)], ["alone"], FRAME, [whisker])
    assert box.overlap(whisker) == 0


def test_a_label_wider_than_the_frame_begins_at_its_edge():
    (box,) = place_labels([(300, 200)], ["x" * 300], FRAME)
    assert box.left == FRAME.left
