"""A process that takes nearly all memory of its machine for a while, and then gives it back.

Arguments: bytes that it leaves to all others, seconds, share of the memory that stays unused.

It follows what the others do: memory that they give back is taken, and where they need it the share
above is kept, so that it is Ray that ends tasks, and not the kernel that ends anything.
"""

import sys
import time

from itportrait.io.memory import read_memory

BLOCK = 16 * 2**20


def main(left: int, seconds: float, unused: float) -> None:
    """Take memory, hold it, and end."""
    until = time.monotonic() + seconds
    blocks: list[bytearray] = []
    most = 0
    while time.monotonic() < until:
        memory = read_memory()
        free = memory.total * (1 - unused) - memory.used
        if free > BLOCK and len(blocks) * BLOCK < memory.total - left:
            blocks.append(bytearray(b"x" * BLOCK))
            most = max(most, len(blocks) * BLOCK)
            continue
        if free < 0 and blocks:
            blocks.pop()
        time.sleep(0.02)
    print(f"held {most / 2**30:.1f} GiB at most", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
