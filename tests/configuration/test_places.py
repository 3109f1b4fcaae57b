"""Places that are lost with a job, or that another machine does not see, are refused."""

import pytest

from itportrait.configuration import places
from itportrait.errors import InvalidArgumentError
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.jobs.stylize.config import load_job
from tests.conftest import REPOSITORY


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A working folder like the one that Ray makes of a submitted checkout."""
    folder = tmp_path / "session_1/runtime_resources/working_dir_files/_ray_pkg_0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "configs").symlink_to(REPOSITORY / "configs")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ITPORTRAIT_RUNS", raising=False)
    return folder


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("--output", {"output": "runs/out"}),
        ("--output", {"output": "./out"}),
        ("--input", {"input": "photos"}),
        ("--bank", {"bank": "runs/bank"}),
    ],
)
def test_relative_places_of_a_submitted_job_are_refused(shipped, name, given):
    whole = {"input": "s3://b/photos", "output": "s3://b/out", "bank": "s3://b/bank"}
    with pytest.raises(InvalidArgumentError, match=rf"{name} .*temporary copy.*absolute path"):
        load_job(None, ["domains=[a]"], **{**whole, **given})


def test_so_are_places_of_the_file_and_of_its_runs_folder(shipped, tmp_path, monkeypatch):
    with pytest.raises(InvalidArgumentError, match=r"--input .*ITPORTRAIT_RUNS"):
        load_job("configs/demo.yaml")
    elsewhere = {"input": "s3://b/photos", "output": str(tmp_path / "out"), "bank": "s3://b/bank"}
    with pytest.raises(InvalidArgumentError, match=r"tracking\.uri .*sqlite.*temporary copy"):
        load_job("configs/demo.yaml", **elsewhere)
    with pytest.raises(InvalidArgumentError, match=r"bundle .*temporary copy"):
        load_job(None, ["bundle=models/x"], **elsewhere)
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(tmp_path / "runs"))
    assert load_job("configs/demo.yaml").output == f"{tmp_path}/runs/demo"


def test_references_may_lie_in_the_submitted_checkout(shipped, tmp_path):
    config = load_job(
        "configs/demo.yaml",
        ["tracking.uri=none"],
        input="s3://b/photos",
        output=str(tmp_path / "out"),
        bank="s3://b/bank",
    )
    (uri,) = config.specifications()["bronze"].references
    assert uri == str(shipped / "configs/references/bronze.png")
    assert load_bank_spec("configs/bank.yaml").domains


def test_a_link_into_the_copy_is_seen_through(shipped, tmp_path):
    (tmp_path / "link").symlink_to(shipped)
    with pytest.raises(InvalidArgumentError, match="--output"):
        places.refuse_temporary({"--output": str(tmp_path / "link" / "out")})
    places.refuse_temporary({"--output": str(tmp_path), "--mlflow": "http://h", "bundle": ""})
    places.refuse_temporary({"--mlflow": f"sqlite:////{tmp_path}/mlflow.db", "--bank": "s3://b"})
