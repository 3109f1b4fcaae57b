"""The align stage on a real photo and on what the world does to photos."""

import io

import fsspec
import numpy as np
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

from itportrait.align import AlignConfig, Aligner, Reason
from itportrait.align.quality import covered, sharpness
from itportrait.bundle import load_bundle
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.conventions import OPENGL_AXES
from itportrait.geometry.orbit import Orbit
from itportrait.ingest import in_eg3d_convention
from itportrait.records import Source, Status, content_id


class NoDetector:
    """Stands where no face may be sought."""

    def detect(self, pixels):
        raise AssertionError("the detector was asked")


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def source(image, kind="PNG", *, uri="photo", **options):
    return Source(uri=uri, data=encoded(image, kind, **options))


@pytest.fixture(scope="module")
def photo(astronaut):
    return Image.fromarray(astronaut)


@pytest.fixture(scope="module")
def aligner(detector):
    return Aligner(AlignConfig(), detector)


@pytest.fixture(scope="module")
def expected(aligner, photo):
    return aligner.align(source(photo))[0]


@pytest.fixture(scope="module")
def two_faces(photo):
    canvas = Image.new("RGB", (1024, 512))
    canvas.paste(photo, (0, 0))
    canvas.paste(photo.resize((300, 300), Image.Resampling.LANCZOS), (600, 150))
    return canvas


def test_astronaut(expected, astronaut):
    row = expected
    assert row.status is Status.OK
    assert row.error is None
    assert row.pixels.shape == (512, 512, 3)
    assert row.pixels.dtype == np.uint8
    assert (row.width, row.height) == (512, 512)
    assert row.record_id == content_id(row.sha256)
    assert row.face_confidence > 0.99
    assert 80 < row.face_px < 120
    assert row.visible == 1
    assert row.pose_confident
    assert row.camera.shape == (25,)
    assert np.linalg.norm(row.camera[[3, 7, 11]]) == pytest.approx(2.7, abs=1e-5)
    # She looks into the camera.
    assert abs(np.degrees(row.yaw_rad)) < 6
    assert abs(np.degrees(row.pitch_rad)) < 22
    left, top, side = row.crop
    assert (left, top, side) == pytest.approx((145, 37, 158), abs=6)
    assert row.seconds > 0


@pytest.mark.parametrize(
    "name", ["gray", "sixteen_bit", "cmyk", "palette", "alpha", "animated", "exif6", "small"]
)
def test_variants_of_one_face_are_found(aligner, photo, expected, name):
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size).point(lambda v: min(255, 510 - v)))
    sources = {
        "gray": lambda: source(photo.convert("L"), "JPEG"),
        "sixteen_bit": lambda: source(deep),
        "cmyk": lambda: source(photo.convert("CMYK"), "JPEG"),
        "palette": lambda: source(photo.quantize(64)),
        "alpha": lambda: source(alpha),
        "animated": lambda: source(
            photo, "GIF", save_all=True, append_images=[Image.new("RGB", (512, 512))]
        ),
        "exif6": lambda: source(photo.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif),
        "small": lambda: source(photo.resize((128, 128), Image.Resampling.LANCZOS)),
    }
    row = aligner.align(sources[name]())[0]
    assert row.status is Status.OK, row.error
    scale = row.width / 512
    assert np.abs(row.landmarks / scale - expected.landmarks).max() < 5 + 0.5 / scale
    assert abs(np.degrees(row.yaw_rad - expected.yaw_rad)) < 5


def test_rolled_head_keeps_its_roll(aligner, photo, expected):
    row = aligner.align(source(photo.rotate(35, fillcolor=(127, 127, 127), expand=True)))[0]
    assert row.status is Status.OK
    right = row.camera[:16].reshape(4, 4)[:3, 0]
    upright = expected.camera[:16].reshape(4, 4)[:3, 0]
    turned = np.degrees(np.arctan2(right[1], right[0]) - np.arctan2(upright[1], upright[0]))
    assert abs(turned) == pytest.approx(35, abs=6)


@pytest.mark.parametrize("name", ["jpg.mask.jpg", "orphan.mask.png", "face_MASK.png", "masked.png"])
def test_what_is_named_like_a_mask_and_was_taken_for_a_photo_is_told_how_masks_are_named(
    aligner, name
):
    (row,) = aligner.align(source(Image.new("L", (256, 256), 255), uri=f"/photos/{name}"))
    assert row.error.type == "no_face"
    hinted = "NAME.jpg.mask.png or NAME.mask.png" in row.error.message
    assert hinted == (name != "masked.png")


