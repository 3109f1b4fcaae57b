"""What guides a domain is looked at before any work."""

import os

import numpy as np
import pytest

from itportrait.adapt import AdaptConfig, DomainSpec
from itportrait.align.config import AlignConfig
from itportrait.bundle import load_bundle
from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.image import encode
from itportrait.training.domain_job import DomainJob
from itportrait.training.vetting import refuse_warnings, vet_jobs


def job(**values) -> DomainJob:
    return DomainJob.of(
        DomainSpec.parse({"name": "style", "steps": 1, **values}),
        bundle="mini",
        adapt=AdaptConfig(),
        align=AlignConfig(size=64),
        model_id=load_bundle("mini").model_id,
    )


def words(prompt: str, **values) -> DomainJob:
    return job(mode="text", prompt=prompt, **values)


@pytest.fixture
def picture(tmp_path):
    """Write a picture without a face; return its path."""

    def write(height: int, width: int) -> str:
        path = tmp_path / f"{height}x{width}.png"
        path.write_bytes(encode(np.full((height, width, 3), 127, np.uint8)))
        return str(path)

    return write


def test_words_that_no_model_has_seen_are_named():
    known, made_up, modern, source = vet_jobs(
        [
            words("a bronze statue", source_prompt="a photo of a person"),
            words("qwzx flibber"),
            words("a steampunk cyborg with neon tattoos"),
            words("a zombie", source_prompt="ein Foto"),
        ]
    )
    assert known == ()
    assert made_up[0].startswith("unknown words: ")
    assert "'qwzx', 'flibber' of the prompt" in made_up[0]
    assert "'steampunk', 'cyborg', 'neon', 'tattoos' of the prompt" in modern[0]
    assert "'ein', 'foto' of the source_prompt" in source[0]


def test_a_picture_without_a_face_is_refused_with_what_is_possible(picture):
    with pytest.raises(
        NoInputError, match=r"'style': no face found in \S*/90x120.png \(no_face: .*square"
    ):
        vet_jobs([job(mode="image", references=[picture(90, 120)])])


def test_a_square_picture_without_a_face_is_taken_and_said(picture):
    (said,) = vet_jobs([job(mode="image", references=[picture(96, 96)])])
    assert said[0].startswith("no face: ")
    assert "96x96.png" in said[0]


def test_the_name_of_a_reference_may_be_no_text(picture, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    os.rename(picture(96, 96), name)
    (said,) = vet_jobs([job(mode="image", references=[name])])
    assert r"caf\xe9.png" in said[0].encode().decode()  # it goes into JSON and to MLflow


def test_a_reference_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "style.png").write_bytes(b"no picture")
    with pytest.raises(DecodeError, match=r"reference \S*/style.png"):
        vet_jobs([job(mode="image", references=[str(tmp_path / "style.png")])])


def test_strict_refuses_what_is_warned_of():
    refuse_warnings({"a": (), "b": []})
    with pytest.raises(InvalidArgumentError, match="domain 'b': unknown words: x"):
        refuse_warnings({"a": (), "b": ["unknown words: x"]})
