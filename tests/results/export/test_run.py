"""Exports of an output: all forms, whole and the same bytes, however often they are stopped."""

import csv
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from itportrait.errors import InvalidArgumentError, NoInputError, UnknownNameError
from itportrait.image import decode
from itportrait.io import uris
from itportrait.io.names import check_path
from itportrait.results.delivery import digest_of
from itportrait.results.export.layouts import LAYOUTS, Dataset, Files, WebDataset
from itportrait.results.export.names import Template
from itportrait.results.export.pictures import StylizedPictures
from itportrait.results.export.row import index_schema
from itportrait.results.export.run import Export, run_export
from itportrait.stages.recipe import stage_table
from tests.helpers.small_output import DOMAINS, SHARDS, VIEWS_DEG, write_small_output
from tests.helpers.tables import read_styled

RELEASE = Path(__file__).parents[2] / "data" / "release-0.1" / "out"
PHOTOS = 12
"""Faces of the output's photos that are not turned away, copies among them."""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return write_small_output(tmp_path_factory.mktemp("small") / "out")


@pytest.fixture
def small_parts(monkeypatch):
    """Let parts end after a few pictures, so that there are several."""
    for layout in (Files, WebDataset, Dataset):
        monkeypatch.setattr(layout, "most_pictures", 15)


def export(output, destination, to="files", *, domains=(), views=(), deliverables=False, **values):
    pictures = StylizedPictures.of(str(output), domains, views, deliverables=deliverables)
    return Export(pictures=pictures, destination=str(destination), to=to, **values)


def content(folder):
    """Return the bytes of all files of an export but its state and its lease."""
    tree = uris.read_tree(str(folder))
    return {name: data for name, data in tree.items() if not name.startswith("_export/")}


def index(folder):
    return pq.read_table(f"{folder}/index").to_pylist()


def test_a_destination_below_a_file_is_refused(output, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidArgumentError, match="DEST must be a folder that can be written to"):
        run_export(export(output, tmp_path / "file" / "x"))


def test_a_finished_export_needs_no_place_that_takes_files(output, tmp_path, monkeypatch):
    def refuse(uri, argument):
        raise InvalidArgumentError(argument, expected="to be written to", actual=uri)

    wanted = export(output, tmp_path / "x")
    run_export(wanted)
    monkeypatch.setattr(uris, "check_place", refuse)
    assert run_export(wanted).written == 0


def test_every_photo_has_its_pictures_and_the_index_says_which(output, tmp_path):
    done = run_export(export(output, tmp_path / "x"))
    rows = index(tmp_path / "x")
    assert done.pictures == len(rows) == PHOTOS * len(DOMAINS) * len(VIEWS_DEG)
    photos = {uri for shard in SHARDS for uri in shard if "no face" not in uri}
    assert {row["uri"] for row in rows} == photos
    assert {(row["style"], row["view"]) for row in rows} == {
        (d, v) for d in DOMAINS for v in range(3)
    }
    truth = {
        (record.record_id, domain, view): pixels
        for domain in DOMAINS
        for record in read_styled(output, domain, pixels=True)
        for view, pixels in enumerate(record.pixels)
    }
    for row in rows:
        assert (row["yaw_deg"], row["pitch_deg"]) == pytest.approx(VIEWS_DEG[row["view"]])
        shown = decode((tmp_path / "x" / row["file"]).read_bytes())
        np.testing.assert_array_equal(shown, truth[row["record_id"], row["style"], row["view"]])
        assert (row["identity"], row["shard"]) == (0.75, None)
    hidden = [row for row in rows if "hidden" in row["uri"]]
    assert {row["face_index"] for row in hidden} == {0, 1}
    (copied,) = {row["duplicate_of"] for row in rows if "copy" in row["uri"]}
    assert copied == "/b/IMG_1.jpg"
    assert [path.name for path in (tmp_path / "x" / "_export").iterdir()] == ["state.json"]


def test_names_are_portable_and_tell_the_photo(output, tmp_path):
    done = run_export(export(output, tmp_path / "x"))
    rows = index(tmp_path / "x")
    files = [check_path(row["file"], "file") for row in rows]
    assert len({file.casefold() for file in files}) == len(files)
    assert sorted(files) == [
        name for name in uris.list_tree(str(tmp_path / "x")) if "pictures/" in name
    ]
    assert done.numbered == len(DOMAINS) * len(
        VIEWS_DEG
    )  # img_1.png has content and name of another
    (first,) = [
        row
        for row in rows
        if row["uri"] == "/a/IMG_1.JPG"
        and row["view"] == row["face_index"]
        and row["style"] == "bronze"
    ]
    assert first["file"] == f"pictures/IMG_1-{first['record_id']}-bronze-0.png"