@pytest.mark.parametrize("name", ["coffee", "flat", "upside_down", "tiny", "cut"])
def test_photos_without_a_face_are_rejected(aligner, photo, name):
    image = {
        "coffee": lambda: Image.fromarray(data.coffee()),
        "flat": lambda: Image.new("RGB", (512, 512), (127, 127, 127)),
        "upside_down": lambda: photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        "tiny": lambda: photo.resize((48, 48)),
        "cut": lambda: photo.crop((0, 0, 206, 240)),
    }[name]()
    (row,) = aligner.align(source(image))
    assert (row.status, row.error.type, row.error.stage) == (Status.REJECTED, "no_face", "align")
    assert row.pixels is None
    assert row.camera is None
    assert row.record_id == content_id(row.sha256)
    assert row.width == image.width


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "empty"),
        (b"this is a letter", "not a picture"),
        ("truncated", "truncated"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_broken_files_fail_with_their_reason(aligner, photo, payload, message):
    if payload == "truncated":
        payload = encoded(photo, "JPEG")
        payload = payload[: len(payload) // 2]
    (row,) = aligner.align(Source(uri="s3://key:secret@bucket/a.jpg", data=payload))
    assert (row.status, row.error.type) == (Status.FAILED, "decode")
    assert message in row.error.message
    assert "secret" not in row.uri
    assert len(row.record_id) == 16


def test_pixel_limit(photo, detector):
    aligner = Aligner(AlignConfig(max_pixels=512 * 511), detector)
    (row,) = aligner.align(source(photo))
    assert (row.status, row.error.type) == (Status.FAILED, "decode")
    assert "512 x 512" in row.error.message


def test_missing_file_is_a_row(aligner, tmp_path):
    (row,) = aligner.align(Source(uri=str(tmp_path / "none.jpg")), raise_storage_errors=True)
    assert (row.status, row.error.type) == (Status.FAILED, "storage")


class FlakyFileSystem(MemoryFileSystem):
    protocol = "flaky"

    def _open(self, path, **options):
        raise ConnectionError("lost s3://user:password@host/x?token=abc")


def test_passing_storage_errors_are_a_row_or_raised(aligner):
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    (row,) = aligner.align(Source(uri="flaky://a.jpg"))
    assert (row.status, row.error.type) == (Status.FAILED, "storage")
    assert "password" not in row.error.message
    assert "abc" not in row.error.message
    with pytest.raises(ConnectionError):
        aligner.align(Source(uri="flaky://a.jpg"), raise_storage_errors=True)


def test_largest_or_all_faces(detector, two_faces, expected):
    (largest,) = Aligner(AlignConfig(), detector).align(source(two_faces))
    assert np.abs(largest.landmarks - expected.landmarks).max() < 5
    both = Aligner(AlignConfig(faces="all"), detector).align(source(two_faces))
    assert [row.face_index for row in both] == [0, 1]
    assert [row.status for row in both] == ["ok", "ok"]
    assert len({row.record_id for row in both}) == 2
    assert both[0].record_id == largest.record_id
    assert both[1].crop[2] / both[0].crop[2] == pytest.approx(300 / 512, abs=0.06)


def test_several_faces(detector, two_faces):
    (row,) = Aligner(AlignConfig(max_faces=1), detector).align(source(two_faces))
    assert row.error.type == "several_faces"
    assert "2 faces" in row.error.message


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"min_face_px": 150}, "too_small"),
        ({"min_sharpness": 1000}, "blurred"),
        ({"max_yaw_deg": 0.01}, "extreme_yaw"),
        ({"max_covered": 0.01}, "occluded"),
    ],
)
def test_gates_keep_what_was_measured(detector, photo, expected, setting, reason):
    (row,) = Aligner(AlignConfig(**setting), NoDetector()).align(
        Source(uri="p", data=encoded(photo), landmarks=expected.landmarks.reshape(5, 2))
    )
    assert (row.status, row.error.type) == (Status.REJECTED, reason)
    assert next(iter(setting)) in row.error.message
    assert row.face_px > 0
    assert row.crop is not None
    assert row.pixels is None


