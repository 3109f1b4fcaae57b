"""EG3D's crop: numbers worked out by hand, and pixels against the resize of the whole photo."""

import numpy as np
import pytest
from PIL import Image

from itportrait.align.crop import FACE_POINTS, cut, plan_crop, plan_given
from itportrait.errors import RecordRejectedError


def seen(scale, at_x, at_y, height):
    """Landmarks of the mean face seen from the front: `scale` px per dm, center at (x, y up)."""
    x, y_up = scale * FACE_POINTS[:, 0] + at_x, scale * FACE_POINTS[:, 1] + at_y
    return np.stack([x, height - 1 - y_up], axis=1)


def whole_crop(pixels, plan, size=512):
    """Cut as the definition says: resize everything, then cut twice."""
    left, top = plan.corner[0] - 162, plan.corner[1] - 162
    image = Image.fromarray(pixels).resize(plan.resized, Image.Resampling.BICUBIC)
    image = image.crop((left, top, left + 1024, top + 1024)).crop((162, 162, 862, 862))
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


def test_face_points_are_the_published_ones(canonical):
    np.testing.assert_array_equal(FACE_POINTS, canonical["lm3d_5pt_bfm_decimetre"])


@pytest.mark.parametrize(
    ("at", "resized", "corner"),
    [
        # s = 300 / 70.3 = 4.26743; W s = 3413.94, H s = 2560.46 are cut.
        # left = 1706.5 - 512 + 10 s = 1237.17, up = 1280 - 512 + 10 s = 810.67; + 162.
        ((410, 290), (3413, 2560), (1399, 972)),
        # left = 1194.5 - 390 s = -469.80 is cut towards zero, not down: -469 + 162.
        ((10, 290), (3413, 2560), (-307, 972)),
    ],
)
def test_plan_by_hand(at, resized, corner):
    plan = plan_crop(seen(70.3, *at, 600), 800, 600)
    assert (plan.resized, plan.corner, plan.side) == (resized, corner, 700)


def test_roll_is_not_corrected():
    points = seen(70.3, 410, 290, 600)
    center = points.mean(0)
    turn = np.array([[0.9, -0.436], [0.436, 0.9]])
    upright, rolled = (
        plan_crop(points, 800, 600),
        plan_crop((points - center) @ turn + center, 800, 600),
    )
    fractions = rolled.to_crop((points - center) @ turn + center)
    assert upright.to_crop(points)[0, 1] == pytest.approx(upright.to_crop(points)[1, 1], abs=0.01)
    assert abs(fractions[0, 1] - fractions[1, 1]) > 0.1


def test_points_go_to_the_crop():
    points = seen(70.3, 410, 290, 600)
    plan = plan_crop(points, 800, 600)
    # The face's origin lies in the middle: 350 of 700, to the pixels that were cut off.
    np.testing.assert_allclose(plan.to_crop(np.array([410, 309])), [0.5, 0.5], atol=0.006)
    left, top, side = plan.left_top_side
    np.testing.assert_allclose(plan.to_crop(np.array([left, top]) - 0.5), 0, atol=1e-9)
    assert side == pytest.approx(700 * 70.3 / 300, rel=1e-3)


@pytest.mark.parametrize(
    "points",
    [
        [(203.4, 100.6), (247.2, 103.6), (225.1, 129.3), (201.2, 139.1), (244.9, 142.1)],
        [(13.4, 30.6), (57.2, 33.6), (35.1, 59.3), (11.2, 69.1), (54.9, 72.1)],
        [(460.4, 460.6), (500.2, 463.6), (480.1, 489.3), (459.2, 499.1), (499.9, 502.1)],
        [(103.4, 100.6), (347.2, 103.6), (225.1, 229.3), (101.2, 339.1), (344.9, 342.1)],
    ],
)
def test_part_of_the_resize_equals_the_whole(astronaut, points):
    plan = plan_crop(np.array(points), 512, 512)
    ours, whole = cut(astronaut, plan).astype(int), whole_crop(astronaut, plan).astype(int)
    assert np.abs(ours - whole).max() <= 2
    assert np.abs(ours - whole).mean() < 0.02


def test_outside_is_black_and_counted(astronaut):
    plan = plan_crop(seen(60, 0, 511 - 256, 512), 512, 512)
    pixels = cut(astronaut, plan)
    assert not pixels[:, :250].any()
    assert pixels[:, 262:].any(axis=2).mean() > 0.95
    assert plan.visible == pytest.approx(0.5, abs=0.01)


def test_face_far_outside_gives_a_black_crop(astronaut):
    plan = plan_crop(seen(60, -4000, 200, 512), 512, 512)
    assert plan.visible == 0
    assert not cut(astronaut, plan).any()


def test_tiny_face_in_a_large_photo_takes_no_memory():
    plan = plan_crop(seen(3, 4000, 3000, 6000), 8000, 6000)
    assert plan.resized == (800000, 600000)
    assert cut(np.full((6000, 8000, 3), 9, np.uint8), plan).shape == (512, 512, 3)


def test_other_sizes_follow_the_512_crop(astronaut):
    plan = plan_crop(seen(70.3, 225, 511 - 115, 512), 512, 512)
    expected = Image.fromarray(cut(astronaut, plan)).resize((128, 128), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(cut(astronaut, plan, 128), np.asarray(expected))


def test_given_crop_is_kept():
    plan = plan_given(np.array([100.0, 50.0, 140.0]), 512, 400)
    np.testing.assert_allclose(plan.left_top_side, [100, 50, 140], atol=0.2)


@pytest.mark.parametrize(
    "points",
    [np.zeros((5, 2)), np.arange(10.0).reshape(5, 2), np.full((5, 2), np.nan)],
    ids=["equal", "on a line", "not finite"],
)
def test_points_without_a_plane_are_rejected(points):
    with pytest.raises(RecordRejectedError, match="bad_landmarks"):
        plan_crop(points, 100, 100)
