"""No command is silent for long: each is run on a terminal, from its start to its very end.

The three jobs on Ray are watched where they are tested anyway (`WATCHED_ELSEWHERE`).
"""

import shutil
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from itportrait.cli import app
from itportrait.programs.commands import add_jobs
from tests.conftest import REPOSITORY
from tests.helpers.published import published_generator, published_pickle
from tests.helpers.small_commands import SmallCommands
from tests.helpers.terminals import OnTerminal, check_silence

WATCHED_ELSEWHERE = {
    "stylize-dataset": "test_stylize_dataset.py",
    "build-bank": "test_build_style_bank.py",
    "compare": "test_compare_methods.py",
}
"""Commands by the file, in tests/workflows, whose runs are `run_watched`."""
BANK = ("list", "show", "promote", "rollback", "register", "prune")
MODELS = ("list", "path", "get", "use")
OTHERS = (
    "export",
    "export-mesh",
    "import-eg3d",
    "import-open-clip",
    "sample-portraits",
    "demo-inputs",
    "demo",
    "doctor",
)
STAGES = ("align", "invert", "adapt", "stylize", "evaluate")
COMMANDS = (
    *STAGES,
    *(f"bank {name}" for name in BANK),
    *(f"models {name}" for name in MODELS),
    *OTHERS,
)
"""Those that run here."""
REFUSED = {"bank rollback", "import-open-clip", "models path", "models get", "models use"}
"""Those that are called in vain: no champion before this one, and no network of others here."""
NEEDS = {
    "invert": ("align",),
    "stylize": ("invert", "adapt"),
    "evaluate": ("adapt",),
    **{f"bank {name}": ("adapt",) for name in BANK},
    "export": ("stylize",),
    "export-mesh": ("stylize",),
}
"""Commands by those that come before, since they read what those have written."""


@pytest.fixture(scope="module")
def place(tmp_path_factory, mlflow_database) -> SmallCommands:
    place = SmallCommands(tmp_path_factory.mktemp("commands"), steps=2)
    place.write()
    shutil.copy(mlflow_database, place.root / "mlflow.db")
    model = published_generator()[1]
    (place.root / "face.pkl").write_bytes(published_pickle({"G": None, "G_ema": model}))
    return place


def arguments(name: str, place: SmallCommands) -> list[str]:
    """Return a call of a command."""
    root, bank = place.root, f"{place.root}/adapted"
    if name in STAGES:
        return place.stages()[name]
    if name.startswith("bank "):
        more = [] if name in ("bank list", "bank register") else ["bronze"]
        more += [version_in(bank)] if name == "bank promote" else []
        tracking = ["--mlflow", f"sqlite:///{root}/mlflow.db"] if name == "bank register" else []
        return [*name.split(), bank, *more, *tracking]
    if name.startswith("models "):
        absent = ["--from", f"{root}/absent.whl"] if name == "models get" else []
        return [*name.split(), *([] if name == "models list" else ["dlib-face"]), *absent]
    mesh = ["--resolution", "16", "--to", f"{root}/mesh.glb", "--config", f"{root}/job.yaml"]
    return {
        "export": ["export", f"{root}/out", f"{root}/exported"],
        "export-mesh": ["export-mesh", f"{root}/out", "portrait-00000", *mesh],
        "import-eg3d": ["import-eg3d", f"{root}/face.pkl", "--output", f"{root}/imported"],
        "import-open-clip": ["import-open-clip", f"{root}/face.pkl"],
        "sample-portraits": ["sample-portraits", f"{root}/drawn", "--count", "1", "--size", "64"],
        "demo-inputs": ["demo-inputs", f"{root}/inputs", "--count", "1"],
        "demo": ["demo", "--domains", "clown", "--dry-run", "--mlflow", "none"],
        "doctor": ["doctor"],
    }[name]


def version_in(bank: str) -> str:
    return next(path.parent.name for path in Path(bank).glob("bronze/*/domain.json"))


def test_every_command_is_watched():
    jobs = typer.Typer()
    add_jobs(jobs)
    found = {*get_command(jobs).commands}
    for name, command in get_command(app).commands.items():
        below = getattr(command, "commands", None)
        found |= {f"{name} {each}" for each in below} if below else {name}
    assert found == {*COMMANDS, *WATCHED_ELSEWHERE}
    for file in WATCHED_ELSEWHERE.values():
        assert "run_watched(" in (REPOSITORY / "tests" / "workflows" / file).read_text()


@pytest.fixture(scope="module")
def watch(place):
    """A function that runs a command on a terminal, once, after those that it needs."""
    done: set[str] = set()

    def run(name: str) -> None:
        for needed in NEEDS.get(name, ()):
            run(needed)
        if name in done:
            return
        runs = {"ITPORTRAIT_RUNS": f"{place.root}/runs", "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "itportrait", *arguments(name, place)]
        with OnTerminal(command, runs, place.root) as program:
            program.wait(120)
        assert program.code == (2 if name in REFUSED else 0), program.lines
        assert "Traceback" not in "\n".join(program.lines)
        check_silence(program)
        done.add(name)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_never_silent_for_long(watch, name):
    watch(name)


@pytest.mark.parametrize("waits", ["time.sleep(1.2)", "while time.process_time() < 1.5: pass"])
def test_who_sleeps_or_computes_without_a_word_is_caught(waits):
    code = f"import time\nprint('begins', flush=True)\n{waits}\nprint('ends')"
    with OnTerminal([sys.executable, "-S", "-c", code]) as program:
        program.wait(60)
    with pytest.raises(AssertionError, match="was silent"):
        check_silence(program, 1.0)
