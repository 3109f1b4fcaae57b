"""The written figures: bars beside values, a card that says where it comes from."""

import json

from itportrait.card.report import table, write_card, write_report


def test_the_table_shows_values_and_bars():
    lines = table({"view_ms": 12.34567, "clip_smile": 0.5}).splitlines()
    assert lines[2:] == ["| view_ms | 12.35 | 40 |", "| clip_smile | 0.5 |  |"]


def test_the_report_keeps_figures_bars_and_circumstances(tmp_path):
    write_report(tmp_path / "report.json", {"load_s": 0.2}, {"seed": 3})
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["figures"] == {"load_s": 0.2}
    assert content["bars"]["load_s"] == 1
    assert content["seed"] == 3


def test_the_card_tells_data_budget_and_license(tmp_path):
    values = {"portraits": 12, "seeds": 20231, "held_out": 4, "budget": "clip 3 min"}
    write_card(tmp_path / "card.md", {"load_s": 0.2}, **values, license="Apache-2.0.")
    text = (tmp_path / "card.md").read_text()
    for part in ("12 portraits", "seed 20231", "4 people", "clip 3 min", "| load_s | 0.2 | 1 |"):
        assert part in text
    assert "Apache-2.0." in text
