"""A bank build, all of it but Ray: real models (tiny), real adaptation, real bank and gate."""

import dataclasses
import json
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from itportrait.adapt import adapt_domain, load_references
from itportrait.bank.gate import RULE
from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.errors import InvalidArgumentError, ItportraitError, NoInputError, UnknownNameError
from itportrait.evaluate import EvaluationProbeConfig, ProbeBase
from itportrait.image import decode, encode
from itportrait.io import uris
from itportrait.jobs.bank.build import BankBuild
from itportrait.jobs.bank.models import BankModels
from itportrait.jobs.bank.plan import Outcome, check_date, plan_build
from itportrait.jobs.bank.scores import ScoreJob, score_versions, truth_images
from itportrait.jobs.bank.spec import parse_bank_spec
from itportrait.styles import WeightStyle
from itportrait.styles.names import STYLE_FILE
from itportrait.tracking import NOTE_TAG, open_tracker
from itportrait.training.trained_domain import collect_result

SPEC = """\
base: {base}
defaults: {{source_prompt: a photo of a person, steps: 2}}
adapt:
  pair: {{steps: 2}}
  probe: {{every: 2, count: 2, images: 2}}
  threshold: {{value: auto, auto_steps: 1}}
probe: {{count: 2, kid_count: 4, kid_subset_size: 4, batch_size: 4}}
gate: {{floors: {{}}}}
domains:
  zombie: {{mode: text, prompt: a zombie}}
  pencil: {{mode: image, references: [pencil.png]}}
  broken: {{mode: image, references: [absent.png]}}
"""


class LocalEngine:
    """Trains and scores in this process, one domain after the other."""

    limit = 1

    def __init__(self, folder, *, spoil=()):
        self.bundle = load_bundle(folder)
        self.spoil, self.trained = set(spoil), []

    def submit(self, function, name):
        future = Future()
        future.set_result(function())
        return future

    def train(self, job):
        self.trained.append(job.spec.name)
        references = load_references(job.spec.references)
        result = adapt_domain(self.bundle, job.spec, job.adapt, references=references)
        adapter = result.style
        if job.spec.name in self.spoil:  # what a bad night may leave: the face is gone
            adapter = dataclasses.replace(
                adapter, delta={name: 0 * delta + 3.0 for name, delta in adapter.delta.items()}
            )
        trained = collect_result(job, result, self.bundle.model_id, references)
        files = {**trained.files, STYLE_FILE: adapter.to_bytes()}
        # Without the pairs' reports, whose seconds are those of the clock.
        return dataclasses.replace(trained, files=files, info={"step": result.step})

    def score(self, job):
        return score_versions(job, ProbeBase(self.bundle, job.probe))


class NoLease:
    """A lease that is never lost."""

    def check(self):
        """Do nothing."""


@pytest.fixture
def here(tmp_path, base):
    """Return a folder with a reference picture, and a maker of specifications."""
    pixels = np.random.default_rng(1).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    (tmp_path / "pencil.png").write_bytes(encode(pixels))

    def spec(*overrides, without=()):
        text = SPEC.format(base=base)
        lines = [ln for ln in text.splitlines() if not ln.strip().startswith(tuple(without))]
        return parse_bank_spec("\n".join(lines), list(overrides), folder=str(tmp_path))

    return tmp_path, spec


def night(here, date, *overrides, without=("none",), spoil=(), tracking="none"):
    folder, make = here
    spec = make(*overrides, without=without)
    bank = Bank(str(folder / "bank"))
    engine = LocalEngine(spec.base, spoil=spoil)
    plan = plan_build(spec, bank, model_id=engine.bundle.model_id, date=date, tracking_uri=tracking)
    said, models = [], BankModels(bank, tracking)
    with open_tracker(tracking, f"bank-{plan.bank_id}") as tracker:
        build = BankBuild(
            spec, plan, bank, tracker, NoLease(), engine, models=models, say=said.append
        )
        return build.run(), engine, bank, said


def test_words_that_no_model_knows_are_said_and_refused_where_that_is_asked_for(here):
    odd = 'domains.zombie.prompt="a qwzx"'
    _, _, bank, _ = night(here, "2026-01-01", odd, without=("pencil:", "broken:"))
    version = bank.champion("zombie")
    assert version.warnings[0].startswith("unknown words: ")
    assert "'qwzx'" in uris.read_bytes(version.file("card.md")).decode()
    make = here[1]
    spec = make('domains.zombie.prompt="a flibber"', without=("broken:",))
    given = {"model_id": version.base_model_id, "date": "2026-01-02"}
    (zombie, pencil) = plan_build(spec, bank, **given).jobs
    assert "'flibber'" in zombie.tags["warnings"]
    assert pencil.warnings[0].startswith("no face: ")  # a square one is taken as it is
    refused = plan_build(spec, bank, **given, strict=True)
    assert not refused.jobs
    assert {result.outcome for result in refused.settled} == {Outcome.FAILED}
    assert "--strict" in refused.settled[0].reason


