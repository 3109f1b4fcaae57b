"""Names of others: what is let through, and that nothing leads out of a folder."""

import os

import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.io.names import (
    check_domain,
    check_name,
    check_path,
    numbers_of,
    resolve_local,
    resolve_under,
)


@pytest.mark.parametrize("name", ["bronze", "d0", "2026-11-27-569c32de", "v1", "A.b_c-d", "0"])
def test_todays_names_pass(name):
    assert check_domain(name) == check_name(name, "version") == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            ".x",
            "_x",
            "-x",
            "a/b",
            "a\\b",
            "a b",
            "a\n",
            "\na",
            "é",
            "a:b",
            "*",
            "％",
        ),
        *("x" * 129, "con", "NUL.txt", "a\0", "x/../../../../Y", None, 3, ["a"], {"a": 1}),
    ],
)
def test_other_names_are_refused_with_what_is_expected(name):
    with pytest.raises(InvalidArgumentError, match=r"version must be a name of letters, digits"):
        check_name(name, "version")


def test_a_domain_has_64_characters_at_most():
    assert check_domain("x" * 64)
    with pytest.raises(InvalidArgumentError, match="64 at most"):
        check_domain("x" * 65)


@pytest.mark.parametrize(
    "path", ["clip/clip.pt", "a b (2).onnx", "é/ü.png", "..a", ".x", "a..b", "bank.json", "名/前"]
)
def test_relative_paths_pass(path):
    assert check_path(path, "file") == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../x", "the part '..'"),
        ("a/../../x", "the part '..'"),
        ("./a", "the part '.'"),
        ("a/.", "the part '.'"),
        ("/abs/x", "absolute"),
        ("a//b", "an empty part"),
        ("a/", "an empty part"),
        ("", "empty"),
        ("C:/x", "not every system"),
        ("a\\..\\b", "not every system"),
        ("s3://b/x", "not every system"),
        ("a::b", "not every system"),
        ("x*", "not every system"),
        ("a\0", "control character"),
        ("a\nb", "control character"),
        ("\udcff", "no text"),
        ("dir/aux.txt", "device"),
        ("x" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
        ("a/" * 40 + "b", "folders deep"),
        ("a" * 1025, "1024 characters"),
        (7, "no text"),
    ],
)
def test_other_paths_are_refused_with_the_reason(path, reason):
    with pytest.raises(InvalidArgumentError, match="relative path inside its own folder") as caught:
        check_path(path, "file")
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 400


def test_places_lie_below_their_folder(tmp_path):
    assert resolve_under(str(tmp_path), "a", "b/c.txt") == f"{tmp_path}/a/b/c.txt"
    assert resolve_under("s3://bucket/x", "a", "b") == "s3://bucket/x/a/b"
    assert resolve_local(tmp_path, "a/b") == tmp_path / "a" / "b"
    for call in (
        lambda name: resolve_under(str(tmp_path), name),
        lambda n: resolve_local(tmp_path, n),
    ):
        with pytest.raises(InvalidArgumentError, match="relative path"):
            call("../x")


def test_links_may_stay_inside_but_not_lead_out(tmp_path):
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (root / "data" / "x").write_text("x")
    (root / "inside").symlink_to("data")
    assert resolve_local(root, "inside/x") == root / "inside" / "x"
    (tmp_path / "also").symlink_to(root)  # the folder itself may be reached by a link
    assert resolve_under(str(tmp_path / "also"), "inside/x") == f"{tmp_path}/also/inside/x"
    (root / "out").symlink_to(tmp_path)
    (root / "file").symlink_to(tmp_path / "secret")
    (root / "sibling").symlink_to(tmp_path / "root-2")
    for name in ("out", "out/x", "file", "sibling", "inside/../../x"):
        with pytest.raises(InvalidArgumentError, match=r"symbolic link|relative path"):
            resolve_local(root, name)


def test_pipes_devices_and_loops_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "loop", "pipe/x", "loop/x"):
        with pytest.raises(InvalidArgumentError, match="a loop, a pipe or a device"):
            resolve_local(tmp_path, name)


def test_numbered_files_are_ours_and_others_are_not():
    names = ["00012.json", "7.json", "x.json", "-1.json", "²²²²².json", "9.txt", "1e3.json"]
    assert numbers_of([*names, f"{'9' * 5000}.json"]) == [7, 12]
