"""Build a style bank: adapt the domains that changed, judge them, publish what is good enough.

    python workflows/build_style_bank.py --config configs/bank.yaml --bank runs/bank

Exit codes: 0 done; 1 at least one domain failed; 2 the call or the specification is wrong;
75 another build holds the bank; 130 stopped by Ctrl-C.
"""

if __name__ == "__main__":  # first of all: from here on Ctrl-C is one line
    from itportrait.interrupts import end_quietly

    end_quietly(shown="build_style_bank is starting:")

from itportrait.interrupts import run_program
from itportrait.programs.commands import build_bank, run_alone


def main(arguments: list[str] | None = None) -> int:
    """Run the command `itportrait build-bank` and return its exit code."""
    return run_alone(build_bank, arguments)


if __name__ == "__main__":
    run_program(main)
