"""Registries: names, and what installed packages add through entry points."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from itportrait.adapt.methods import METHODS
from itportrait.adapt.methods.itportrait.balance import BALANCES
from itportrait.errors import InvalidArgumentError
from itportrait.invert.methods import INVERSIONS
from itportrait.registry import Registry
from itportrait.stages.registry import STAGES
from tests.helpers.tiny_folder import write_tiny_bundle

REPOSITORY = Path(__file__).resolve().parents[1]

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "portrait-plugin"
version = "1.2"

[project.entry-points."itportrait.adaptation_methods"]
paint = "portrait_plugin:PaintMethod"

[project.entry-points."itportrait.inversions"]
guess = "portrait_plugin:GuessInversion"
broken = "portrait_plugin:Nothing"
w = "portrait_plugin:GuessInversion"

[project.entry-points."itportrait.thresholds"]
third = "portrait_plugin:ThirdBalance"

[tool.setuptools]
py-modules = ["portrait_plugin"]
"""

PLUGIN = """
from itportrait.adapt.methods.itportrait.balance import Balance
from itportrait.adapt.methods import FinetuningMethod, StepLoss
from itportrait.adapt.settings import FinetuningConfig
from itportrait.invert import Inversion, Solution


class PaintConfig(FinetuningConfig):
    brush: float = 0.01


class PaintMethod(FinetuningMethod):
    Config = PaintConfig
    result = "painted"

    def make_students(self):
        return {"painted": self.student(learning_rate=self.context.config.brush, betas=(0.0, 0.99))}

    def loss(self, index):
        base = self.context.bundle.generator
        ws = base.w_avg.expand(1, base.num_ws, -1)
        camera = base.w_avg.new_tensor([1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1,
                                             4.2, 0, 0.5, 0, 4.2, 0.5, 0, 0, 1])[None]
        image = self.students["painted"].generator.synthesize(ws, camera).image
        return StepLoss("painted", image.square().mean(), {})


class GuessInversion(Inversion):
    def run(self, problem):
        generator = self.bundle.generator
        code = generator.w_avg.expand(generator.num_ws, -1)
        return [Solution(code, camera, steps=0, seconds=0.0) for camera in problem.cameras]


class ThirdBalance(Balance):
    def weights(self, distance, threshold):
        return 2 / 3, 1 / 3
"""


def test_groups_are_those_that_the_documentation_names():
    groups = {registry.group for registry in (METHODS, INVERSIONS, BALANCES, STAGES)}
    assert groups == {
        "itportrait.adaptation_methods",
        "itportrait.inversions",
        "itportrait.stages",
        "itportrait.thresholds",
    }


def test_a_group_that_packaging_tools_refuse_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"got 'itportrait\.adaptation method'"):
        Registry("adaptation method", group="itportrait.adaptation method")


def test_own_names_are_known_without_loading_them():
    registry: Registry[type] = Registry("method", own={"one": "no_such_module:One"})
    assert registry.names() == ["one"]
    assert registry.validated("one") == "one"
    with pytest.raises(ModuleNotFoundError):
        registry.get("one")


def test_own_names_cannot_be_registered_again():
    registry: Registry[type] = Registry("method", own={"ordered": "collections:OrderedDict"})
    with pytest.raises(InvalidArgumentError, match="not taken yet"):
        registry.register("ordered")(dict)
    assert registry.get("ordered").__name__ == "OrderedDict"


def test_a_name_that_is_not_known_is_refused_by_validation_with_the_known_ones():
    registry: Registry[int] = Registry("method")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="unknown method 'two'; known: one"):
        registry.validated("two")


def run(code: str, *arguments: str, path: Path) -> str:
    """Run code in an interpreter that sees the installed plug-in; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which a wheel with methods of its own is installed."""
    source = tmp_path_factory.mktemp("plugin")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "portrait_plugin.py").write_text(PLUGIN)
    wheels, target = source / "wheels", source / "installed"
    offline = ["--no-deps", "--no-index", "--quiet"]
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([*build, str(source)], check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    install = [*pip, "install", *offline, "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return target


@pytest.mark.slow
def test_methods_of_an_installed_wheel_run(installed, tmp_path):
    write_tiny_bundle(tmp_path / "bundle")
    code = """
        import sys
        import torch
        from itportrait import load_bundle
        from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain
        from itportrait.adapt.methods.itportrait.threshold import Threshold
        from itportrait.jobs.stylize.config import load_job
        from itportrait.invert import INVERSIONS, InvertConfig, Problem

        domain = "domains=[{name: red, mode: text, prompt: red, method: paint, steps: 2}]"
        settings = ["invert.method=guess", "adapt.threshold.kind=third", domain]
        settings.append(f"bundle={sys.argv[1]}")
        job = load_job(None, settings, input="in", output="out")
        bundle = load_bundle(sys.argv[1])
        config = AdaptConfig.parse({"probe": {"count": 2, "every": 1}})
        (spec,) = job.specifications().values()
        result = adapt_domain(bundle, spec, config)
        print(result.style.domain, result.step > 0)
        problem = Problem.of(torch.zeros(1, 3, 32, 32), torch.zeros(1, 25), ("a",))
        print(len(INVERSIONS.get("guess")(job.invert, bundle).run(problem)))
        print(Threshold(job.adapt.threshold, steps=40).weights(0.1))
    """
    lines = run(code, str(tmp_path / "bundle"), path=installed).splitlines()
    assert lines[-3:] == ["red True", "1", str((2 / 3, 1 / 3))]


@pytest.mark.slow
def test_a_plug_in_that_cannot_be_loaded_or_claims_a_name_is_named_at_the_start(installed):
    code = """
        from itportrait.jobs.stylize.config import load_job
        from itportrait.errors import InvalidArgumentError

        for name in ("broken", "w", "none"):
            try:
                load_job(None, [f"invert.method={name}"], input="in", output="out")
            except InvalidArgumentError as error:
                print(error)
    """
    broken, taken, unknown = run(code, path=installed).splitlines()
    assert "'broken' of portrait-plugin cannot be loaded from portrait_plugin:Nothing" in broken
    assert "a name not taken yet, got 'w' of portrait-plugin" in taken
    assert "known: broken, encoder, guess, hyper, " in unknown