def outcomes(report):
    return {result.domain: str(result.outcome) for result in report.results}


def test_first_night_publishes_the_good_ones_and_names_the_bad_one(here):
    report, engine, bank, said = night(here, "2026-01-01")
    assert outcomes(report) == {"zombie": "champion", "pencil": "champion", "broken": "failed"}
    assert report.exit_code == 1
    assert engine.trained == ["zombie", "pencil"]
    assert any("broken: failed" in line and "absent.png" in line for line in said)
    assert bank.domains() == ["pencil", "zombie"]
    champion = bank.champion("pencil")
    assert champion.version.startswith("2026-01-01-")
    assert {"identity", "depth_variance", "clip_image"} <= set(champion.metrics)
    folder = Path(champion.uri)
    assert {path.name for path in folder.iterdir()} >= {
        "adapter.safetensors",
        "card.md",
        "curve.parquet",
        "domain.json",
        "preview.png",
    }
    assert "first version of the domain" in (folder / "card.md").read_text()
    assert decode((folder / "preview.png").read_bytes()).ndim == 3
    assert pq.read_table(folder / "curve.parquet").num_rows >= 1
    WeightStyle.load(folder).check_base(engine.bundle.model_id)
    summary = json.loads(next((here[0] / "bank" / "_builds").iterdir()).read_text())
    assert [item["outcome"] for item in summary["domains"]] == ["champion", "champion", "failed"]


def test_second_night_builds_exactly_what_changed(here):
    without = ("broken",)
    night(here, "2026-01-01", without=without)
    before = {p: p.stat().st_mtime_ns for p in (here[0] / "bank" / "pencil").rglob("*")}
    report, engine, *_ = night(here, "2026-01-02", without=without)
    assert outcomes(report) == {"zombie": "unchanged", "pencil": "unchanged"}
    assert engine.trained == []
    change = "domains.zombie.prompt=a red zombie"
    report, engine, bank, _ = night(here, "2026-01-03", change, without=without)
    assert engine.trained == ["zombie"]
    assert report.exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in (here[0] / "bank" / "pencil").rglob("*")} == before
    assert len(bank.versions("zombie")) == 2


def test_changed_contents_of_a_reference_count_and_its_name_does_not(here):
    without = ("broken", "zombie")
    night(here, "2026-01-01", without=without)
    picture = here[0] / "pencil.png"
    picture.rename(here[0] / "renamed.png")
    renamed = "domains.pencil.references=[renamed.png]"
    _, engine, *_ = night(here, "2026-01-02", renamed, without=without)
    assert engine.trained == []
    pixels = np.random.default_rng(2).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    (here[0] / "renamed.png").write_bytes(encode(pixels))
    _, engine, *_ = night(here, "2026-01-03", renamed, without=without)
    assert engine.trained == ["pencil"]


def test_worse_candidate_is_held_back_and_the_champion_stays_bit_for_bit(here):
    without = ("broken", "zombie")
    _, _, bank, _ = night(here, "2026-01-01", without=without)
    champion = bank.champion("pencil")
    served = Path(champion.uri, STYLE_FILE).read_bytes()
    seed = "domains.pencil.seed=9"
    report, *_ = night(here, "2026-01-02", seed, without=without, spoil=["pencil"])
    (result,) = report.results
    assert result.outcome is Outcome.CANDIDATE
    assert "worse by" in result.reason
    assert report.exit_code == 0
    assert bank.champion("pencil").version == champion.version
    assert bank.versions("pencil") == [champion.version, result.version]
    again, engine, *_ = night(here, "2026-01-03", seed, without=without)
    assert engine.trained == []
    assert "held back" in again.results[0].reason
    bank.promote("pencil", result.version)
    assert bank.rollback("pencil") == champion.version
    assert Path(bank.champion("pencil").uri, STYLE_FILE).read_bytes() == served


def test_rebuild_with_another_seed_leaves_the_champion_and_another_target_replaces_it(here):
    without = ("broken", "pencil")
    _, _, bank, _ = night(here, "2026-01-01", without=without)
    champion = bank.champion("zombie").version
    report, *_ = night(here, "2026-01-02", "domains.zombie.seed=9", without=without)
    (result,) = report.results
    assert result.outcome is Outcome.CANDIDATE
    assert "as good as the champion, which stays" in result.reason
    assert bank.champion("zombie").version == champion
    change = "domains.zombie.prompt=a red zombie"
    report, *_ = night(here, "2026-01-03", change, without=without)
    assert report.results[0].outcome is Outcome.CHAMPION
    assert "the target has changed" in report.results[0].reason


