"""`python -m itportrait.cli`: the same as the command `itportrait`."""

from itportrait.cli import app

if __name__ == "__main__":
    app()
