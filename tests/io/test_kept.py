"""What stays in a process: all of a loop where it fits, and part of it where it does not."""

from dataclasses import dataclass

import numpy as np
import torch

from itportrait.io.kept import kept, size_of


@dataclass(frozen=True)
class Shard:
    """Arrays within a tuple within a dataclass, as portraits have them."""

    pictures: tuple[np.ndarray, ...]
    code: torch.Tensor
    name: str


def rounds(most_bytes, shards=100, count=3):
    """Return how many of some shards are made in each round, when each has 100 bytes."""
    made = []

    def make(shard):
        made.append(shard)
        return np.zeros(100, np.uint8)

    make_once = kept(make, most_bytes)
    found = []
    for _ in range(count):
        made.clear()
        assert all(len(make_once(shard)) == 100 for shard in range(shards))
        found.append(len(made))
    return found


def test_what_fits_is_made_once_however_long_the_loop():
    assert rounds(most_bytes=10_000) == [100, 0, 0]


def test_of_a_loop_that_does_not_fit_most_of_what_fits_is_found():
    first, *later = rounds(most_bytes=8_000)
    assert first == 100
    assert all(20 <= made < 60 for made in later)  # 20 never fit; the longest unused would be 100


def test_what_is_larger_than_all_room_is_made_again():
    assert rounds(most_bytes=50, shards=2) == [2, 2, 2]


def test_sizes_are_those_of_arrays_wherever_they_are():
    shard = Shard((np.zeros((4, 4, 3), np.uint8),) * 2, torch.zeros(5), "a")
    assert size_of((shard, [shard], None, 7)) == 2 * (2 * 48 + 20)
