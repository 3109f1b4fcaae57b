"""A wheel carries the whole product: whatever lies in the package, and the shipped recipes."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

RECIPES = "itportrait/configuration/recipes"


def files_of(folder: Path) -> set[str]:
    """Return the files of a folder, below it, without what running it leaves there."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of these sources, built from a copy, which leaves nothing beside them."""
    place = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("itportrait", "configs"):
        shutil.copytree(REPOSITORY / name, place / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, place)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--no-index", "-w", place / "dist", place], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (place / "dist").glob("itportrait-*.whl")
    return path


def test_it_holds_every_file_of_the_package_and_every_recipe(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {f"itportrait/{name}" for name in files_of(REPOSITORY / "itportrait")}
    recipes = {f"{RECIPES}/{name}" for name in files_of(REPOSITORY / "configs")}
    assert held == package | recipes
    for name in (
        f"{RECIPES}/demo.yaml",
        f"{RECIPES}/references/bronze.png",
        "itportrait/native/render_rays/cpu.cpp",
        "itportrait/native/render_rays/tile.h",
        "itportrait/mini/weights/generator.safetensors",
        "itportrait/mini/weights/bank/bank.json",
        "itportrait/pages/templates/page.css",
        "itportrait/pages/templates/page.js",
        "itportrait/programs/stylize_dataset.py",
    ):
        assert name in held


def test_unpacked_it_reads_its_recipes_by_name(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    code = """
import itportrait
from itportrait.jobs.stylize.config import load_job
from itportrait.jobs.ready_made import ready_made_bank
job = load_job("demo")
(reference,) = job.specifications()["bronze"].references
print(itportrait.__file__, reference, job.output, ready_made_bank("mini").domains(), sep="\\n")
open(reference, "rb").close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "empty",
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{tmp_path}/site/itportrait/__init__.py",
        f"{tmp_path}/site/{RECIPES}/references/bronze.png",
        f"{tmp_path}/empty/runs/demo",
        "['clown']",
    ]
