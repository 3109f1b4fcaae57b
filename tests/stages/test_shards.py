"""Shards: the same numbers and keys in every run, whatever the number of inputs."""

import itertools

import numpy as np

from itportrait.records import Source
from itportrait.stages.shards import Shard, iter_shards, source_key


def sources(count):
    return (Source(uri=f"/in/{i:04d}.png", version="1") for i in range(count))


def test_shards_are_consecutive_and_complete():
    shards = list(iter_shards(sources(10), 4))
    assert [(s.index, len(s.sources)) for s in shards] == [(0, 4), (1, 4), (2, 2)]
    assert [s.uri for shard in shards for s in shard.sources] == [s.uri for s in sources(10)]


def test_listing_is_streamed():
    endless = (Source(uri=str(i)) for i in itertools.count())
    assert next(iter_shards(endless, 3)).index == 0


def test_keys_are_the_same_in_every_run_and_tell_versions_apart():
    first, again = (next(iter_shards(sources(4), 4)).keys() for _ in range(2))
    assert first == again
    assert len(set(first)) == 4
    base = Source(uri="a", version="1")
    assert source_key(base) == source_key(Source(uri="a", version="1"))
    for other in (
        Source(uri="b", version="1"),
        Source(uri="a", version="2"),
        Source(uri="a", version="1", camera=np.zeros(25)),
        Source(uri="a", version="1", crop=np.ones(3)),
        Source(uri="a", version="1", data=b"x"),
        Source(uri="a", version="1", container="t.tar", span=(0, 5)),
    ):
        assert source_key(other) != source_key(base)


def test_one_line_twice_is_two_inputs():
    source = Source(uri="a")
    assert len(set(Shard(0, (source, source)).keys())) == 2
