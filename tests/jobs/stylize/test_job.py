"""The main job without Ray: domains, engine, pages, files and report, all in this process."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from itportrait.adapt import DomainSpec
from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import load_bundle
from itportrait.engine.pieces import StageResources
from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.io.commits import read_committed
from itportrait.io.lease import Lease
from itportrait.jobs.stylize.config import JobConfig
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.jobs.stylize.publish import deliver_files, publish_pages
from itportrait.jobs.stylize.run_report import known_model_id, write_run
from itportrait.jobs.stylize.summary import print_summary
from itportrait.mini.samples import write_sample_portraits
from itportrait.records import InvertedRecord
from itportrait.results.config import PublishConfig
from itportrait.stages.chain import JOB_PLACES
from itportrait.stages.registry import STAGES
from itportrait.styles import WeightDelta
from itportrait.stylize.stage import StylizeStage
from tests.helpers.here import HereBackend, HereExecutor
from tests.helpers.tables import read_styled
from tests.helpers.tiny_family import tint
from tests.helpers.tiny_folder import write_tiny_bundle

SMALL = {"probe": {"count": 2, "every": 1}, "ite": {"batch": 1, "views": {"yaw_b": []}}}
ZOMBIE = {"name": "zombie", "mode": "text", "prompt": "a zombie", "steps": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    write_tiny_bundle(folder / "bundle")
    write_sample_portraits(str(folder / "photos"), 2, 3, 192)
    (folder / "photos" / "broken.png").write_bytes(b"no picture")
    return folder


def config(place, **changes) -> JobConfig:
    values = {
        "bundle": str(place / "bundle"),
        "input": str(place / "photos"),
        "output": str(place / "out"),
        "bank": str(place / "bank"),
        "domains": [ZOMBIE],
        "adapt": SMALL,
        "ingest": {"shard_size": 2},
        "align": {"size": 64},
        "invert": {"steps": 1, "statistics_samples": 64},
        "publish": {"deliverables": {"depth": True}},
    }
    return JobConfig.parse(values | changes)


def run(settings: JobConfig) -> tuple[StylizeJob, HereBackend, str]:
    """Run a job to its end; return it, its backend and what its summary says."""
    backend = HereBackend()
    job = StylizeJob(settings, load_bundle(settings.bundle).model_id, backend)
    said = Console(file=io.StringIO(), width=200)
    with Lease(settings.output, what="test") as lease:
        job.pipeline(lease=lease).run(job.shards())
        publish_pages(job)
        deliver_files(job, lease.check)
        job.tracking.close()
        write_run(job, "finished")
    print_summary(job, said)
    return job, backend, said.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_photos_to_stylized_portraits_and_a_second_run_that_finds_all_done(place):
    settings = config(place)
    job, backend, said = run(settings)
    job.raise_failed_domains()
    assert backend.trained == ["zombie"]
    assert job.final_counts() == {"ok": 2, "rejected": 0, "failed": 1}
    assert "3 inputs: 2 ok, 0 rejected, 1 failed" in said
    aligned = [counts for stage, counts in backend.counted if stage == "align"]
    assert sum(counts["ok"] for counts in aligned) == 2
    out = place / "out"
    tables = {"aligned", "inverted", "stylized"}
    assert {path.name for path in out.iterdir()} - tables <= {*JOB_PLACES, "_lease"}
    about = json.loads((out / "run.json").read_text())
    assert about["stages"]["invert"]["precision"] == {"fp32": 2}
    assert about["stages"]["stylize zombie"]["precision"] == {"fp32": 2}
    assert about["stages"]["align"]["precision"] == {}
    assert about["status"] == "finished"
    assert about["counts"] == job.final_counts()
    assert about["deliverables"]["zombie"]["files"] == 2
    assert about["tracking"]["uri"] == "none"
    pages = {path.name: path.stat().st_mtime_ns for path in (out / "gallery").iterdir()}
    assert {"index.html", "review.html", "contact_sheet.png"} <= pages.keys()
    assert len(list((out / "deliverables").rglob("depth.png"))) == 2

    again, backend, said = run(settings)
    assert (backend.trained, backend.counted) == ([], [])
    assert "Nothing to do" in said
    assert again.deliverables == job.deliverables
    assert pages == {path.name: path.stat().st_mtime_ns for path in (out / "gallery").iterdir()}


def test_an_adaptation_in_a_task_is_published_and_leaves_no_state(place, tmp_path):
    places = {"output": str(tmp_path / "out"), "bank": str(tmp_path / "bank")}
    changes = {"adaptation": "tasks", "publish": {"portraits": 0}, "gate": {"floors": {}}}
    job, backend, _ = run(config(place, **changes, **places))
    job.raise_failed_domains()
    assert backend.trained == []
    assert job.final_counts() == {"ok": 2, "rejected": 0, "failed": 1}
    assert Bank(places["bank"]).champion("zombie").spec["prompt"] == "a zombie"
    assert not list((tmp_path / "bank" / "_training").iterdir())
    with pytest.raises(InvalidArgumentError, match="ray_train where train"):
        config(place, adaptation="tasks", train={"num_workers": 2})


def test_a_bank_that_is_begun_is_said_before_anything_is_made(place, tmp_path):
    """A place that is mistyped looks like a bank that does not stand yet."""
    bank = str(tmp_path / "bnak")
    settings = config(place, bank=bank, output=str(tmp_path / "out"))
    model_id = load_bundle(settings.bundle).model_id
    (said,) = StylizeJob(settings, model_id, HereBackend()).said_before()
    assert said.startswith(f"no bank at {bank} yet: one is begun there; if the place is mistyped")
    nothing = settings.model_copy(update={"domains": ()})
    assert StylizeJob(nothing, model_id, HereBackend()).said_before() == []
    assert list(tmp_path.iterdir()) == []


def test_words_that_no_model_knows_are_said_everywhere(place):
    prompt = {**ZOMBIE, "name": "odd", "prompt": "a qwzx flibber"}
    strange = {"size": 64, "encoder_camera_distance": 1e-6}  # all people are, to tiny models
    settings = config(place, domains=[prompt], output=str(place / "odd"), align=strange)
    settings = settings.model_copy(update={"publish": PublishConfig(portraits=2, turntables=0)})
    model_id = load_bundle(settings.bundle).model_id
    job = StylizeJob(settings, model_id, HereBackend())
    assert "'qwzx', 'flibber'" in job.said_of_domains()[0]  # before any work
    with pytest.raises(InvalidArgumentError, match=r"--strict .* 'qwzx', 'flibber'"):
        StylizeJob(settings, model_id, HereBackend(), strict=True)
    assert not (place / "odd").exists()
    _, _, said = run(settings)
    assert "unknown words" in said.split("Domains, means")[1].split("Warning")[0]
    assert "Warning: domain 'odd': unknown words: " in said
    bank = Bank(settings.bank)
    with pytest.raises(InvalidArgumentError, match=r"candidates alone .*itportrait bank promote"):
        bank.champion("odd")  # one step of tiny models shows nothing
    card = bank.read("odd", *bank.versions("odd"))
    assert "qwzx" in card.warnings[0]
    assert card.warnings[1].startswith("weak style: clip_reach 0.0")
    assert "unknown words, weak style" in said
    shown = (place / "bank/odd" / card.version / "card.md").read_text()
    assert "published as candidate: clip_reach 0.0" in shown
    assert "**warning** unknown words: " in shown
    assert "**warning** weak style: " in shown
    about = json.loads((place / "odd/run.json").read_text())
    assert about["domains"]["odd"]["warnings"] == card.warnings
    for page in ("gallery/index.html", "report.html"):
        assert "&#x27;qwzx&#x27;" in (place / "odd" / page).read_text()
    page = (place / "odd/gallery/index.html").read_text()
    assert page.count("outside of the models' domain") == 1
    again, _, said = run(settings)
    assert again.warnings["odd"] == card.warnings
    assert "Warning: domain 'odd'" in said


@pytest.mark.slow
def test_a_job_that_ends_in_a_stage_of_somebody_elses_counts_its_domains(place, monkeypatch):
    class PaintStage(StylizeStage):
        name, folder = "paint", "painted"

    monkeypatch.setattr(STAGES, "_items", {**STAGES._items, "paint": PaintStage})
    bundle = load_bundle(str(place / "bundle"))
    bank = Bank(str(place / "painted-bank"))
    spec = DomainSpec.parse({"name": "red", "mode": "text", "prompt": "red"})
    version = BankVersion(
        domain="red",
        version="v1",
        base_model_id=bundle.model_id,
        spec=spec.portable(),
        info={"base": str(place / "bundle")},
    )
    style = replace(tint(bundle, 0), domain="red")
    bank.publish(version, {"adapter.safetensors": style.to_bytes()})
    settings = config(
        place,
        output=str(place / "painted"),
        bank=bank.uri,
        domains=["red", ZOMBIE],
        stages=["align", "invert", "paint"],
    )
    job, _, said = run(settings)
    assert list(job.totals.stages) == ["align", "invert", "paint red", "paint zombie"]
    assert [job.totals.stage(domain.stage_name).ok for domain in job.domains] == [2, 2]
    assert "paint zombie" in said
    about = json.loads((place / "painted" / "run.json").read_text())
    assert about["stages"]["paint red"]["cpu_seconds"] > 0
    assert len(read_styled(place / "painted", "red", stage="paint")) == 2


@pytest.mark.slow
def test_the_models_id_is_taken_from_the_former_run_while_the_bundle_is_the_same(place):
    settings, executor = config(place, output=str(place / "other"), domains=[]), HereExecutor()
    found = known_model_id(settings, executor)
    assert len(executor.calls) == 1
    job = StylizeJob(settings, found, HereBackend())
    write_run(job, "finished")
    assert known_model_id(settings, executor) == found
    assert len(executor.calls) == 1
    about = place / "bundle" / "model.json"
    about.write_text(about.read_text() + "\n")
    assert known_model_id(settings, executor) == found
    assert len(executor.calls) == 2


@pytest.mark.slow
def test_a_domain_that_cannot_be_adapted_is_named_and_the_photos_are_kept(place, monkeypatch):
    def refuse(self, job, train, *, storage):
        raise ItportraitError("no memory at s3://user:secret@store/bank")

    monkeypatch.setattr(HereBackend, "train", refuse)
    settings = config(place, output=str(place / "failed"), bank=str(place / "empty"))
    job, _, said = run(settings)
    with pytest.raises(ItportraitError, match="1 of 1 domains failed: no memory") as raised:
        job.raise_failed_domains()
    assert "secret" not in str(raised.value)
    assert "failed" in said
    assert job.totals.stage("invert").ok == 2
    about = json.loads((place / "failed" / "run.json").read_text())
    assert about["domains"]["zombie"]["version"] is None
    assert "secret" not in json.dumps(about)


@pytest.mark.slow
def test_tuned_portraits_go_through_every_stage_and_are_resumed(place):
    tuned = {
        "steps": 1,
        "statistics_samples": 64,
        "method": "pti",
        "tune": "always",
        # Random pictures of a random generator: any change may count as worse from the side.
        "methods": {
            "pti": {"steps": 3, "lr": 0.02, "side_loss": 100, "depth_variance": [0, 100]},
        },
    }
    plain, _, _ = run(config(place, output=str(place / "plain")))
    settings = config(place, output=str(place / "tuned"), invert=tuned)
    job, _, _ = run(settings)
    assert job.final_counts() == plain.final_counts()
    assert len(list((place / "tuned" / "inverted" / "weights").iterdir())) == 2  # shards
    assert not (place / "plain" / "inverted" / "weights").exists()

    def read(folder):
        rows = read_committed(str(place / folder / "inverted"), InvertedRecord)
        return {row.record_id: row for row in rows}

    rows = read("tuned")
    good = [row for row in rows.values() if row.status == "ok"]
    assert len(good) == 2
    for row in good:
        changes = WeightDelta.from_bytes(row.weights).changes
        assert max(float(change.abs().max()) for change in changes.values()) > 0
        assert row.tuning == "tuned"
        assert row.psnr > read("plain")[row.record_id].psnr
    styled, untuned = (
        {row.record_id: row for row in read_styled(place / folder, "zombie")}
        for folder in ("tuned", "plain")
    )
    for row in good:
        assert styled[row.record_id].status == "ok"
        assert styled[row.record_id].identity != untuned[row.record_id].identity

    _, backend, said = run(settings)
    assert backend.counted == []
    assert "Nothing to do" in said


@pytest.mark.parametrize(
    ("cores", "gpus", "shares", "expected"),
    [
        (16.0, 0.0, [(1, 0), (2, 0)], 32),
        (16.0, 1.0, [(1, 0), (2, 0.5), (1, 0.5)], 36),
        (4.0, 8.0, [(1, 0.4)], 32),  # a third task of 0.4 fits on no GPU
        (4.0, 8.0, [(1, 0), (2, 2)], 16),
        (1.0, 0.0, [(2, 0)], 2),
    ],
)
def test_twice_as_many_tasks_as_run_at_once_are_in_flight(place, cores, gpus, shares, expected):
    backend = HereBackend()
    backend.cores, backend.gpus = cores, gpus
    job = StylizeJob(config(place, domains=[]), "model", backend)
    assert job.twice_the_slots([StageResources(*share) for share in shares]) == expected
