"""The command `itportrait`, or `python -m itportrait`; Ctrl-C is one line from its start on."""

from itportrait.interrupts import end_quietly


def main() -> None:
    """Run the command line."""
    end_quietly()
    from itportrait.cli import app
    from itportrait.programs.commands import add_jobs

    add_jobs(app)
    app()


if __name__ == "__main__":
    main()
