import numpy as np
import pytest
import torch

from itportrait.errors import DecodeError, InvalidArgumentError
from itportrait.image import decode, encode, resize, to_tensor, to_uint8


def test_uint8_survives_the_round_trip():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(to_uint8(to_tensor(pixels)), pixels)
    batch = np.stack([pixels, pixels[::-1]])
    assert np.array_equal(to_uint8(to_tensor(batch)), batch)


def test_range_and_layout():
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[0, 1] = (255, 0, 128)
    tensor = to_tensor(pixels)
    assert tensor.shape == (3, 2, 4)
    assert tensor[:, 0, 1].tolist() == pytest.approx([1.0, -1.0, 128 / 127.5 - 1], abs=1e-6)


def test_values_out_of_range_are_clipped():
    assert to_uint8(torch.tensor([-9.0, 0.0, 9.0]).view(3, 1, 1)).ravel().tolist() == [0, 128, 255]


@pytest.mark.parametrize("bad", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8)])
def test_wrong_pixels_are_named(bad):
    with pytest.raises(InvalidArgumentError, match="pixels must be uint8"):
        to_tensor(bad)


def test_resize_is_an_area_mean_for_whole_factors():
    image = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    assert resize(image, 2)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert resize(image, 4) is image
    assert resize(image, 3).shape == (1, 3, 3, 3)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_encode_decode(kind):
    pixels = np.full((8, 8, 3), 77, np.uint8)
    assert np.abs(decode(encode(pixels, kind)).astype(int) - pixels).max() <= (kind != "png") * 4


def test_decode_refuses_other_bytes():
    with pytest.raises(DecodeError, match="4 bytes are not a picture"):
        decode(b"nope")