def test_cut_by_border(detector, photo, expected):
    points = expected.landmarks.reshape(5, 2) - [170, 60]
    cropped = photo.crop((170, 60, 512, 512))
    given = Source(uri="p", data=encoded(cropped), landmarks=points)
    (row,) = Aligner(AlignConfig(min_visible=0.9), NoDetector()).align(given)
    assert row.error.type == "cut_by_border"
    assert 0.6 < row.visible < 0.85
    (row,) = Aligner(AlignConfig(min_visible=0.5), NoDetector()).align(given)
    assert row.status is Status.OK


def test_own_landmarks_are_taken(photo, expected):
    given = Source(uri="p", data=encoded(photo), landmarks=expected.landmarks.reshape(5, 2))
    (row,) = Aligner(AlignConfig(), NoDetector()).align(given)
    np.testing.assert_array_equal(row.pixels, expected.pixels)
    np.testing.assert_array_equal(row.camera, expected.camera)
    assert row.face_confidence is None


def test_rows_of_one_photo_with_other_landmarks_are_other_people(two_faces, detector):
    found = Aligner(AlignConfig(faces="all"), detector).align(source(two_faces))
    rows = []
    for face in found:
        points = face.landmarks.reshape(5, 2)
        given = Source(uri="p", data=encoded(two_faces), landmarks=points)
        rows += Aligner(AlignConfig(), NoDetector()).align(given)
    assert [row.status for row in rows] == ["ok", "ok"]
    assert rows[0].sha256 == rows[1].sha256
    assert len({row.record_id for row in (*rows, *found)}) == 4
    assert (rows[0].pixels != rows[1].pixels).any()


def test_own_crop_and_camera_are_taken(photo):
    camera = look_at_camera(0.3, -0.1)[0].numpy()
    crop = np.array([100.0, 50.0, 200.0])
    given = Source(uri="p", data=encoded(photo), crop=crop, camera=camera)
    (row,) = Aligner(AlignConfig(size=100), NoDetector()).align(given)
    assert row.status is Status.OK
    np.testing.assert_array_equal(row.camera, camera.astype(np.float32))
    np.testing.assert_allclose(row.crop, crop, atol=0.2)
    plain = photo.crop((100, 50, 300, 250)).resize((100, 100), Image.Resampling.LANCZOS)
    assert np.abs(row.pixels.astype(int) - np.asarray(plain)).mean() < 3


@pytest.mark.parametrize("with_landmarks", [False, True])
def test_camera_of_another_convention_is_turned_away(photo, expected, with_landmarks):
    camera = look_at_camera(0.3, -0.1)[0].double().numpy()
    foreign = camera.copy()
    foreign[:16] = (camera[:16].reshape(4, 4) @ OPENGL_AXES).reshape(-1)
    points = expected.landmarks.reshape(5, 2) if with_landmarks else None
    crop = None if with_landmarks else np.array([100.0, 50.0, 200.0])
    given = Source(uri="p", data=encoded(photo), crop=crop, camera=foreign, landmarks=points)
    (row,) = Aligner(AlignConfig(), NoDetector()).align(given)
    assert (row.status, row.error.type) == (Status.REJECTED, "bad_camera")
    assert "ingest.camera_convention: opengl" in row.error.message
    assert row.pixels is None
    (converted,) = in_eg3d_convention([given], "opengl")
    (row,) = Aligner(AlignConfig(), NoDetector()).align(converted)
    assert row.status is Status.OK
    np.testing.assert_allclose(row.camera, camera, atol=1e-6)


def test_camera_is_held_against_the_bundles_family(photo):
    family = Orbit(radius=27.0, focal=42.647, pivot=(0, 0, 2))
    camera = look_at_camera(0.3, -0.1, family)[0].numpy()
    given = Source(uri="p", data=encoded(photo), crop=np.array([100.0, 50.0, 200.0]), camera=camera)
    (row,) = Aligner(AlignConfig(), NoDetector()).align(given)
    assert row.error.type == "bad_camera"
    (row,) = Aligner(AlignConfig(), NoDetector(), orbit=family).align(given)
    assert row.status is Status.OK