def test_versions_are_scored_on_the_same_draws_and_compared_portrait_by_portrait(here):
    without = ("broken", "pencil")
    _, engine, bank, _ = night(here, "2026-01-01", without=without)
    spec = here[1](without=without)
    data = bank.champion("zombie").style_bytes()
    job = ScoreJob(
        bundle=spec.base,
        spec=spec.domains["zombie"].spec(),
        truth="mini:zombie",
        styles={"candidate": data, "champion": data},
        probe=spec.probe,
        draws=3,
    )
    base = ProbeBase(engine.bundle, spec.probe)
    scores = score_versions(job, base)
    samples = scores.samples["candidate"]
    assert len(samples["identity"]) == 3 * spec.probe.count
    assert len(set(samples["identity"])) == 3 * spec.probe.count
    assert len(samples["diversity"]) == 3
    assert scores.metrics["candidate"]["identity"] == pytest.approx(np.mean(samples["identity"]))
    assert set(np.concatenate(list(scores.differences("candidate", "champion").values()))) == {0.0}
    once = score_versions(dataclasses.replace(job, draws=1), base)
    assert once.metrics["candidate"]["kid"] == scores.metrics["candidate"]["kid"]


def test_champion_that_cannot_be_read_gives_way(here):
    without = ("broken", "zombie")
    _, _, bank, _ = night(here, "2026-01-01", without=without)
    Path(bank.champion("pencil").uri, STYLE_FILE).write_bytes(b"half of it")
    report, *_ = night(here, "2026-01-02", "domains.pencil.seed=9", without=without)
    assert report.results[0].outcome is Outcome.CHAMPION
    assert "cannot be read" in report.results[0].reason


def test_error_of_one_training_leaves_the_others(here, monkeypatch):
    original = LocalEngine.train

    def train(self, job):
        if job.spec.name == "zombie":
            raise ItportraitError("out of memory at s3://user:secret@store/x")
        return original(self, job)

    monkeypatch.setattr(LocalEngine, "train", train)
    report, _, bank, _ = night(here, "2026-01-01", without=("broken",))
    assert outcomes(report) == {"zombie": "failed", "pencil": "champion"}
    assert "secret" not in report.results[0].reason
    assert bank.domains() == ["pencil"]


def test_same_night_again_gives_the_same_names(here):
    without = ("broken", "zombie")
    first, _, bank, _ = night(here, "2026-01-01", without=without)
    before = Path(bank.champion("pencil").uri, "domain.json").read_bytes()
    for path in sorted((here[0] / "bank").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    again, *_ = night(here, "2026-01-01", without=without)
    assert again.plan.bank_id == first.plan.bank_id
    assert again.results[0].version == first.results[0].version
    (record,) = (here[0] / "bank").rglob(f"{again.plan.bank_id}.json")
    build = json.loads(record.read_bytes())
    assert build["gate_rule"] == RULE
    assert {"noise", "draws"} <= build["spec"]["gate"].keys()
    after = json.loads(Path(bank.champion("pencil").uri, "domain.json").read_bytes())
    for card in (after, before := json.loads(before)):
        card["info"]["training"].pop("seconds", None)
    assert after == before


def test_mlflow_has_every_build_with_its_domains_and_their_models(here, mlflow_uri):
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_uri)
    without = ("broken",)
    first, _, bank, _ = night(here, "2026-01-01", without=without, tracking=mlflow_uri)
    change = "domains.zombie.prompt=a red zombie"
    second, *_ = night(here, "2026-01-02", change, without=without, tracking=mlflow_uri)
    assert outcomes(second) == {"zombie": "champion", "pencil": "unchanged"}

    found = client.get_experiment_by_name("style-bank")
    assert "`final_on_bank_probe/…` | the bank's larger probe set" in found.tags[NOTE_TAG]
    experiment = found.experiment_id
    runs = {run.info.run_name: run for run in reversed(client.search_runs([experiment]))}
    parents = [runs[f"bank-{report.plan.bank_id}"] for report in (first, second)]
    for report, parent in zip((first, second), parents, strict=True):
        assert parent.data.tags["bank_id"] == report.plan.bank_id
        assert {item.path for item in client.list_artifacts(parent.info.run_id)} == {
            "build.json",
            "images",
        }
        (sheet,) = [
            item.path
            for item in client.list_artifacts(parent.info.run_id, "images")
            if item.path.endswith(".png")
        ]
        built = [r for r in report.results if str(r.outcome) in ("champion", "candidate")]
        for result in built:
            figures = {name: result.metrics[name] for name in ("identity", "depth_variance")}
            for name, value in figures.items():
                points = client.get_metric_history(parent.info.run_id, f"{result.domain}/{name}")
                assert [point.value for point in points] == [pytest.approx(value)]
            assert f"| {result.domain} | {result.outcome} |" in parent.data.tags[NOTE_TAG]
        assert {name.partition("/")[0] for name in parent.data.metrics} == {
            result.domain for result in built
        }
        assert "contact_sheet" in sheet
        assert "+step+2+" in sheet  # both domains are on it, the unchanged one too
    children = client.search_runs(
        [experiment], f"tags.\"mlflow.parentRunId\" = '{parents[0].info.run_id}'"
    )
    assert {child.data.tags["domain"] for child in children} == {"zombie", "pencil"}
    for child in children:
        assert child.data.params["fingerprint"] == child.data.tags["fingerprint"]
        assert f"Style domain **{child.data.tags['domain']}**" in child.data.tags[NOTE_TAG]

    for domain, count in (("zombie", 2), ("pencil", 1)):
        name = f"bank-{domain}"
        assert len(client.search_model_versions(f"name='{name}'")) == count
        serving = client.get_model_version_by_alias(name, "champion")
        assert serving.tags["itportrait.version"] == bank.champion(domain).version
        assert client.get_run(serving.run_id).data.tags["domain"] == domain


