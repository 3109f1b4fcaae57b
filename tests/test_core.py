"""Errors, registry and records: the first layer beside settings and images."""

import hashlib
import pickle

import numpy as np
import pytest

from itportrait.errors import (
    InvalidArgumentError,
    LeaseHeldError,
    RecordRejectedError,
    UnknownNameError,
)
from itportrait.records import RecordError, Source, Status, content_id, given_digest, unread_id
from itportrait.registry import Registry


def test_message_has_argument_expected_actual_remedy():
    error = InvalidArgumentError(
        "camera", expected="of shape [N, 25]", actual=[2, 16], remedy="use pack_camera()"
    )
    assert str(error) == "camera must be of shape [N, 25], got [2, 16]; use pack_camera()"


@pytest.mark.parametrize(
    "error",
    [
        InvalidArgumentError("a", expected="b", actual=3, remedy="c"),
        UnknownNameError("domain", "x", ["b", "a"]),
        RecordRejectedError("no_face", "none above 0.9"),
        LeaseHeldError("held"),
    ],
)
def test_errors_cross_process_borders(error):
    # Ray carries exceptions between processes by pickle: one that cannot be rebuilt hides why.
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_registry_refuses_duplicates_and_lists_known_names():
    registry: Registry[int] = Registry("method")
    registry.register("one")(1)
    assert registry.get("one") == 1
    with pytest.raises(InvalidArgumentError, match="not taken yet"):
        registry.register("one")(2)
    with pytest.raises(UnknownNameError, match="unknown method 'two'; known: one"):
        registry.get("two")


def test_a_rejection_keeps_its_reason_and_a_fault_its_type():
    status, error = RecordError.of("align", RecordRejectedError("no_face", "none found"))
    assert (status, error.type, error.message) == (Status.REJECTED, "no_face", "none found")
    status, error = RecordError.of("align", ValueError("bad"))
    assert (status, error.stage, error.type) == (Status.FAILED, "align", "ValueError")


def test_record_ids_follow_content_and_face():
    assert content_id("ab") == content_id("ab", 0)
    assert len({content_id("ab"), content_id("ab", 1), content_id("cd")}) == 3


def test_record_ids_follow_what_was_given_with_the_photo():
    left = Source(uri="a", landmarks=np.arange(10.0).reshape(5, 2))
    right = Source(uri="a", landmarks=np.arange(10.0).reshape(5, 2) + 1)
    crop = Source(uri="a", crop=np.arange(3.0))
    camera = Source(uri="a", camera=np.arange(3.0))
    assert given_digest(Source(uri="a")) == ""
    ids = [content_id("ab", 0, given_digest(source)) for source in (left, right, crop, camera)]
    assert len({content_id("ab"), *ids}) == 5
    assert given_digest(left) == given_digest(Source(uri="b", landmarks=left.landmarks))


def test_record_ids_of_plain_photos_stay_as_release_0_1_made_them():
    assert content_id("ab", 1) == hashlib.sha256(b"ab:1").hexdigest()[:16]
    named = hashlib.sha256(b"s3://bucket/a.jpg").hexdigest()
    assert unread_id(Source(uri="s3://bucket/a.jpg")) == content_id(named)


def test_inputs_that_cannot_be_read_have_ids_of_their_own():
    inputs = [
        Source(uri="a.jpg"),
        Source(uri="b.jpg"),
        Source(uri="s3://b/x?versionId=1&sig=a"),
        Source(uri="s3://b/x?versionId=1&sig=b"),
        Source(uri="x.tar#0.png", container="x.tar", span=(512, 100)),
        Source(uri="x.tar#0.png", container="x.tar", span=(1536, 100)),
        Source(uri="t.parquet#name", container="t.parquet", span=(0, 0)),
        Source(uri="t.parquet#name", container="t.parquet", span=(0, 1)),
        Source(uri="a.jpg", crop=np.ones(3)),
        Source(uri="bad\udcff.jpg"),
        Source(uri="memory", data=b""),
        Source(uri="memory", data=b"x"),
    ]
    assert len({unread_id(source) for source in inputs}) == len(inputs)
