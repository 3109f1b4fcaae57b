"""Pictures in every form that people have them in become inputs of a job."""

import io

import numpy as np
import pytest
from PIL import Image

from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.image import encode
from itportrait.ingest.config import IngestConfig
from itportrait.interactive.pictures import as_list, content_of, list_pictures
from itportrait.photos.decoding import decode_photo

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def listed(*pictures):
    return list(list_pictures(as_list(list(pictures)), IngestConfig()))


def test_one_picture_is_a_list_of_one_and_an_array_of_four_axes_holds_several():
    for single in ("a.png", PIXELS, b"bytes", Image.fromarray(PIXELS)):
        assert len(as_list(single)) == 1
    assert len(as_list(np.stack([PIXELS, PIXELS]))) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "pictures must be one picture or more, got none"),
        ([PIXELS, {}], r"pictures\[1\] must be a path, .*, got dict"),
        (PIXELS / 255, r"pictures must be a uint8 array .* got float64 \[4, 4, 3\]; .*to_uint8"),
        ([PIXELS[..., :2]], r"pictures\[0\] must be a uint8 array .* got uint8 \[4, 4, 2\]"),
        ([""], r"pictures\[0\] must be .*, got an empty text"),
        (7, "pictures must be a path, .*, got int"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_place(given, said):
    with pytest.raises(InvalidArgumentError, match=said):
        as_list(given)


def test_pictures_in_memory_are_called_by_their_place_and_keep_their_order(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(PIXELS))
    sources = listed(PIXELS, tmp_path / "a.png", encode(PIXELS), Image.open(tmp_path / "a.png"))
    a = str(tmp_path / "a.png")
    assert [source.uri for source in sources] == ["pictures[0]", a, "pictures[2]", a]
    assert [source.data is None for source in sources] == [False, True, False, False]


def test_a_folder_gives_all_that_it_holds(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encode(PIXELS))
    assert [source.uri[-5:] for source in listed(tmp_path)] == ["a.png", "b.png"]


def test_a_path_to_nothing_is_a_faulty_input_beside_others_and_refused_alone(tmp_path):
    there, gone = tmp_path / "a.png", tmp_path / "gone.png"
    there.write_bytes(encode(PIXELS))
    for others in ((there, gone), (gone, PIXELS)):
        faults = [source.fault for source in listed(*others)]
        assert [fault.type for fault in faults if fault] == ["unlisted"]
        assert "gone.png" in next(fault.message for fault in faults if fault)
    with pytest.raises(NoInputError, match=r"gone\.png"):
        listed(gone)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "HSV", "YCbCr", "La", "RGBa"]
)
def test_an_image_of_pil_in_any_mode_is_decoded_again(mode):
    whole = {"La": "LA", "RGBa": "RGBA"}.get(mode, mode)
    plain = Image.fromarray(PIXELS).convert(whole)
    image = plain.convert(mode)
    shown = plain.convert("RGB") if whole != "LA" else plain.convert("L").convert("RGB")
    close = decode_photo(content_of(image)).astype(int) - np.asarray(shown, int)
    assert np.abs(close).max() <= 1


def test_an_image_of_pil_keeps_its_profile_and_is_turned_upright():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6  # the picture is to be turned by 90 degrees
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=exif, icc_profile=profile)
    made = Image.open(io.BytesIO(content_of(Image.open(buffer))))
    assert made.size == (4, 6)
    assert made.info["icc_profile"] == profile
    assert decode_photo(content_of(made)).shape == (6, 4, 3)


def test_a_picture_in_memory_that_cannot_be_read_is_a_faulty_input_beside_the_others():
    data = encode(np.arange(30000, dtype=np.uint8).reshape(100, 100, 3))
    truncated, closed = (Image.open(io.BytesIO(part)) for part in (data[: len(data) // 2], data))
    closed.close()
    sources = listed(PIXELS, truncated, closed, b"no picture", PIXELS)
    assert [source.uri for source in sources] == [f"pictures[{at}]" for at in range(5)]
    faults = [source.fault for source in sources]
    assert [fault.type if fault else None for fault in faults] == [None, "decode", "decode"] + [
        None
    ] * 2
    assert "OSError" in faults[1].message
    assert "an image of PIL that cannot be read" in faults[2].message


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_deep_pictures_of_pil_keep_their_range(mode):
    deep = np.array([[0, 257, 514], [25700, 51400, 65535]])
    kinds = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}
    image = Image.frombytes(mode, (3, 2), deep.astype(kinds[mode]).tobytes())
    shown = decode_photo(content_of(image))
    assert shown[..., 0].tolist() == [[0, 1, 2], [100, 200, 255]]
    assert (shown == shown[..., :1]).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.full((2, 2), 0.5, np.float32), "floating-point"), (np.full((2, 2), 70000), "32-bit")],
)
def test_pictures_of_pil_without_an_agreed_range_are_refused_as_files_are(values, said):
    image = Image.fromarray(values if values.dtype == np.float32 else values.astype(np.int32))
    with pytest.raises(DecodeError, match=said):
        decode_photo(content_of(image))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_of_an_image_of_pil_counts_as_none():
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode_photo(content_of(Image.open(buffer))).shape == (4, 6, 3)
