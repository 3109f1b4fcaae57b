"""Names of exported pictures: any photo's name becomes one that every system takes, once."""

import pytest

from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.io.names import check_path
from itportrait.results.export.names import FIELDS, Names, Template, clean
from itportrait.results.export.row import ExportRow
from tests.helpers.odd_names import ODD_NAMES


def row(uri="/photos/anna/IMG_1.JPG", **values):
    known = {"record_id": "0123456789abcdef", "style": "bronze", "version": "2026-01-01-ab"}
    return ExportRow(uri=uri, view=2, yaw_deg=-24.6, pitch_deg=0.2, **known, **values)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{stem}-{record_id}-{style}-{view}", "IMG_1-0123456789abcdef-bronze-2"),
        ("{style}/{folder}/{stem}_{yaw}_{pitch}", "bronze/anna/IMG_1_-25_+0"),
        ("{version}.{face}", "2026-01-01-ab.0"),
        ("{{{stem}}}", "{IMG_1}"),
    ],
)
def test_fields_are_filled_in(template, name):
    assert Template(template).name(row()) == name


@pytest.mark.parametrize(
    ("uri", "stem"),
    [
        ("s3://bucket/a/b.c.jpeg", "b.c"),
        ("https://x.org/a/p.jpg?token=***#part", "p"),
        ("/a/faces.tar#train/a.b.jpg", "a.b"),
        ("/a/faces.tar#b.jpg", "b"),
        ("/a/table.parquet#17", "17"),
        ("/a/table.parquet#3.5", "3.5"),
        ("/a/number #1.png", "number #1"),
        (r"/a/\xff\xfe.png", "_xff_xfe"),
        ("/a/Éloïse ☃ 木.png", "Éloïse ☃ 木"),
        ("/a/E\u0301.png", "É"),
        ("/a/con.png", "_con"),
        ("/a/...png", "unnamed"),
        ("/a/-rf.png", "_rf"),
        ("/a/=1+1.png", "_1+1"),
        (f"/a/{'n' * 300}.png", "n" * 100),
        (f"/a/{'木' * 90}.png", "木" * 33),
    ],
)
def test_stems_of_photos(uri, stem):
    assert Template("{stem}").name(row(uri)) == stem


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_any_name_becomes_a_part_of_a_path(name):
    part = clean(name, 100)
    assert check_path(part, "part") == part
    assert "/" not in part
    assert not part.startswith((".", "-", "=", "~"))
    assert check_path(Template("{folder}/{stem}").name(row(f"/x/{name}/{name}.jpg")), "name")


def test_what_is_not_known_is_told_with_what_is():
    with pytest.raises(
        UnknownNameError, match="unknown template field 'steam'; known: face, folder"
    ):
        Template("{steam}-{view}")


@pytest.mark.parametrize(
    "template",
    [
        *("", "plain", "{stem", "{stem!r}", "{view:03d}", "{stem.upper}", "{0}", "{}"),
        *("/{stem}", "../{stem}", "a//{stem}", "{stem}/", "a\\{stem}", "{style}/../{stem}"),
        "\0{stem}",
    ],
)
def test_what_makes_no_name_is_refused(template):
    with pytest.raises((InvalidArgumentError, UnknownNameError), match="template"):
        Template(template)


def test_angles_of_former_releases_are_unknown():
    former = ExportRow(uri="a.png", record_id="0", style="tin", version="1", view=1)
    assert Template("{stem}-{yaw}").name(former) == "a-unknown"
    assert set(FIELDS) >= {"stem", "record_id", "style", "view"}


def test_a_name_is_given_once_and_a_resumed_export_gives_the_same():
    asked = ["a", "A", "a-2", "a", "É", "e\u0301", "b", "ß", "SS"]
    with Names() as names:
        given = [names.claim(name) for name in asked]
        assert names.numbered == 5
    assert given == ["a", "A-2", "a-2-2", "a-3", "É", "e\u0301-2", "b", "ß", "SS-2"]
    for stop in range(len(asked)):
        with Names(given[:stop]) as resumed:
            assert [resumed.claim(name) for name in asked[stop:]] == given[stop:]


def test_many_equal_names_take_a_step_each():
    with Names() as names:
        given = [names.claim("same") for _ in range(20_000)]
    assert len(set(given)) == len(given)
    assert given[-1] == "same-20000"
