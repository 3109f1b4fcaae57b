"""Portraits in Python are those of the job: the same settings, the same rows, bad ones included."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from itportrait import Domain, Portraits
from itportrait.bank.store import Bank
from itportrait.errors import InvalidArgumentError, NoInputError, UnknownNameError
from itportrait.interactive import portraits, workplace
from itportrait.interactive.portrait import NoPortraitError
from itportrait.jobs.stylize.config import load_job
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.mini.samples import write_sample_portraits
from itportrait.records import StylizedRecord
from itportrait.terminal import Working
from tests.helpers.here import HereBackend
from tests.helpers.tables import read_styled

ZOMBIE = Domain("zombie", prompt="a zombie", steps=1)
SETTINGS = {
    "adapt": {"probe": {"count": 2, "every": 1}, "ite": {"batch": 1, "views": {"yaw_b": []}}},
    "gate.floors": {},
    "ingest.shard_size": 2,
    "align.size": 64,
    "invert": {"steps": 1, "statistics_samples": 64},
    "stylize": {"views_deg": [[20, 5]], "turntable_frames": 4},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_sample_portraits(str(folder), 2, 3, 192)
    (folder / "truth.parquet").unlink()
    (folder / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (80, 80)).save(folder / "empty.png")
    return folder


@pytest.fixture(scope="module")
def place(base, photos, tmp_path_factory):
    """What a call of `Portraits` is given, for all tests of this module."""
    folder = tmp_path_factory.mktemp("place")
    return {"bundle": str(base), "settings": SETTINGS, "bank": str(folder / "bank")}


@pytest.fixture(scope="module")
def people(photos, place, tmp_path_factory):
    return Portraits(str(photos), output=str(tmp_path_factory.mktemp("out")), **place)


@pytest.fixture(scope="module")
def styled(people):
    return people.stylize(ZOMBIE)


def test_the_rows_are_those_of_the_job_with_the_same_settings(styled, photos, base, tmp_path):
    items = [f"{key}={value!r}" for key, value in SETTINGS.items()]
    places = {"input": str(photos), "output": str(tmp_path / "out"), "bank": str(tmp_path / "bank")}
    config = load_job(None, items, bundle=str(base), **places)
    config = config.model_copy(update={"domains": (ZOMBIE.spec(config),)})
    model_id = styled._tables.work.bundle.model_id
    job = StylizeJob(config, model_id, HereBackend())
    job.pipeline().run(job.shards())
    own = [styled._tables.align, styled._tables.invert, styled._tables.stylize["zombie"]]
    for theirs, recipe in zip(job.recipes(), own, strict=True):
        assert recipe.config == theirs.config
        made, jobs = (
            {commit.shard: (commit.fingerprint, commit.outputs) for commit in r.table().commits()}
            for r in (recipe, theirs)
        )
        assert made == jobs
        assert made
    (row, _) = read_styled(tmp_path / "out", "zombie", pixels=True)
    assert np.array_equal(np.asarray(styled[2].view("zombie")), row.pixels[0])


def test_steps_are_shown_while_portraits_are_inverted(photos, place, monkeypatch):
    shown: list[str] = []

    class Looking(Working):
        def step(self, *given, **named):
            super().step(*given, **named)
            shown.append(self.said()[len("[00:00] ") :])

    monkeypatch.setattr(portraits, "shown_working", lambda text, wanted: Looking(text))
    Portraits(str(photos), **place)
    inverting = [text for text in shown if text.startswith("invert: ")]
    assert inverting[:2] == ["invert: 0 of 2", "invert: 0 of 2, step 1 of at most 1"]
    assert inverting[-1] == "invert: 2 of 2"


def test_a_bad_picture_says_why_and_the_others_go_on(styled):
    assert [portrait.name for portrait in styled] == [
        "broken.png",
        "empty.png",
        "portrait-00000.png",
        "portrait-00001.png",
    ]
    assert [portrait.ok for portrait in styled] == [False, False, True, True]
    assert styled[0].reason.startswith("decode: ")
    assert styled[1].reason.startswith("no_face: ")
    table = styled.table()
    assert list(table.status) == ["failed", "rejected", "ok", "ok"]
    assert list(table.reason) == ["decode", "no_face", "", ""]
    assert table.identity.notna().tolist() == [False, False, True, True]
    assert {"clip_direction", "depth_variance"} <= set(table.columns)
    with pytest.raises(NoPortraitError, match=r"'empty.png' is no portrait.*rejected, no_face"):
        styled[1].view("zombie")
    with pytest.raises(NoPortraitError, match=r"broken\.png"):
        _ = styled[0].aligned
    assert styled[1].metrics("zombie") == {}


def test_views_are_rendered_from_any_side_and_those_of_the_job_are_the_same(styled):
    row = styled[2].record("zombie")
    assert isinstance(row, StylizedRecord)
    turned = styled[2].view("zombie", yaw_deg=20, pitch_deg=5)
    close = np.asarray(turned).astype(int) - row.pixels[1]  # one alone, not in a batch of two
    assert np.abs(close).max() <= 1
    assert styled[2].view(yaw_deg=-30).size == turned.size
    assert styled[2].view() != styled[2].view("zombie")
    with pytest.raises(InvalidArgumentError, match="yaw_deg must be degrees from -90 to 90"):
        styled[2].view(yaw_deg=120)
    with pytest.raises(UnknownNameError, match="unknown domain of these portraits 'gold'"):
        styled[2].view("gold")


def test_films_and_meshes_are_saved(styled, tmp_path):
    film = styled[2].film("zombie", frames=3)
    assert (len(film.frames), film.fps) == (3, 1)
    short = styled[2].film("zombie", frames=2)  # as long as those of the job
    assert (len(short.frames), len(short.frames) / short.fps) == (4, 3)
    assert np.array_equal(short.frames[:2], short.frames[2:])
    for name in ("turn.mp4", "turn.webp"):
        film.save(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0
    with pytest.raises(InvalidArgumentError, match=r"ends in \.mp4 or \.webp"):
        film.save(tmp_path / "turn.gif")
    assert film._repr_html_().startswith("<video ")
    styled[3].mesh(resolution=16).export(tmp_path / "head.ply")
    with pytest.raises(InvalidArgumentError, match="colors must be vertices or texture, got x"):
        styled[3].mesh(colors="x")
    assert (tmp_path / "head.ply").stat().st_size > 0


def test_a_notebook_shows_the_sheet_and_the_reasons(people, styled):
    plain, sheet = people.sheet(tile=64), styled.sheet(tile=64)
    assert sheet.height == plain.height  # two lines each: the bad ones are left out
    assert sheet.width == plain.width + 70  # and one column more
    assert Image.open(io.BytesIO(styled._repr_png_())).format == "PNG"
    page = styled._repr_html_()
    assert page.count("<img ") == 1
    assert "<b>empty.png</b>: no_face: " in page
    assert Image.open(io.BytesIO(styled[2]._repr_png_())).width > 3 * 160
    assert repr(styled) == "Portraits(2 of 4 ok: zombie)"
    assert repr(people) == "Portraits(2 of 4 ok: as photographed)"
    assert people.domains == ()
    assert repr(styled[2]) == "Portrait('portrait-00000.png': zombie)"


def test_a_notebook_shows_the_first_of_many_and_says_so(styled, monkeypatch):
    monkeypatch.setattr(portraits, "_MOST_SHOWN", 1)
    page = styled._repr_html_()
    assert "<p>first 1 of 2; sheet() has all</p>" in page
    assert "<b>and</b>: 1 more; table() has all of them" in page
    shown = Image.open(io.BytesIO(styled._repr_png_()))
    assert styled.sheet().height - shown.height == 128 + 6
    whole = np.asarray(styled.sheet())
    assert np.array_equal(np.asarray(shown)[:-6], whole[: shown.height - 6])


def test_shards_are_read_once_and_without_pictures_where_none_are_wanted(styled, monkeypatch):
    work, reads = styled._tables.work, []
    read = work._read

    def counted(recipe, shard, *, pixels):
        reads.append((recipe.stage, shard, pixels))
        return read(recipe, shard, pixels=pixels)

    monkeypatch.setattr(work, "_read", counted)
    monkeypatch.setattr(workplace, "_LEAST_KEPT", 1)
    work._kept.clear()
    assert "2 of 4 ok" in repr(styled)
    for portrait in styled:
        assert portrait.ok == (not portrait.reason) == bool(portrait.metrics("zombie"))
    assert reads == [("invert", 1, False), ("stylize", 1, False)]
    reads.clear()
    work._kept.clear()
    styled.sheet()
    assert len({*reads}) == len(reads)
    assert sorted(stage for stage, _, pixels in reads if pixels) == ["align", "invert", "stylize"]


def test_rows_that_others_made_with_other_settings_are_never_taken_for_ones_own(
    photos, place, tmp_path
):
    given = {**place, "output": str(tmp_path / "out"), "progress": False}
    path = str(photos / "portrait-00000.png")
    (mine,) = people = Portraits(path, **given)
    before = mine.metrics()
    settings = {**SETTINGS, "invert": {"method": "encoder"}}
    (theirs,) = Portraits(path, **{**given, "settings": settings})
    assert mine.metrics() == before != theirs.metrics()  # which is what was read already
    with pytest.raises(NoPortraitError, match=r"settings; make the Portraits again"):
        mine.view()
    with pytest.raises(NoPortraitError, match=r"settings; make the Portraits again"):
        people.stylize("zombie")
    assert mine.aligned == theirs.aligned
    (again,) = Portraits(path, **given)
    assert again.metrics() == before


def test_where_there_is_no_portrait_at_all_the_reasons_are_shown_alone(place):
    none = Portraits(Image.new("L", (90, 60)), progress=False, **place)
    page = none._repr_html_()
    assert page.startswith("<p>Portraits(0 of 1 ok: as photographed)</p><ul><li><b>pictures[0]</b>")
    assert "<img" not in page
    assert none.table().reason.tolist() == ["no_face"]


def test_a_domain_of_the_bank_is_known_by_its_name_and_is_not_adapted_again(people, styled, place):
    versions = Bank(place["bank"]).versions("zombie")
    for given in ("zombie", ZOMBIE):
        again = people.stylize(given)
        assert np.array_equal(again[2].view("zombie"), styled[2].view("zombie"))
    assert Bank(place["bank"]).versions("zombie") == versions
    with pytest.raises(UnknownNameError, match="unknown domain 'zomby'; known: zombie"):
        people.stylize("zomby")
    with pytest.raises(InvalidArgumentError, match="one or more, each once"):
        people.stylize("zombie", ZOMBIE)
    with pytest.raises(InvalidArgumentError, match="got none"):
        people.stylize()


def test_pictures_in_memory_give_what_their_files_give(people, photos, place):
    path = photos / "portrait-00000.png"
    image = Image.open(path)
    given = [path.read_bytes(), image, np.asarray(image.convert("RGB"))]
    held = Portraits(given, progress=False, **place)
    for portrait in held:
        assert portrait.aligned == people[2].aligned
    assert [portrait.name for portrait in held] == ["pictures[0]", path.name, "pictures[2]"]


def test_a_reference_may_be_in_memory_and_says_what_cannot_be_read(people, photos):
    picture = Image.open(photos / "portrait-00001.png")
    domain = Domain("person", reference=picture, steps=1)
    assert repr(domain) == f"Domain('person', reference=['{picture.filename}'], steps=1)"
    work = people._tables.work
    from_memory = domain.job(work.job, work.bundle.model_id)
    from_file = Domain("person", reference=picture.filename, steps=1)
    assert from_memory.spec == from_file.job(work.job, work.bundle.model_id).spec
    assert from_memory.spec.mode == "image"
    assert Domain("both", "a zombie", picture).spec(work.job).mode == "image_text"
    with pytest.raises(NoInputError, match=r"reference gone.png of domain 'x' cannot be read"):
        people.stylize(Domain("x", reference="gone.png"))
    picture.close()
    with pytest.raises(NoInputError, match=r"of domain 'person' cannot be read: an image of PIL"):
        Domain("person", reference=picture).job(work.job, work.bundle.model_id)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Domain("x"), "a prompt, a reference picture, or both, got neither"),
        (lambda: Domain("a/b", prompt="a zombie"), "domain must be"),
        (lambda: Domain("x", reference=[3]), r"reference\[0\] must be a path"),
        (
            lambda: Domain("x", "a zombie", references=["a.png"]),
            "got `references`; write reference",
        ),
    ],
)
def test_a_domain_that_is_none_is_refused(make, said):
    with pytest.raises(InvalidArgumentError, match=said):
        make()


def test_settings_of_a_domain_are_checked_as_a_job_checks_them(people):
    with pytest.raises(InvalidArgumentError, match="unknown key 'stepps'; known: "):
        people.stylize(Domain("x", prompt="a zombie", stepps=3))
    with pytest.raises(InvalidArgumentError, match="unknown adaptation method 'nada'"):
        people.stylize(Domain("x", prompt="a zombie", method="nada"))


def test_words_that_no_model_knows_are_warned_of(people, capsys):
    made = people.stylize(Domain("odd", prompt="a qwzx flibber", steps=1))
    assert any("qwzx" in text for text in made.warnings["odd"])
    assert "warning: domain 'odd': unknown words: " in capsys.readouterr().err
    assert "unknown words" in made._repr_html_()


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = """
import sys
import itportrait
print([name for name in ("torch", "numpy", "pydantic") if name in sys.modules])
from itportrait import Domain, Portraits
print([name for name in ("torch", "ray", "mlflow", "IPython") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n") == ["[]", "[]", ""], done.stderr
