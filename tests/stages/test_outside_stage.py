"""A stage of somebody else's between invert and stylize: written outside of the package."""

import uuid
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from itportrait.config import Settings
from itportrait.engine.local import committed_shards, run_stage
from itportrait.engine.pieces import StageResources
from itportrait.engine.pipeline import Domain, Pipeline
from itportrait.engine.totals import Totals
from itportrait.engine.window import WindowLimits
from itportrait.errors import (
    InvalidArgumentError,
    ItportraitError,
    NoInputError,
    UnknownNameError,
)
from itportrait.io import uris
from itportrait.io.commits import read_committed
from itportrait.jobs.stylize.config import load_job
from itportrait.records import (
    AlignedRecord,
    InvertedRecord,
    Record,
    Source,
    read_later,
)
from itportrait.stages.chain import check_chain
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN, STAGES
from itportrait.stages.shards import Shard
from itportrait.stages.stage import Stage
from tests.engine.fake_engine import shards_of
from tests.engine.fake_stages import chain, computed
from tests.engine.simulated import SHARD_SIZE, Fate, SimulatedCluster
from tests.helpers.tables import read_styled

# --- What somebody else writes. ------------------------------------------------------------------


class DampConfig(Settings):
    """Settings of the stage."""

    share: float = 0.5
    """Share of a code that stays."""


@dataclass(frozen=True, kw_only=True)
class DampedRecord(InvertedRecord):
    """A portrait whose code has been drawn to the middle."""

    share: float = field(default=1.0, metadata=read_later())


@STAGES.register("damp")
class DampStage(Stage):
    """Draws codes to the middle, so that portraits look more alike."""

    name, version, follows = "damp", 1, "invert"
    record_type, takes, settings = DampedRecord, (InvertedRecord,), DampConfig
    folder, measures, uses_models = "damped", ("psnr", "share"), False

    def build(self, recipe):
        share = DampConfig.model_validate_json(recipe.config).share

        def damp(records):
            return [[DampedRecord(**{**vars(r), "w_plus": r.w_plus * share}, share=share)]
                    for r in records]  # fmt: skip

        return damp


# -------------------------------------------------------------------------------------------------


@pytest.fixture
def stages(monkeypatch):
    """Adds stages to the registry until the test ends."""

    def add(**added):
        monkeypatch.setattr(STAGES, "_items", {**STAGES._items, **added})

    return add


LONGER = (*CHAIN[:2], "damp", CHAIN[2])


def longer(output, config='{"share":0.5}', **values) -> list[Recipe]:
    """Return the recipes of the fake stages, with the stage of somebody else between them."""
    align, invert, *styles = chain(output, **values)
    damp = replace(invert, stage="damp", builder="", config=config)
    return [align, invert, damp, *(replace(style, after=LONGER[:3]) for style in styles)]


def test_stage_takes_the_last_record_of_its_type():
    *_, stylize = longer("out")
    assert stylize.takes == ("align", "damp")
    assert stylize.reads == ("align", "damp")
    assert chain("out")[2].takes == ("align", "invert")
    assert longer("out")[2].before == CHAIN[:2]
    assert stylize.fingerprint == chain("out")[2].fingerprint


def test_chain_runs_here_and_a_change_of_the_stage_reaches_the_next(photos, tmp_path):
    folder, out, log = photos("a.png", "b.png", "noface.png"), tmp_path / "out", tmp_path / "log"
    log.mkdir()

    def run(**values):
        align, *later = longer(out, log=log, **values)
        run_stage(align, shards_of(folder, 2))
        return [run_stage(recipe, committed_shards(recipe)) for recipe in later]

    assert [(stage.ok, stage.computed) for stage in run()] == [(2, 2)] * 3
    (codes, damped) = (
        list(read_committed(str(out / name), kind, pixels=True))
        for name, kind in (("inverted", InvertedRecord), ("damped", DampedRecord))
    )
    for code, less in zip(codes, damped, strict=True):
        np.testing.assert_allclose(less.w_plus, code.w_plus * 0.5)
        assert (code.pixels, less.share) == (None, 0.5)
    run()
    assert [len(computed(log, stage)) for stage in ("invert", "stylize-bronze")] == [2, 2]
    again = run(config='{"share":0.25}')
    assert again[1].mean("share") == 0.25
    assert [len(computed(log, stage)) for stage in ("invert", "stylize-bronze")] == [2, 4]
    assert len(read_styled(out, "bronze")) == 2


