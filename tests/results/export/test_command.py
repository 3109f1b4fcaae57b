"""`itportrait export`: what people and programs read of it, and what it refuses in one line."""

import json

import pytest
from typer.testing import CliRunner

from itportrait.cli import app
from tests.helpers.small_output import write_small_output
from tests.helpers.terminals import on_a_terminal

runner = CliRunner()


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return write_small_output(tmp_path_factory.mktemp("small") / "out")


def call(*arguments, code=0):
    done = runner.invoke(app, ["export", *map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout if code == 0 else done.stderr.splitlines()[-1]


def test_it_says_what_it_has_written_and_what_it_kept(output, tmp_path):
    place = tmp_path / "x"
    assert call(output, place, "--domains", "bronze", "--views", "0,2") == (
        f"{place}: 24 pictures of bronze\n"
        "2 names were taken and got a number; the index has each of them\n"
    )
    assert call("--output", output, place, "--domains", " bronze ,", "--views", "2, 0") == (
        f"{place}: 24 pictures of bronze\n"
        "nothing to do: all of it was written by an earlier run, and is kept\n"
    )
    found = json.loads(call(output, tmp_path / "y", "--to", "datasets", "--json"))
    assert found == {
        "destination": str(tmp_path / "y"),
        "to": "datasets",
        "domains": ["bronze", "v1.2"],
        "pictures": 72,
        "parts": 1,
        "written": 72,
        "numbered": 6,
        "outdated": 0,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["OUT"], "DEST must be a folder or URI, got nothing"),
        (["OUT", "X", "--views", "0,x"], "--views must be numbers, as 0,2, got '0,x'"),
        (
            ["OUT", "X", "--template", "{name}"],
            "unknown template field 'name'; known: face, folder,",
        ),
        (["OUT", "X", "--domains", "tin"], "unknown domain 'tin'; known: bronze, v1.2"),
        (["OUT", "X", "--shard-mb", "0"], "shard size must be 1 to 2048 MB, got 0"),
        (["X", "Y"], "no stylized portraits at"),
        (["OUT", "OUT"], "destination must be an empty folder"),
        (["OUT", "gopher://x"], "URI must be one that can be opened"),
    ],
)
def test_what_cannot_be_is_one_line(output, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    places = {"OUT": output}
    line = call(*(places.get(text, text) for text in arguments), code=2)
    assert line.startswith(f"error: {said}")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(tmp_path):
    photos = [[f"/a/{shard}-{place}.png" for place in range(5)] for shard in range(12)]
    out, place = write_small_output(tmp_path / "out", shards=photos), tmp_path / "x"
    code = f"""
import sys
from itportrait.results.export.layouts import Files
from itportrait.cli import app
Files.most_pictures = 1
sys.argv = ["itportrait", "export", {out!r}, {str(place)!r}]
app()
"""
    done, shown = on_a_terminal(code, until=b" pictures")
    assert done == 130
    assert b"Traceback" not in shown
    assert b"stopped; what is committed stays, and the same command goes on" in shown
    state = json.loads((place / "_export" / "state.json").read_text())
    assert not state["finished"]
    assert "360 pictures" in call(out, place)