def test_a_camera_that_shows_nothing_is_rejected(photo):
    """Before, such a portrait was blank and "ok": the rays end before the head or begin behind."""
    mini = load_bundle("mini")
    aligner = Aligner.of_bundle(AlignConfig(), mini)
    for distance, status in ((4.0, Status.REJECTED), (1.6, Status.REJECTED), (2.7, Status.OK)):
        orbit = Orbit(distance, mini.orbit.focal * distance / 2.7, mini.orbit.pivot)
        camera = look_at_camera(0.3, -0.1, orbit)
        crop = np.array([100.0, 50.0, 200.0])
        given = Source(uri="p", data=encoded(photo), crop=crop, camera=camera[0].numpy())
        (row,) = aligner.align(given)
        assert row.status is status
        code = mini.generator.w_avg.expand(1, mini.generator.num_ws, -1)
        with torch.no_grad():
            alpha = mini.generator.synthesize(code, camera).image_alpha.mean()
        assert (alpha > 0.3) == (status is Status.OK)
    assert row.error is None


def test_the_generator_is_loaded_for_given_cameras_alone(photo, expected):
    """Every process that aligns would hold it otherwise, hundreds of megabytes for nothing."""
    mini = load_bundle("mini")
    aligner = Aligner.of_bundle(AlignConfig(), mini)
    given = Source(uri="p", data=encoded(photo), landmarks=expected.landmarks.reshape(5, 2))
    assert aligner.align(given)[0].camera is not None
    assert "generator" not in vars(mini)
    crop, camera = np.array([100.0, 50.0, 200.0]), look_at_camera(0.3, -0.1, mini.orbit)[0].numpy()
    aligner.align(Source(uri="p", data=encoded(photo), crop=crop, camera=camera))
    assert "generator" in vars(mini)


@pytest.mark.parametrize("yaw_deg", [-90, 90])
def test_profiles_are_no_extreme_yaw(photo, yaw_deg):
    camera = look_at_camera(np.radians(yaw_deg), 0.0)[0].numpy()
    given = Source(uri="p", data=encoded(photo), crop=np.array([100.0, 50.0, 200.0]), camera=camera)
    (row,) = Aligner(AlignConfig(), NoDetector()).align(given)
    assert row.status is Status.OK, row.error


def test_own_crop_without_camera_seeks_the_face_in_it(detector, two_faces):
    given = Source(uri="p", data=encoded(two_faces), crop=np.array([650.0, 150.0, 200.0]))
    (row,) = Aligner(AlignConfig(faces="all"), detector).align(given)
    assert row.status is Status.OK
    assert row.landmarks[0] > 600
    np.testing.assert_allclose(row.crop, [650, 150, 200], atol=0.2)


def test_crop_framed_otherwise(photo, expected):
    given = Source(uri="p", data=encoded(photo), landmarks=expected.landmarks.reshape(5, 2))
    config = AlignConfig(crop_scale=0.9, crop_shift=(0.1, -0.05))
    (row,) = Aligner(config, NoDetector()).align(given)
    left, top, side = expected.crop
    wanted = (left + 0.15 * side, top, 0.9 * side)
    np.testing.assert_allclose(row.crop, wanted, atol=0.5)
    np.testing.assert_array_equal(row.camera, expected.camera)


@pytest.mark.parametrize(
    "columns",
    [
        {"landmarks": np.zeros(9)},
        {"camera": np.full(25, np.nan)},
        {"crop": np.array([0.0, 0, -5]), "camera": look_at_camera(0, 0)[0].numpy()},
    ],
)
def test_misshapen_columns_fail_with_their_reason(photo, columns):
    (row,) = Aligner(AlignConfig(), NoDetector()).align(
        Source(uri="p", data=encoded(photo), **columns)
    )
    assert (row.status, row.error.type) == (Status.FAILED, "bad_columns")
    assert next(iter(columns)) in row.error.message


def test_turned_face_is_not_confident(frames):
    blank = encoded(Image.new("RGB", (1280, 720)))
    far = frames["points"][np.argmax(np.abs(frames["labels"][:, 3]))].astype(float)
    (row,) = Aligner(AlignConfig(), NoDetector()).align(Source(uri="p", data=blank, landmarks=far))
    assert row.status is Status.OK
    assert row.pose_confident is False


def test_crash_of_a_part_is_that_photos_row(photo):
    class Broken:
        def detect(self, pixels):
            raise RuntimeError("out of order")

    (row,) = Aligner(AlignConfig(), Broken()).align(source(photo))
    assert (row.status, row.error.type) == (Status.FAILED, "RuntimeError")
    assert row.error.message == "out of order"


