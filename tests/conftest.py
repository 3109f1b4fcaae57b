"""Shared fixtures: one Ray for all tests that use it, and folders of inputs for the engine."""

import os
import shutil
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent

# The same examples in every run, however busy the machine: a failure is a failure of the change.
settings.register_profile("itportrait", derandomize=True, deadline=None)
settings.load_profile("itportrait")

# Before anything imports Ray, which reads them then. No test leaves a token under the home folder.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Put whole jobs first, which take longest: none is left over at the end for one process."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/workflows/"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Divide the tests among several processes.

    One of them runs all files that use the shared Ray, so that one Ray is started. With `--dist
    loadfile` other files stay together as well: their slow tests share what is prepared, and some
    go on where the one before has ended.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Divided(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if _uses_ray(file):
                return "ray"
            return file if whole_files else nodeid

    whole_files = config.getvalue("dist") == "loadfile"
    return Divided(config, log)


@cache
def _uses_ray(file: str) -> bool:
    return "ray_cluster" in (REPOSITORY / file).read_text()


@pytest.fixture(autouse=True, scope="session")
def fast_disk():
    """Files of tests need not outlive a loss of power; each would wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory):
    """A Ray of two cores that all tests share (`address="local"`: never a stale one)."""
    import ray

    from itportrait.on_ray.session import connect, end

    os.environ["PYTHONPATH"] = str(REPOSITORY)
    # A developer's own Ray saves its start: ITPORTRAIT_TEST_RAY=127.0.0.1:6379
    connect(os.environ.get("ITPORTRAIT_TEST_RAY"), num_cpus=2)
    yield ray
    end()


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory):
    """An MLflow database without runs; its schema is made once a session, which takes seconds."""
    from itportrait.tracking import open_tracker

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    open_tracker(f"sqlite:///{path}", "schema", experiment="schema").finish()
    return path


@pytest.fixture
def mlflow_uri(mlflow_database, tmp_path):
    """The tracking URI of a real MLflow of the test's own."""
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture(scope="module")
def s3():
    """A bucket on a moto server on loopback; credentials and endpoint from the environment."""
    pytest.importorskip("moto.server", reason="needs moto[server]")
    from tests.helpers.object_store import object_store

    with object_store("portraits") as uri:
        yield uri


@pytest.fixture
def photos(tmp_path):
    """A function that writes files of the given names into a folder of photos."""
    folder = tmp_path / "photos"
    folder.mkdir()

    def write(*names: str) -> Path:
        for name in names:
            (folder / name).write_bytes(f"content of {name}".encode())
        return folder

    return write


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The folder of a tiny model bundle, never written to."""
    from tests.helpers.tiny_folder import write_tiny_bundle

    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_bundle(folder)
    return folder
