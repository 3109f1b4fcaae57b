"""Cells: what guides a method in a domain, and why a cell cannot be made."""

from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from itportrait.comparison.cells import Cell, plan_cells
from itportrait.comparison.config import parse_comparison
from tests.helpers import set_method  # noqa: F401  (registers its method)
from tests.helpers.small_comparison import REFERENCES

BOTH = {"prompt": "a bronze statue", "references": [str(REFERENCES / "bronze.png")]}
WORDS = {"prompt": "a zombie"}


def planned(**changes):
    data = {"methods": {"itportrait": {}}, "domains": {"bronze": BOTH, "zombie": WORDS}}
    cells = plan_cells(parse_comparison(data | changes), "model-0")
    return {cell.cell: cell for cell in cells}


def test_a_method_is_guided_by_the_most_that_it_accepts_and_the_domain_gives():
    cells = planned(methods={"itportrait": {}, "jojogan": {}, "stylegan_nada": {}})
    modes = {(cell.label, cell.domain): plan.mode for cell, plan in cells.items()}
    assert modes["itportrait", "bronze"] == "image_text"
    assert modes["itportrait", "zombie"] == "text"
    assert modes["jojogan", "bronze"] == "image"
    assert modes["jojogan", "zombie"] == ""
    assert modes["stylegan_nada", "zombie"] == "text"
    reason = cells[Cell("jojogan", "zombie", 0)].reason
    assert "image: the domain has no references" in reason
    assert "text:" in reason


def test_variants_of_one_adaptation_share_it_and_others_do_not():
    cells = planned(
        methods={
            "itportrait": {},
            "again": {"method": "itportrait", "mode": "image_text"},
            "soft": {"method": "itportrait", "options": {"threshold.kind": "soft"}},
        },
        domains={"bronze": BOTH},
        seeds=[0, 1],
    )
    runs = {(cell.label, cell.seed): plan.job.run_name for cell, plan in cells.items()}
    assert runs["itportrait", 0] == runs["again", 0]
    assert len(set(runs.values())) == 4


def test_a_wrong_option_or_reference_is_the_reason_of_its_cells_alone():
    cells = planned(
        methods={"itportrait": {}, "odd": {"method": "itportrait", "options": {"thresh": 1}}},
        domains={"zombie": WORDS, "lost": {"references": ["absent.png"]}},
    )
    assert cells[Cell("itportrait", "zombie", 0)].job
    assert "threshold" in cells[Cell("odd", "zombie", 0)].reason
    assert "absent.png" in cells[Cell("itportrait", "lost", 0)].reason


def test_pictures_of_a_domain_are_read_once_for_all_of_its_cells(monkeypatch):
    """A call that fails in passing is tried again."""
    asked, read = [], LocalFileSystem.cat_file

    def counted(self, path, *args, **kwargs):
        asked.append(path)
        if len(asked) == 1:
            raise ConnectionError("the storage hung up")
        return read(self, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "cat_file", counted)
    cells = planned(methods={"itportrait": {}, "jojogan": {}}, seeds=[0, 1])
    assert asked == BOTH["references"] * 2
    (picture,) = cells[Cell("jojogan", "bronze", 1)].job.pictures
    assert picture == Path(*BOTH["references"]).read_bytes()
    bronze = [plan for cell, plan in cells.items() if cell.domain == "bronze"]
    assert [plan.target.pictures for plan in bronze] == [(picture,)] * 4


def test_no_cell_is_made_without_the_pictures_that_all_are_scored_by():
    lost = {"prompt": "a zombie", "references": ["absent.png"]}
    cells = planned(
        methods={"itportrait": {}, "words": {"method": "itportrait", "mode": "text"}},
        domains={"lost": lost},
    )
    for cell in cells.values():
        assert cell.job is None
        assert "reference absent.png of domain 'lost' cannot be read" in cell.reason


def test_methods_of_sets_take_the_pictures_and_others_the_references():
    domain = {**BOTH, "pictures": "mini:bronze", "pictures_count": 4}
    cells = planned(
        methods={"itportrait": {}, "sets": {"method": "tests-set"}},
        domains={"bronze": domain},
    )
    lost = planned(
        methods={"itportrait": {}, "sets": {"method": "tests-set"}},
        domains={"bronze": {**domain, "pictures": "absent/aligned"}},
    )
    assert lost[Cell("itportrait", "bronze", 0)].job
    assert "absent/aligned" in lost[Cell("sets", "bronze", 0)].reason
    specs = {cell.label: plan.job.spec for cell, plan in cells.items()}
    assert specs["itportrait"].pictures is None
    assert (specs["sets"].pictures, specs["sets"].references) == ("mini:bronze", ())
    assert specs["sets"].mode == "image"