def test_same_photo_gives_the_same_bytes(aligner, photo, expected):
    again = aligner.align(source(photo))[0]
    np.testing.assert_array_equal(again.pixels, expected.pixels)
    np.testing.assert_array_equal(again.camera, expected.camera)


def test_sharpness_orders_blur(expected):
    image = Image.fromarray(expected.pixels)
    values = [
        sharpness(np.asarray(image.filter(ImageFilter.GaussianBlur(radius))))
        for radius in (0, 2, 5, 10)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(expected.sharpness)
    assert values[0] > 5 * values[2]


def test_sharpness_by_hand():
    pixels = np.zeros((3, 4, 3), np.uint8)
    pixels[1, 1] = 10
    # Laplacian at the two inner pixels: -40 and 10; mean -15, variance 625.
    assert sharpness(pixels) == pytest.approx(625, rel=1e-4)
    assert sharpness(pixels[:2]) == 0


def mean_face(shift=0.0):
    return np.array([(0.37, 0.38), (0.63, 0.38), (0.5, 0.52), (0.39, 0.66), (0.61, 0.66)]) + shift


def test_covered_is_the_share_of_another_color():
    skin = np.full((200, 200, 3), (224, 172, 145), np.uint8)
    shaded = skin // 2  # the same hue
    assert covered(skin, mean_face()) == 0
    assert covered(np.hstack([skin[:, :100], shaded[:, 100:]]), mean_face()) == 0
    half = skin.copy()
    half[104:] = (90, 130, 200)  # the face's middle lies at 0.52
    assert covered(half, mean_face()) == pytest.approx(0.5, abs=0.02)
    background = skin.copy()
    background[:40] = background[-20:] = 255
    assert covered(background, mean_face()) == 0
    assert covered(skin, mean_face(shift=3)) == 0


def test_a_mask_is_seen_on_a_real_face(photo, expected):
    masked = photo.copy()
    left, top, side = expected.crop
    box = (left + 0.25 * side, top + 0.52 * side, left + 0.75 * side, top + 0.85 * side)
    ImageDraw.Draw(masked).rectangle(tuple(box), fill=(90, 130, 200))
    points = expected.landmarks.reshape(5, 2)
    given = Source(uri="p", data=encoded(masked), landmarks=points)
    (row,) = Aligner(AlignConfig(max_covered=0.25), NoDetector()).align(given)
    assert row.error.type == "occluded"
    assert row.covered > 0.35
    assert 0 < expected.covered < 0.15


@pytest.mark.parametrize(
    ("name", "value"), [("max_covered", 0.3), ("encoder_camera_distance", 0.35)]
)
def test_a_later_setting_that_is_off_leaves_older_tables_valid(name, value):
    assert name not in AlignConfig().model_dump()
    assert name not in AlignConfig().model_dump_json()
    on = AlignConfig(**{name: value})
    assert AlignConfig.model_validate_json(on.model_dump_json()) == on
    assert AlignConfig.model_validate_json(AlignConfig().model_dump_json()) == AlignConfig()


def test_border_to_the_outside_is_no_detail(detector, photo, expected):
    points = expected.landmarks.reshape(5, 2)
    plain = Image.new("RGB", (512, 512), (200, 200, 200))
    given = Source(uri="p", data=encoded(plain), landmarks=points - points.mean(0) + 20)
    (row,) = Aligner(AlignConfig(min_visible=0), NoDetector()).align(given)
    assert row.visible < 0.6
    assert row.sharpness < 0.01


def test_reasons_are_short_codes():
    assert all(reason.value.islower() and " " not in reason for reason in Reason)


def test_drawn_mark_lands_where_the_crop_says(photo, expected):
    """A dot in the photo appears in the crop at `(dot - left_top) / side`."""
    marked = photo.copy()
    ImageDraw.Draw(marked).rectangle((200, 150, 203, 153), fill=(0, 255, 0))
    given = Source(uri="p", data=encoded(marked), landmarks=expected.landmarks.reshape(5, 2))
    (row,) = Aligner(AlignConfig(), NoDetector()).align(given)
    green = (row.pixels[..., 1].astype(int) - row.pixels[..., 0] > 128).nonzero()
    x, y = (np.mean(green[1]) + 0.5) / 512, (np.mean(green[0]) + 0.5) / 512
    left, top, side = row.crop
    assert (x, y) == pytest.approx(((202 - left) / side, (152 - top) / side), abs=0.004)
