"""The command `itportrait`, or `python -m itportrait`; Ctrl-C is one line from its start on."""

from typing import NoReturn

from itportrait.interrupts import end_quietly, run_program, starting_ends


def main() -> None:
    """Run the command line."""
    end_quietly(shown="itportrait is starting:")
    from itportrait.cli import app
    from itportrait.programs.commands import add_jobs

    add_jobs(app)
    starting_ends()
    app()


def program() -> NoReturn:
    """Run the command line as a process of its own."""
    run_program(main)


if __name__ == "__main__":
    program()
