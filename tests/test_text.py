"""Valid text for any name, and the name back from it."""

import io
import json
import os
import subprocess
import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itportrait.errors import RecordRejectedError
from itportrait.text import name_bytes, readable_errors, restored, show_any_text, shown
from tests.conftest import REPOSITORY
from tests.helpers.odd_names import NOT_UTF8, ODD_NAMES


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_ordinary_name_is_shown_and_hashed_as_it_is(name):
    assert shown(name) == restored(name) == name
    assert name_bytes(name) == name.encode()


def test_bytes_that_are_not_utf8_can_be_read_off():
    assert shown(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
    assert shown("half a pair \ud83d") == r"half a pair \ud83d"


@given(st.binary(min_size=1).filter(lambda name: b"\\" not in name and b"\0" not in name))
def test_any_name_becomes_valid_text_and_comes_back(name):
    path = "/none/" + os.fsdecode(name)
    text = shown(path)
    assert text.encode().decode() == text
    assert restored(text) == path
    assert len({name_bytes(path), name_bytes(path + "x")}) == 2


def test_a_file_that_has_the_text_as_its_name_is_meant(tmp_path):
    other = tmp_path / os.fsdecode(b"\xff.jpg")
    other.write_bytes(b"bytes")
    assert restored(shown(str(other))) == str(other)
    (tmp_path / r"\xff.jpg").write_bytes(b"text")
    assert restored(shown(str(other))) == str(tmp_path / r"\xff.jpg")


@pytest.mark.parametrize("name", NOT_UTF8)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_any_stream_prints_any_name(name, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show_any_text(stream)
    print(name, "日", file=stream, flush=True)
    text = stream.buffer.getvalue().decode(encoding)
    assert text.startswith(shown(name))


def test_a_program_prints_a_name_of_its_arguments():
    code = "import sys; from itportrait.text import *; show_any_text(); print(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, b"caf\xe9"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    assert json.loads(f'"{done.stdout.decode().strip()}"'.replace("\\", "\\\\")) == r"caf\xe9"


@readable_errors()
def _reject(name):
    try:
        raise FileNotFoundError(2, f"no {name}", name)
    except OSError as error:
        raise RecordRejectedError("odd", f"{name} is odd") from error


def test_errors_get_readable_with_their_causes():
    with pytest.raises(RecordRejectedError) as caught:
        _reject(os.fsdecode(b"caf\xe9"))
    assert str(caught.value) == r"odd: caf\xe9 is odd"
    assert "".join(traceback.format_exception(caught.value)).encode()
    assert isinstance(caught.value.__cause__, FileNotFoundError)
