"""The commands that run jobs: one definition each, for the command line and for `workflows/`."""

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from itportrait.cli import app as stages
from itportrait.programs.commands import add_jobs, run_alone, stylize_dataset
from tests.test_without_ray import WITHOUT_RAY, python

NAMES = ("demo", "stylize-dataset", "build-bank", "compare")
runner = CliRunner()


@pytest.fixture
def app():
    whole = typer.Typer()
    add_jobs(whole)
    return whole


def test_the_command_line_has_the_stages_and_the_jobs():
    code = f"""
import contextlib, io, sys
import itportrait.__main__ as program
for name in {NAMES}:
    sys.argv = ["itportrait", name, "--help"]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        program.main()
    print(name, "--domains" in shown.getvalue() or "--output" in shown.getvalue())
"""
    assert python(WITHOUT_RAY + code).split("\n")[:4] == [f"{name} True" for name in NAMES]
    assert get_command(stages).commands.keys().isdisjoint(NAMES)


def test_names_of_configurations_files_and_domains_are_completed(app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "depot").mkdir()
    (tmp_path / "demand.yaml").write_text("domains: [{name: tin}]\n")

    def completed(line: str) -> list[str]:
        env = {"_ITPORTRAIT_COMPLETE": "complete_bash", "COMP_WORDS": f"itportrait {line}"}
        env["COMP_CWORD"] = str(len(line.split(" ")))
        return runner.invoke(app, [], env=env, prog_name="itportrait").output.split()

    assert completed("stylize-dataset --config de") == ["demo", "demand.yaml", "depot/"]
    assert completed("stylize-dataset --config demo --domains bronze,z") == ["bronze,zombie"]
    assert completed("stylize-dataset --config demand.yaml --domains t") == ["tin"]
    assert completed("build-bank --config bank --domains zombie,p") == ["zombie,pencil"]
    assert completed("demo --domains b") == ["bronze"]


@pytest.mark.parametrize("name", ["stylize-dataset", "build-bank", "compare"])
def test_an_unknown_configuration_lists_the_known_ones(app, name, tmp_path):
    place = "--bank" if name == "build-bank" else "--output"
    done = runner.invoke(app, [name, "--config", "dmo", place, f"{tmp_path}/out"])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "error: unknown configuration 'dmo'; known: bank, compare, demo, experiments, "
        "ffhq512; perhaps 'demo' is meant"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_bank_needs_a_specification_whose_former_option_says_its_name(app, tmp_path):
    bank = f"{tmp_path}/bank"
    done = runner.invoke(app, ["build-bank", "--bank", bank])
    assert (done.exit_code, done.stderr) == (
        2,
        "error: --config must be the YAML of a bank, or a name, got nothing\n",
    )
    done = runner.invoke(app, ["build-bank", "--bank", bank, "--spec", f"{bank}.yaml"])
    assert done.exit_code == 2
    assert done.stderr.startswith("note: --spec is called --config now\n")
    assert f"{bank}.yaml" in done.stderr


def test_a_command_alone_returns_its_exit_code(tmp_path, capsys):
    assert run_alone(stylize_dataset, ["-h"]) == 0
    assert "--dry-run" in capsys.readouterr().out
    assert run_alone(stylize_dataset, []) == 2
    assert run_alone(stylize_dataset, ["--config", "demo", "--retry", "all"]) == 2
    assert run_alone(stylize_dataset, ["--config", f"{tmp_path}/none.yaml"]) == 2
    assert "none.yaml cannot be read" in capsys.readouterr().err
