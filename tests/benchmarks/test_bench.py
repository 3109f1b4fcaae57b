"""The benchmark of speed: its table, its JSON, and what it says of speed that was lost."""

import json

import pytest

from benchmarks import bench
from benchmarks.speed.baseline import losses, merged
from benchmarks.speed.measure import Row

ONE = ["--quick", "--pairs", "1", "--groups", "published", "--only", "volume rendering, forward"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The figures of one quick run over all groups, with what the program wrote and returned."""
    path = tmp_path_factory.mktemp("bench") / "found.json"
    missing = path.with_name("none.json")
    options = ["--quick", "--pairs", "1", "--json", str(path), "--baseline", str(missing)]
    assert bench.main(options) == 0
    return json.loads(path.read_text())


def test_a_run_measures_every_action_in_every_way(found):
    names = [row["name"] for row in found["rows"]]
    assert len(set(names)) == len(names)
    for part in (
        "backbone",
        "volume rendering",
        "super-resolution",
        "view",
        "inversion step",
        "APT",
        "ITE",
    ):
        assert any(part in name for name in names)
    for row in found["rows"]:
        assert row["ratio"] > 0
        assert row["reference_cpu_s"] > 0
        assert row["ours_cpu_s"] > 0
    assert found["machine"]["peak_gflops"] > 0
    assert found["machine"]["threads"] == 1


def test_arithmetic_is_that_of_the_reference(found):
    # conv 32 -> 32 of 16 x 16 pixels: 9 * 32 * 32 * 256 products, as many sums; twice with the way
    # back to the input.
    name = "modulated_conv2d, 32 to 32 channels, 16 px, forward"
    rows = {row["name"]: row["gflop"] for row in found["rows"]}
    assert rows[name] == pytest.approx(2 * 9 * 32 * 32 * 256 / 1e9, rel=1e-3)
    assert rows[f"{name} and backward"] > 1.9 * rows[name]


def test_all_rows_are_judged_by_the_peak_of_the_whole_run(found):
    """The peak is what the probes between all pairs found, not those until a row was measured."""
    peak = found["machine"]["peak_gflops"]
    rows = [row for row in found["rows"] if row["gflop"]]
    assert len(rows) > 10
    for row in rows:
        share = row["gflop"] / row["ours_cpu_s"] / peak
        assert row["share_of_peak"] == pytest.approx(share, rel=0.01)


def test_a_run_that_lost_speed_says_so_and_fails(tmp_path, capsys):
    path = tmp_path / "before.json"
    assert bench.main([*ONE, "--baseline", str(path), "--store"]) == 0
    stored = json.loads(path.read_text())
    assert stored["rows"][0]["name"] == "volume rendering, forward"
    for row in stored["rows"]:
        row["ratio"] *= 1000
    path.write_text(json.dumps(stored))
    capsys.readouterr()
    assert bench.main([*ONE, "--baseline", str(path)]) == 1
    assert "slower than in before.json: volume rendering, forward: " in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--store"]])
def test_tiny_sizes_are_not_compared_with_whole_ones(more, monkeypatch, tmp_path, capsys):
    standing = tmp_path / "baseline.json"
    monkeypatch.setattr(bench, "BASELINE", standing)
    with pytest.raises(SystemExit) as ended:
        bench.main([*ONE, *more])
    assert ended.value.code == 2
    assert "--quick needs --baseline FILE" in capsys.readouterr().err
    assert not standing.exists()


def row(name, ratio):
    return Row(name, ratio, 1.0, 1.0, 1.0, 1.0, 1000.0, 1.0, None, None, None)


def test_a_seventh_is_noise_and_a_fifth_is_lost():
    stored = {"a": 4.0, "b": 4.0}
    assert losses([row("a", 3.45), row("b", 3.3), row("new", 0.1)], stored) == [
        "b: 3.30 times the reference, 4.00 before"
    ]


def test_storing_some_rows_keeps_the_others(tmp_path):
    path = tmp_path / "stored.json"
    path.write_text(json.dumps({"machine": {}, "rows": [{"name": "a"}, {"name": "b", "ratio": 1}]}))
    found = merged({"machine": {}, "rows": [{"name": "b", "ratio": 2}]}, path)
    assert found["rows"] == [{"name": "a"}, {"name": "b", "ratio": 2}]
