"""Damaged files: mutations of good bytes, the same in every run."""

import random
from collections.abc import Iterator, Sequence

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def mutations(files: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield `count` damaged copies of `files`, each with one to four faults.

    Args:
        files: good files; each takes its turn, and splices take parts of the others.
        count: how many to yield.
        seed: another one gives other damage.
    """
    for index in range(count):
        draw = random.Random(f"{seed}:{index}")
        data = bytearray(files[index % len(files)])
        for _ in range(draw.randint(1, 4)):
            _damage(data, draw, files)
        yield bytes(data)


def _damage(data: bytearray, draw: random.Random, files: Sequence[bytes]) -> None:
    start = draw.randrange(len(data) + 1)
    length = min(draw.choice((1, 2, 4, 8, 32, 512)), len(data) - start)
    kind = draw.choice(("bits", "bytes", "number", "number", "cut", "drop", "repeat", "splice"))
    if kind == "bits":
        for _ in range(draw.randint(1, 16)):
            if data:
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == "bytes":
        data[start : start + length] = draw.randbytes(length)
    elif kind == "number":
        size = draw.choice((1, 2, 4, 8))
        value = draw.choice(_INTERESTING) & ((1 << 8 * size) - 1)
        data[start : start + size] = value.to_bytes(size, draw.choice(("little", "big")))
    elif kind == "cut":
        del data[start:]
    elif kind == "drop":
        del data[start : start + length]
    elif kind == "repeat":
        data[start:start] = data[start : start + length] * draw.randint(1, 8)
    else:
        other = draw.choice(files)
        begin = draw.randrange(len(other) + 1)
        data[start : start + length] = other[begin : begin + draw.choice((4, 64, 1024))]