def test_what_lacks_the_stage_names_the_job_that_runs_it(photos, tmp_path):
    align, invert, damp, stylize = longer(tmp_path / "out")
    run_stage(align, shards_of(photos("a.png"), 2))
    run_stage(invert, committed_shards(invert))
    with pytest.raises(NoInputError, match=r"run workflows/stylize_dataset.py, .*'damp', first$"):
        next(committed_shards(stylize))
    with pytest.raises(NoInputError, match=r"run `itportrait align` first$"):
        next(committed_shards(replace(invert, output=str(tmp_path / "empty"))))
    run_stage(damp, committed_shards(damp))
    path = uris.join(damp.table().root, damp.table().read_commit(0).files["records"].path)
    uris.remove(path)
    with pytest.raises(
        ItportraitError, match=r"stylize_dataset.py, .*'damp', again, and then this"
    ):
        run_stage(stylize, committed_shards(stylize))


@pytest.mark.parametrize("faults", [[], [Fate.NODE, Fate.MEMORY, Fate.STORAGE] * 3])
def test_chain_runs_through_the_pipeline_whatever_befalls_it(faults):
    *first, style = longer(f"memory://outside/{uuid.uuid4().hex}")
    poison = frozenset({("damp", 1, 2)})
    cluster = SimulatedCluster(fates=list(faults), poison=poison, slots=3)
    shards = [
        Shard(i, tuple(Source(uri=f"{i}-{n}.png") for n in range(SHARD_SIZE))) for i in range(3)
    ]
    counted: Counter = Counter()

    def count(stage, counts, seconds):
        counted.update({(stage, status): number for status, number in counts.items()})

    pipeline = Pipeline(
        first,
        [Domain(style.domain, style, stage=style.stage)],
        executor=cluster,
        limits=WindowLimits(in_flight=4, backoff_s=0.05),
        resources=dict.fromkeys(LONGER, StageResources()),
        totals=Totals(),
        on_shard=count,
        clock=cluster.clock,
    )
    pipeline.run(shards)
    for stage in CHAIN[:2]:
        assert counted[stage, "ok"] == 3 * SHARD_SIZE
    assert (counted["damp", "ok"], counted["damp", "failed"]) == (3 * SHARD_SIZE - 1, 1)
    assert counted[CHAIN[2], "ok"] == 3 * SHARD_SIZE - 1
    assert pipeline.totals.stage(style.name).after == "damp"


def test_job_takes_the_stage_and_its_settings(tmp_path):
    values = [f"stages=[{', '.join(LONGER)}]", "options.damp.share=0.3"]
    values.append("resources.others={damp: {cpus: 0.5}}")
    job = load_job(None, values, input="in", output=str(tmp_path))
    recipe = job.recipe("damp", "model")
    assert (recipe.after, recipe.model_id) == (LONGER[:2], "")
    assert DampConfig.model_validate_json(recipe.config).share == 0.3
    assert job.resources.share("damp").cpus == 0.5
    assert job.recipe(CHAIN[2], "model").takes == ("align", "damp")
    assert uris.join(str(tmp_path), "damped") == recipe.table().root


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["stages=[align, invert, dampp, stylize]"], "unknown stage 'dampp'; known: align, damp"),
        ([f"stages=[{', '.join(LONGER)}]", "options.damp.sharee=1"], "sharee"),
        (["options.damp.share=1"], "options.damp"),
        (["resources.others={damp: {cpus: 2}}"], "resources.others.damp: expected a stage of"),
        (["resources.others={invert: {cpus: 2}}"], "resources.others.invert: expected a stage of"),
        (["stages=[align, damp, stylize]"], "a stage before 'damp' that makes a InvertedRecord"),
        (["stages=[invert, stylize]"], "'invert' must be behind another stage"),
        (["stages=[align, stylize, invert]"], "the last stage, which alone runs once for each"),
        (["stages=[align, invert, damp]"], "'damp' must be"),
        (["stages=[]"], "stages must be one stage or more, got none"),
        (["stages=[align, align, invert, stylize]"], "each stage once"),
    ],
)
def test_chain_that_cannot_run_is_refused_at_once(values, message):
    with pytest.raises(InvalidArgumentError, match=message):
        load_job(None, values, input="in", output="out")