def test_the_index_is_a_spreadsheet_too(output, tmp_path):
    run_export(export(output, tmp_path / "x", domains=["bronze"], views=[0]))
    with (tmp_path / "x" / "index.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    rows = index(tmp_path / "x")
    assert [row["file"] for row in found] == [row["file"] for row in rows]
    assert list(found[0]) == index_schema().names
    assert [float(row["yaw_deg"]) for row in found] == pytest.approx([-3.2] * PHOTOS)
    assert {row["clip_image"] for row in found} == {""}


def test_tar_shards_are_read_by_webdataset(output, tmp_path, small_parts):
    import webdataset

    done = run_export(export(output, tmp_path / "x", "webdataset"))
    assert done.parts == 5
    shards = sorted(map(str, (tmp_path / "x").glob("pictures-*.tar")))
    assert len(shards) == 5
    found = list(
        webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("rgb8")
    )
    rows = index(tmp_path / "x")
    assert [sample["__key__"] for sample in found] == [
        row["file"].rpartition(".")[0] for row in rows
    ]
    for sample, row in zip(found, rows, strict=True):
        assert sample["json"] == {name: value for name, value in row.items() if name != "shard"}
        assert sample["png"].shape == (8, 8, 3)
        assert uris.exists(f"{tmp_path}/x/{row['shard']}")


def test_a_dataset_is_read_in_one_line(output, tmp_path, small_parts, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    run_export(export(output, tmp_path / "x", "datasets", views=[0, 2]))
    found = datasets.load_dataset(str(tmp_path / "x"), split="train")
    assert found.num_rows == PHOTOS * len(DOMAINS) * 2
    assert found.column_names == [
        "image",
        *(name for name in index_schema().names if name != "shard"),
    ]
    first = found[0]
    assert isinstance(first["image"], Image.Image)
    assert first["image"].size == (8, 8)
    assert (first["uri"], first["style"], first["view"]) == ("/a/IMG_1.JPG", "bronze", 0)
    assert isinstance(found.features["image"], datasets.Image)
    assert found.features["yaw_deg"].dtype == "float64"
    card = (tmp_path / "x" / "README.md").read_text()
    assert all(f"| `{name}` | " in card for name in found.column_names)


@pytest.mark.parametrize("to", LAYOUTS)
def test_what_was_stopped_goes_on_to_the_same_bytes(output, tmp_path, small_parts, to):
    run_export(export(output, tmp_path / "whole", to))
    whole = content(tmp_path / "whole")

    def stop(pictures):
        raise KeyboardInterrupt

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            run_export(export(output, tmp_path / "x", to), stop)
    assert not uris.exists(f"{tmp_path}/x/index.csv")
    done = run_export(export(output, tmp_path / "x", to), lambda pictures: None)
    assert content(tmp_path / "x") == whole
    assert (done.parts, done.written) == (5, 0)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("*")}
    again = run_export(export(output, tmp_path / "x", to), stop)
    assert (again.pictures, again.written) == (done.pictures, 0)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("*")} == before


@pytest.mark.parametrize("to", LAYOUTS)
def test_any_store_may_be_the_destination(output, tmp_path, to):
    place = f"memory://{tmp_path}/x"
    run_export(export(output, place, to))
    run_export(export(output, tmp_path / "x", to))
    assert content(place) == content(tmp_path / "x")


def test_object_stores_are_a_destination(output, tmp_path, s3):
    run_export(export(output, f"{s3}/x", "webdataset"))
    run_export(export(output, tmp_path / "x", "webdataset"))
    assert content(f"{s3}/x") == content(tmp_path / "x")
    assert run_export(export(output, f"{s3}/x", "webdataset")).written == 0


