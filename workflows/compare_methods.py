"""Compare adaptation methods: adapt every domain with each, stylize the same portraits, score all.

    python workflows/compare_methods.py --config configs/compare.yaml --output runs/compare

Run it again and it goes on where it was: what is adapted and scored is not made again, and a
changed method, domain or setting makes only what it touches. What cannot be made is a row with its
reason.

Exit codes: 0 done; 1 at least one cell failed; 2 the call, the configuration or the storage is
wrong; 75 another job holds the output; 130 stopped by Ctrl-C.
"""

if __name__ == "__main__":  # first of all: from here on Ctrl-C is one line
    from itportrait.interrupts import end_quietly

    end_quietly(shown="compare_methods is starting:")

from itportrait.interrupts import run_program
from itportrait.programs.commands import compare, run_alone


def main(arguments: list[str] | None = None) -> int:
    """Run the command `itportrait compare` and return its exit code."""
    return run_alone(compare, arguments)


if __name__ == "__main__":
    run_program(main)
