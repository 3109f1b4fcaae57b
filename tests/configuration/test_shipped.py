"""The shipped configurations: a name means the same as the path of its file."""

import pytest

from itportrait.comparison.config import load_comparison
from itportrait.configuration.shipped import find_config, shipped_names
from itportrait.errors import NoInputError, UnknownNameError
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.jobs.stylize.config import load_job
from tests.conftest import REPOSITORY

LOADERS = {
    "bank": load_bank_spec,
    "compare": lambda path: load_comparison(path, output="out"),
    "demo": load_job,
    "experiments": lambda path: load_comparison(path, output="out"),
    "ffhq512": lambda path: load_job(path, ["bundle=mini"], input="photos", output="out"),
}


def test_all_are_known_by_name():
    assert shipped_names() == sorted(LOADERS)
    assert set(shipped_names()) == {path.stem for path in (REPOSITORY / "configs").glob("*.yaml")}


@pytest.mark.parametrize("name", LOADERS)
def test_a_name_means_what_its_path_means(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name, by_path = (
        LOADERS[name](given) for given in (name, str(REPOSITORY / f"configs/{name}.yaml"))
    )
    assert by_name.model_dump_json() == by_path.model_dump_json()
    for domain in by_name.domains if isinstance(by_name.domains, tuple) else ():
        for uri in getattr(domain, "references", ()):
            assert (tmp_path / uri).is_file()  # wherever the command is called


@pytest.mark.parametrize("load", [load_job, load_bank_spec, load_comparison])
def test_an_unknown_name_lists_the_known_ones(load):
    known = "bank, compare, demo, experiments, ffhq512"
    with pytest.raises(UnknownNameError, match=f"unknown configuration 'dmo'; known: {known}"):
        load("dmo")


def test_paths_stay_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("demo.yaml", "./demo", "/demo", "s3://bucket/demo", ""):
        assert find_config(path) == path
    with pytest.raises(NoInputError, match=r"configuration demo\.yaml cannot be read"):
        load_job("demo.yaml")
    (tmp_path / "demo").write_text("input: a\noutput: b\n")
    assert find_config("demo") == "demo"
    assert load_job("demo").input == str(tmp_path / "a")
