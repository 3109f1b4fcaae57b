"""Errors, registry and records: the first layer beside settings and images."""

import pickle

import pytest

from itportrait.errors import (
    InvalidArgumentError,
    LeaseHeldError,
    RecordRejectedError,
    UnknownNameError,
)
from itportrait.records import RecordError, Status, content_id
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
