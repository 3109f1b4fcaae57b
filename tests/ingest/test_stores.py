"""Object stores: every key is an input or a count, whatever characters it has."""

import json

import pytest

from itportrait.errors import NoInputError
from itportrait.ingest import list_sources, read_source
from tests.helpers.object_store import object_store

pytest.importorskip("moto.server", reason="needs moto[server]")
BUCKET = "odd-keys"
"""Of its own: all servers of a process hold the same buckets."""
KEYS = (
    "/leading.png", "//twice.png", "p/%41.png", "p///e.png", "p//b.png", "p//sub/c.png", "p/a.png",
    "p/a::b.png", "p/sp ace.png", "p/x#y.png", "p/z[1]*?.png", "p/q//f.png", "p/größe.png",
)  # fmt: skip
LINES = (
    "# a comment", "#1.png", "s3://", "s3:///x", "s3://Not_A_Bucket/x", "a\0b", "https://", "a::b",
    "../p/q//f.png", f"s3://{BUCKET}/p/q//f.png",
)  # fmt: skip
PASSED = ("p//.h/d.png", "p/n.txt", "p/.g/h.png", "p/dir/")


@pytest.fixture(scope="module")
def bucket():
    """A bucket with odd keys; each object holds its own key."""
    import boto3

    with object_store(BUCKET) as uri:
        client = boto3.client("s3")
        for key in (*KEYS, *PASSED):
            client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        client.put_object(Bucket=BUCKET, Key="lists/#1.png", Body=b"#1.png")
        body = "\n".join(LINES).encode()
        client.put_object(Bucket=BUCKET, Key="lists/odd.txt", Body=body)
        yield uri


def test_every_key_is_an_input_or_a_count(bucket):
    listing = list_sources(bucket)
    assert sorted(read_source(source).decode() for source in listing) == sorted((*KEYS, "#1.png"))
    assert [source.uri for source in list_sources(bucket)] == [
        source.uri for source in list_sources(f"{bucket}/")
    ]
    counts = {reason: about["count"] for reason, about in listing.skipped.to_json().items()}
    assert counts == {"hidden": 2, "sidecar": 2}


def test_a_glob_finds_keys_with_two_slashes(bucket):
    found = {read_source(source).decode() for source in list_sources(f"{bucket}/p/**/*.png")}
    assert found == {key for key in KEYS if key.startswith("p/")}
    flat = {read_source(source).decode() for source in list_sources(f"{bucket}/p/*.png")}
    assert flat >= {"p/a.png", "p/%41.png"}
    assert "p/q//f.png" not in flat


def test_each_key_can_be_named(bucket):
    for key in KEYS:
        (source,) = list_sources(f"{bucket}/{key}")
        assert read_source(source).decode() == key


def test_comments_and_odd_lines_of_a_list(bucket):
    sources = list(list_sources(f"{bucket}/lists/odd.txt"))
    assert len(sources) == len(LINES) - 1
    assert read_source(sources[0]) == b"#1.png"
    assert read_source(sources[-1]) == b"p/q//f.png"


def test_a_store_that_cannot_be_reached_is_no_empty_folder(bucket):
    with pytest.raises(NoInputError, match="NoSuchBucket"):
        list_sources("s3://nowhere/at/all")
    with pytest.raises(NoInputError, match="Connect call failed"):
        list_sources("http://127.0.0.1:9/photos/a.png")
    *_, last = list_sources([f"{bucket}/p/a.png", "s3://nowhere/at/all"])
    assert last.fault.type == "unlisted"
    assert json.dumps(last.fault.message)