@dataclass(frozen=True, kw_only=True)
class JudgedRecord(Record):
    """A portrait with a verdict; rows of failed portraits need the first two fields, too."""

    uri: str
    camera: np.ndarray | None
    verdict: str = ""


@dataclass(frozen=True, kw_only=True)
class GradedRecord(Record):
    """A portrait in a style, with a field that no record before it has."""

    domain: str
    version: str
    grade: str


class JudgeStage(DampStage):
    name, folder, record_type, takes = (
        "judge",
        "judged",
        JudgedRecord,
        (AlignedRecord, InvertedRecord),
    )


class GradeStage(JudgeStage):
    name, folder, record_type, per_domain = "grade", "graded", GradedRecord, True


class FilledGradeStage(GradeStage):
    def failed_row(self, recipe, item, status, error):
        return GradedRecord(
            record_id=item[-1].record_id,
            domain=recipe.domain,
            version=recipe.version,
            grade="none",
            status=status,
            error=error,
        )


def judged(tmp_path, photos, **changes) -> list[Record]:
    """Return the rows of the judging stage, whose function raises."""
    align, invert, *_ = chain(tmp_path / "out")
    run_stage(align, shards_of(photos("a.png"), 2))
    run_stage(invert, committed_shards(invert))
    judge = replace(invert, stage="judge", builder=f"{__name__}:build_defect", **changes)
    run_stage(judge, committed_shards(judge))
    return list(read_committed(judge.table().root, JudgedRecord))


def build_defect(recipe):
    def judge(items):
        raise KeyError("a defect of the stage")

    return judge


def test_rows_of_failed_items_take_their_fields_from_the_item(photos, tmp_path, stages):
    stages(judge=JudgeStage)
    (row,) = judged(tmp_path, photos, after=CHAIN[:2])
    (align,) = read_committed(str(tmp_path / "out" / "aligned"), AlignedRecord)
    (code,) = read_committed(str(tmp_path / "out" / "inverted"), InvertedRecord)
    assert (row.record_id, row.uri) == (code.record_id, align.uri)
    np.testing.assert_array_equal(row.camera, code.camera)
    assert (str(row.status), row.error.type) == ("failed", "KeyError")


def test_a_stage_that_cannot_make_rows_of_failed_items_is_refused(stages):
    stages(judge=JudgeStage, grade=GradeStage)
    check_chain((*CHAIN[:2], "judge", CHAIN[2]))
    with pytest.raises(InvalidArgumentError, match="GradedRecord with grade; give these fields"):
        check_chain((*CHAIN[:2], "grade"))
    stages(grade=FilledGradeStage)
    check_chain((*CHAIN[:2], "grade"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "polish", "folder": "inverted"}, "'inverted', the place of 'invert'; set"),
        ({"name": "polish", "folder": "Inverted"}, "'Inverted', the place of 'invert'; set"),
        ({"name": "polish", "folder": "gallery"}, "'gallery', the place of the job; set `folder`"),
        ({"name": "polish", "folder": "../out"}, "folder of the stage 'polish' must be a name"),
        ({"folder": "polished"}, "the one it is registered under, got 'damp'; set `name` of Pol"),
    ],
)
def test_a_stage_without_a_name_or_folder_of_its_own_is_refused(stages, changes, message):
    stages(polish=type("PolishStage", (DampStage,), changes))
    with pytest.raises(InvalidArgumentError, match=message):
        check_chain((*CHAIN[:2], "polish", CHAIN[2]))


@pytest.mark.parametrize("name", ["train", "publish", "pixels"])
def test_a_stage_with_the_name_of_another_section_is_refused(stages, name):
    stages(**{name: type("OtherStage", (DampStage,), {"name": name})})
    values = [f"stages=[align, invert, {name}, stylize]"]
    with pytest.raises(InvalidArgumentError, match=f"stage '{name}' has the name of a section"):
        load_job(None, values, input="in", output="out")


def test_unknown_stages_are_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown stage 'smooth'; known: align, damp, inv"):
        check_chain(("align", "smooth"))
