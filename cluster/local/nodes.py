"""Exit with 0 when a Ray cluster has at least so many live nodes: `nodes.py ADDRESS COUNT`."""

import sys

import ray


def main() -> int:
    """Connect, count, and say what was found."""
    address, wanted = sys.argv[1], int(sys.argv[2])
    ray.init(address=address, log_to_driver=False, logging_level="error")
    alive = sum(node["Alive"] for node in ray.nodes())
    print(f"{alive} of {wanted} nodes are alive")
    return 0 if alive >= wanted else 1


if __name__ == "__main__":
    sys.exit(main())
