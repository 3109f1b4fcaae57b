"""Files that are plainly no weights: the error says what they are."""

import io

import pytest
from PIL import Image

from itportrait.errors import CheckpointError
from itportrait.weights.checkpoints import read_checkpoint
from itportrait.weights.networks import open_weights


def _picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    return file.getvalue()


MISTAKEN = {
    "a picture \\(PNG\\)": _picture("PNG"),
    "a picture \\(JPEG\\)": _picture("JPEG"),
    "a picture \\(WebP\\)": _picture("WEBP"),
    "an empty file": b"",
    "a web page": b"\n<!DOCTYPE html><html>404</html>",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n",
    "a text": "adapt: {steps: 3}  # ä\n".encode(),
    "a gzip archive": b"\x1f\x8b\x08\0",
    "a Parquet table": b"PAR1" + bytes(20),
}


@pytest.mark.parametrize("what", MISTAKEN)
@pytest.mark.parametrize("name", ["model.pkl", "model.safetensors"])
def test_a_file_of_another_kind_is_named(tmp_path, what, name):
    path = tmp_path / name
    path.write_bytes(MISTAKEN[what])
    with pytest.raises(CheckpointError, match=f"{name}: this is {what}") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match=what), open_weights(path):
        pass


@pytest.mark.parametrize(
    "length",
    [65_536, int.from_bytes(b"BM", "little"), 23_117, int.from_bytes(b"\x1f\x8b", "little")],
    ids=["ICO", "BMP", "MZ", "gzip"],
)
def test_weights_whose_header_has_the_length_of_another_mark_are_read(tmp_path, length):
    about = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path = tmp_path / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + about.ljust(length) + bytes(4))
    assert read_checkpoint(path).state["a"].tolist() == [0.0]