def test_two_exports_are_never_mixed(output, tmp_path):
    run_export(export(output, tmp_path / "x", domains=["bronze"]))
    before = content(tmp_path / "x")
    with pytest.raises(
        InvalidArgumentError, match=r"another one: domains \['bronze'\] in place of"
    ):
        run_export(export(output, tmp_path / "x"))
    with pytest.raises(InvalidArgumentError, match="to 'files' in place of 'webdataset'"):
        run_export(export(output, tmp_path / "x", "webdataset", domains=["bronze"]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(InvalidArgumentError, match=r"which holds note\.txt; choose another folder"):
        run_export(export(output, tmp_path / "full"))
    with pytest.raises(InvalidArgumentError, match=r"note\.txt, a file; choose another folder"):
        run_export(export(output, tmp_path / "full" / "note.txt"))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note.txt"]
    with pytest.raises(InvalidArgumentError, match="a folder outside of the tables"):
        export(output, f"{output}/stylized/records/x")
    assert content(tmp_path / "x") == before


def test_an_output_that_changed_is_not_mixed_with_what_it_was(tmp_path):
    out = write_small_output(tmp_path / "out", shards=SHARDS[:2])
    run_export(export(out, tmp_path / "x"))
    write_small_output(tmp_path / "out")
    with pytest.raises(InvalidArgumentError, match="same tables with other contents"):
        run_export(export(out, tmp_path / "x"))
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    run_export(export(moved, tmp_path / "y"))
    moved.rename(tmp_path / "out")
    assert run_export(export(out, tmp_path / "y")).written == 0  # the same, wherever it lies


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("to", LAYOUTS)
def test_files_that_are_gone_are_made_again(output, tmp_path, small_parts, to, finished):
    wanted = export(output, tmp_path / "x", to)
    done = run_export(wanted)
    whole = content(tmp_path / "x")
    state = tmp_path / "x" / "_export" / "state.json"
    for gone in sorted(whole)[:: max(1, len(whole) // 8)]:
        if not finished:
            state.write_text(json.dumps({**json.loads(state.read_text()), "finished": False}))
        (tmp_path / "x" / gone).unlink()
        again = run_export(wanted)
        assert (again.pictures, again.parts) == (done.pictures, done.parts)
        assert content(tmp_path / "x") == whole, gone
    assert run_export(wanted).written == 0


def test_an_export_of_tables_that_change_meanwhile_is_not_finished(tmp_path, small_parts):
    out = write_small_output(tmp_path / "out", shards=SHARDS[:2])
    changes = []

    def change(pictures):
        if not changes:
            changes.append(write_small_output(tmp_path / "out"))

    wanted = export(out, tmp_path / "x")
    with pytest.raises(InvalidArgumentError, match=r"tables changed in the meantime; wait until"):
        run_export(wanted, change)
    assert not json.loads((tmp_path / "x" / "_export" / "state.json").read_text())["finished"]
    assert not (tmp_path / "x" / "index.csv").exists()


def test_what_is_not_there_is_told_before_anything_is_written(output, tmp_path):
    with pytest.raises(NoInputError, match="no stylized portraits at"):
        export(tmp_path / "nothing", tmp_path / "x")
    with pytest.raises(UnknownNameError, match=r"unknown domain 'tin'; known: bronze, v1\.2"):
        export(output, tmp_path / "x", domains=["tin"])
    for views in ([3], [0, 3], [3, 2]):
        with pytest.raises(UnknownNameError, match="unknown view '3'; known: 0, 1, 2"):
            export(output, tmp_path / "x", views=views)
    for values in ({"to": "zip"}, {"format": "gif"}, {"shard_mb": 0}):
        with pytest.raises((UnknownNameError, InvalidArgumentError)):
            export(output, tmp_path / "x", **values)
    assert list(tmp_path.iterdir()) == []


def test_deliverables_come_along_under_the_names_of_their_photos(tmp_path, small_parts):
    out = write_small_output(tmp_path / "out", shards=SHARDS[:1])
    first, *_ = (record.record_id for record in read_styled(out, "bronze"))
    files = {f"{first}/{name}": name.encode() for name in ("mesh.glb", "mesh.ply", "pasted.png")}
    root = f"{out}/deliverables/domain=bronze"
    for name, data in files.items():
        uris.put_bytes(f"{root}/{name}", data)
    uris.put_bytes(
        f"{root}/_commits/00000.json", uris.to_json({"fingerprint": "f", "files": [*files]})
    )
    wanted = export(out, tmp_path / "x", deliverables=True)

    def stop(pictures):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_export(wanted, stop)
    assert run_export(wanted).pictures == 3 * len(DOMAINS) * len(VIEWS_DEG) + len(files)
    found = [row for row in index(tmp_path / "x") if row["kind"] != "view"]
    assert {(row["kind"], row["view"], row["yaw_deg"]) for row in found} == {
        ("mesh", None, None),
        ("pasted", None, None),
    }
    place = tmp_path / "x" / "pictures" / f"IMG_1-{first}-bronze-"
    for name in ("mesh.glb", "mesh.ply", "pasted.png"):
        assert Path(f"{place}{name}").read_bytes() == name.encode()
    with pytest.raises(InvalidArgumentError, match="deliverables True in place of False"):
        run_export(export(out, tmp_path / "x"))
    with pytest.raises(InvalidArgumentError, match="deliverables must be exported to files"):
        export(out, tmp_path / "y", "datasets", deliverables=True)


def test_deliverables_of_portraits_that_were_stylized_anew_are_left_out(tmp_path):
    out = write_small_output(tmp_path / "out", shards=SHARDS[:1])
    commit = stage_table(out, "stylize", "bronze").read_commit(0)
    first, *_ = (record.record_id for record in read_styled(out, "bronze"))
    root = f"{out}/deliverables/domain=bronze"
    uris.put_bytes(f"{root}/{first}/mesh.glb", b"mesh")
    marker = {"fingerprint": "f", "files": [f"{first}/mesh.glb"]}
    former = replace(commit, outputs="others")
    for name, portrayed, taken in (
        ("unknown", "", True),
        ("same", digest_of(commit), True),
        ("former", digest_of(former), False),
    ):
        told = uris.to_json({**marker, "portrayed": portrayed})
        uris.put_bytes(f"{root}/_commits/00000.json", told)
        done = run_export(export(out, tmp_path / name, deliverables=True))
        kinds = {row["kind"] for row in index(tmp_path / name)}
        assert (done.outdated, "mesh" in kinds) == (0 if taken else 1, taken)


def test_pictures_are_encoded_as_asked(output, tmp_path):
    run_export(export(output, tmp_path / "x", format="jpeg", template=Template("{style}/{stem}")))
    rows = index(tmp_path / "x")
    files = [(tmp_path / "x" / row["file"]) for row in rows]
    assert all(
        file.suffix == ".jpg" and file.parent.name == row["style"] for file, row in zip(files, rows)
    )
    assert Image.open(files[0]).format == "JPEG"


def test_outputs_of_the_first_release_are_exported(tmp_path):
    done = run_export(
        export(RELEASE, tmp_path / "x", template=Template("{stem}-{style}-{view}-{yaw}"))
    )
    rows = index(tmp_path / "x")
    assert done.pictures == len(rows) == 3 * 2 * 2
    assert {(row["yaw_deg"], row["pitch_deg"]) for row in rows} == {(None, None)}
    assert all(row["uri"].startswith("s3://release/photos/") for row in rows)
    assert all(row["file"].endswith("-unknown.png") for row in rows)


def test_parts_end_at_their_size(output, tmp_path):
    big = write_small_output(tmp_path / "out", size=420, shards=[["/a/one.png", "/a/two.png"]])
    done = run_export(export(big, tmp_path / "x", "webdataset", domains=["bronze"], shard_mb=1))
    assert done.parts == 6  # a picture of noise is more than half of 1 MB
    for path in (tmp_path / "x").glob("*.tar"):
        assert path.stat().st_size < 1_000_000


def test_memory_does_not_grow_with_the_output(tmp_path, monkeypatch):
    monkeypatch.setattr(Files, "most_pictures", 10)
    peaks = []
    for shards in (2, 8):
        photos = [[f"/a/{shard}-{place}.png" for place in range(4)] for shard in range(shards)]
        out = write_small_output(tmp_path / f"out{shards}", size=64, shards=photos)
        wanted = export(out, tmp_path / f"x{shards}")
        tracemalloc.start()
        run_export(wanted)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0], peaks


def test_a_damaged_table_is_told_and_nothing_is_finished(tmp_path):
    out = write_small_output(tmp_path / "out", shards=SHARDS[:1])
    table = stage_table(out, "stylize", "bronze")
    path = Path(table.root) / table.read_commit(0).files["pixels"].path
    wanted = export(out, tmp_path / "x")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(OSError, match="stylized"):
        run_export(wanted)
    state = json.loads((tmp_path / "x" / "_export" / "state.json").read_text())
    assert not state["finished"]