def test_verdict_is_tracked_when_the_driver_dies_right_after_publication(
    here, mlflow_uri, monkeypatch
):
    publish = Bank.publish

    def publish_and_die(bank, *arguments, **options):
        publish(bank, *arguments, **options)
        raise KeyboardInterrupt

    without = ("broken", "zombie")
    with monkeypatch.context() as patch:
        patch.setattr(Bank, "publish", publish_and_die)
        with pytest.raises(KeyboardInterrupt):
            night(here, "2026-01-01", without=without, tracking=mlflow_uri)
    again, engine, bank, _ = night(here, "2026-01-01", without=without, tracking=mlflow_uri)
    assert outcomes(again) == {"pencil": "unchanged"}
    assert engine.trained == []

    from mlflow import MlflowClient

    client = MlflowClient(mlflow_uri)
    experiment = client.get_experiment_by_name("style-bank")
    (run,) = client.search_runs([experiment.experiment_id], "tags.domain = 'pencil'")
    assert run.data.tags["gate"] == "champion"
    expected = {
        f"final_on_bank_probe/{name}": value
        for name, value in bank.champion("pencil").metrics.items()
    }
    assert {name: run.data.metrics.get(name) for name in expected} == pytest.approx(expected)


def test_build_goes_on_while_mlflow_is_down(here, monkeypatch, caplog):
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(here[0] / "runs"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = "http://127.0.0.1:9"
    report, *_ = night(here, "2026-01-01", without=("broken", "zombie"), tracking=away)
    assert outcomes(report) == {"pencil": "champion"}
    assert "registered models follow with the next build" in caplog.text
    assert list((here[0] / "runs" / "mlflow_spool").glob("*.jsonl"))


def test_plan_refuses_domains_that_the_specification_lacks(here):
    folder, make = here
    with pytest.raises(UnknownNameError, match="vampire"):
        plan_build(make(), Bank(str(folder)), model_id="x", date="2026-01-01", only=["vampire"])


@pytest.mark.parametrize("date", ["tomorrow", "2026-13-01", ""])
def test_date_is_checked(date):
    with pytest.raises(InvalidArgumentError, match="--date must be YYYY-MM-DD"):
        check_date(date)


def test_truth_is_drawn_or_read(tmp_path):
    probe = EvaluationProbeConfig(count=2, kid_count=2)
    drawn = truth_images("mini:bronze", probe, 16)
    assert drawn.shape == (2, 3, 16, 16)
    assert -1 <= drawn.min() < drawn.max() <= 1
    (tmp_path / "a.png").write_bytes(encode(np.full((20, 20, 3), 255, np.uint8)))
    assert truth_images(str(tmp_path), probe, 8).shape == (1, 3, 8, 8)
    assert truth_images(None, probe, 8) is None
    with pytest.raises(NoInputError, match="there is no folder"):
        truth_images(str(tmp_path / "absent"), probe, 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoInputError, match="no pictures"):
        truth_images(str(tmp_path / "empty"), probe, 8)
    with pytest.raises(UnknownNameError):
        truth_images("mini:cubism", probe, 8)
