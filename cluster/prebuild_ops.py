"""Build every native op into the cache folder, so that no node compiles at its first task.

Run while the image is built; exits with 1, naming the reason, when an op cannot be built.
"""

import sys

from itportrait.ops.loader import load_library, native_sources


def main() -> int:
    """Build all ops; return the number that failed."""
    failures = 0
    for source in native_sources():
        library, reason = load_library(source)
        failures += library is None
        print(f"{source.parent.name}: {reason or 'ready'}")
    return failures


if __name__ == "__main__":
    sys.exit(min(main(), 1))
