"""Stages without Ray: nothing that the command line runs on this machine imports it."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.helpers.tiny_folder import write_tiny_bundle

REPOSITORY = Path(__file__).resolve().parents[2]

WITHOUT_RAY = """
import sys


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ray":
            raise ImportError(f"{name} is not installed")


sys.meta_path.insert(0, Refuse())
"""


def python(code: str, *arguments: str) -> str:
    """Run code in an interpreter of its own; return what it printed."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_local_stages_do_not_import_ray():
    code = "import sys, itportrait.engine.local; print('ray' in sys.modules)"
    assert python(code).strip() == "False"


def test_configurations_and_plans_do_not_import_ray():
    code = """
        import sys
        import itportrait.jobs.bank.plan
        import itportrait.jobs.bank.spec
        import itportrait.jobs.stylize.config
        import itportrait.jobs.ready_made
        print("ray" in sys.modules)
    """
    assert python(code).strip() == "False"


@pytest.mark.slow
def test_every_stage_of_the_command_line_works_where_ray_cannot_be_imported(tmp_path):
    bundle, out, bank = (str(tmp_path / name) for name in ("bundle", "out", "bank"))
    write_tiny_bundle(bundle)
    code = (
        WITHOUT_RAY
        + """
from typer.testing import CliRunner

from itportrait.cli import app

photos, bundle, out, bank = sys.argv[1:]
chosen = ["--set", f"bundle={bundle}"]


def call(*arguments):
    done = CliRunner().invoke(app, list(arguments))
    print(arguments[0], done.exit_code, "".join(done.output.splitlines()[-1:]), done.exception)


call("sample-portraits", photos, "--count", "1", "--seed", "3", "--size", "192")
call("align", photos + "/*.png", out, "--set", "align.size=64")
call("invert", out, *chosen, "--set", "invert.steps=1", "--set", "invert.statistics_samples=64")
call("adapt", "zombie", "--bank", bank, "--prompt", "a zombie", "--steps", "1", *chosen)
call("stylize", out, "--bank", bank, *chosen)
call("evaluate", "--bank", bank, "--bundle", bundle, "--json")
call("export-mesh", out, "portrait-00000", "--to", out + "/head.ply", "--resolution", "16", *chosen)
call("bank", "list", bank)
call("bank", "show", bank, "zombie")
call("doctor")
"""
    )
    lines = python(code, str(tmp_path / "photos"), bundle, out, bank).splitlines()
    ended = {line.split()[0]: line for line in lines}
    for name in ("sample-portraits", "align", "invert", "adapt", "stylize", "evaluate"):
        assert f"{name} 0 " in ended[name]
    for name in ("export-mesh", "bank"):
        assert f"{name} 0 " in ended[name]
    assert "doctor" in ended  # it says that Ray is missing, and ends with 1
    assert (tmp_path / "out" / "head.ply").stat().st_size > 0
