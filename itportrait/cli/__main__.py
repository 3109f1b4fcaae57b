"""`python -m itportrait.cli`: the command `itportrait` without its jobs, which need Ray."""

from itportrait.cli import app

if __name__ == "__main__":
    app()
