"""Without Ray: all of the package but `on_ray` imports, and the command line runs on this machine.

Ray cannot be imported in the interpreters of these tests, as where it is not installed.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.helpers.tiny_folder import write_tiny_bundle

REPOSITORY = Path(__file__).resolve().parents[1]

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


def test_every_module_but_those_on_ray_imports():
    code = (
        WITHOUT_RAY
        + """
import importlib
import importlib.util
from pathlib import Path

import itportrait

left_out = {"on_ray", "programs"}
if not importlib.util.find_spec("triton"):
    left_out.add("kernels")
root = Path(itportrait.__file__).parent
for path in sorted(root.rglob("*.py")):
    parts = path.relative_to(root.parent).with_suffix("").parts
    if parts[1] not in left_out and parts[-1] != "__main__":
        importlib.import_module(".".join(parts).removesuffix(".__init__"))
        print(".".join(parts))
try:
    import itportrait.on_ray.tasks
except ImportError as error:
    print(error)
"""
    )
    *lines, last = python(code).splitlines()
    assert len(lines) > 250
    assert last == "ray is not installed"


def test_local_stages_do_not_import_ray():
    code = "import sys, itportrait.engine.local; print('ray' in sys.modules)"
    assert python(code).strip() == "False"


def test_help_of_every_command():
    code = (
        WITHOUT_RAY
        + """
from typer.main import get_command
from typer.testing import CliRunner

from itportrait.cli import app


def walk(group, path):
    for name, command in group.commands.items():
        yield [*path, name]
        yield from walk(command, [*path, name]) if hasattr(command, "commands") else ()


for path in ([], *walk(get_command(app), [])):
    done = CliRunner().invoke(app, [*path, "--help"])
    print(done.exit_code, *path)
"""
    )
    lines = python(code).splitlines()
    assert len(lines) >= 18
    assert all(line.startswith("0") for line in lines), lines


@pytest.mark.slow
def test_every_stage_of_the_command_line_works_where_ray_cannot_be_imported(tmp_path):
    bundle, out, bank = (str(tmp_path / name) for name in ("bundle", "out", "bank"))
    write_tiny_bundle(bundle)
    code = (
        WITHOUT_RAY
        + """
from typer.testing import CliRunner

from itportrait.bank.store import Bank
from itportrait.cli import app

photos, bundle, out, bank = sys.argv[1:]
chosen = ["--set", f"bundle={bundle}", "--set", "gate.floors={}"]


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
call("bank", "promote", bank, "zombie", Bank(bank).champion("zombie").version)
call("bank", "prune", bank, "zombie")
call("bank", "register", bank, "--mlflow", f"sqlite:///{out}/mlflow.db")
call("doctor")
"""
    )
    lines = python(code, str(tmp_path / "photos"), bundle, out, bank).splitlines()
    ended = {line.split()[0]: line for line in lines}
    for name in ("sample-portraits", "align", "invert", "adapt", "stylize", "evaluate"):
        assert f"{name} 0 " in ended[name]
    assert "export-mesh 0 " in ended["export-mesh"]
    banks = [line for line in lines if line.startswith("bank ")]
    assert len(banks) == 5
    assert all(line.startswith("bank 0 ") for line in banks), banks
    assert "doctor 0 " in ended["doctor"]  # it looks at what is installed, and imports no Ray
    assert (tmp_path / "out" / "head.ply").stat().st_size > 0
