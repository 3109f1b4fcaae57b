"""Archives: every member that could be meant as a picture is an input, and damage is another."""

import io
import json
import tarfile

import numpy as np
import pytest

from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.ingest import list_sources, read_source


def write_tar(path, files, **options):
    """Write members: (name, bytes), or (name, type, target)."""
    with tarfile.open(path, "w", **options) as archive:
        for name, *content in files:
            info = tarfile.TarInfo(name)
            if len(content) == 2:
                info.type, info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content[0])
                archive.addfile(info, io.BytesIO(content[0]))
    return str(path)


def listed(uri) -> list:
    """Return `(member, bytes or type of fault)` of each input, the archive's own name left out."""
    return [
        (
            source.uri.partition(".tar")[2].lstrip("#"),
            source.fault.type if source.fault else read_source(source),
        )
        for source in list_sources(uri)
    ]


def test_archive(tmp_path):
    extra = json.dumps({"landmarks": list(range(10)), "age": 3}).encode()
    files = [
        ("p/001.jpg", b"first"),
        ("p/001.json", extra),
        ("p/001.txt", b"a caption"),
        ("p/002.seg.png", b"second"),
        ("p/002.json", b'["other JSON", "is no concern"]'),
        ("p/003.json", b"{}"),
    ]
    path = tmp_path / "shard-000.tar"
    write_tar(path, files)
    sources = list(list_sources(str(path)))
    assert [source.uri for source in sources] == [f"{path}#p/001.jpg", f"{path}#p/002.seg.png"]
    assert [read_source(source) for source in sources] == [b"first", b"second"]
    np.testing.assert_array_equal(sources[0].landmarks, np.arange(10).reshape(5, 2))
    assert sources[1].landmarks is None


def test_shards_of_archives(tmp_path):
    for index in range(3):
        write_tar(tmp_path / f"s-{index:03d}.tar", [(f"{index}.png", b"%d" % index)])
    braces = list(list_sources(f"{tmp_path}/s-{{000..002}}.tar"))
    assert [read_source(source) for source in braces] == [b"0", b"1", b"2"]
    assert [source.uri for source in list_sources(f"{tmp_path}/*.tar")] == [s.uri for s in braces]


def test_archive_cut_short(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(NoInputError, match="not a whole tar archive"):
        list_sources(str(path))


def test_compressed_archive_is_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(InvalidArgumentError, match="uncompressed"):
        list_sources(str(tmp_path / "a.tar.gz"))


def test_every_picture_of_a_sample_is_an_input(tmp_path):
    files = [
        ("photo.v1.2.png", b"1"),
        ("photo.v1.3.png", b"2"),
        ("s0.face.png", b"3"),
        ("s0.half.png", b"4"),
        ("s0.png", b"5"),
        ("s0.png", b"6"),
        ("s1.PNG", b"7"),
        ("s1.heic", b"8"),
        ("s1.jfif", b"9"),
        ("s1.jp2", b"10"),
        ("s1.cr2", b"11"),
    ]
    assert listed(write_tar(tmp_path / "t.tar", files)) == files
    assert len({source.version for source in list_sources(f"{tmp_path}/t.tar")}) == len(files)


def test_the_closest_json_belongs_to_a_picture(tmp_path):
    def crop(side):
        return json.dumps({"crop": [0, 0, side]}).encode()

    files = [
        ("a.json", crop(1)),
        ("a.left.png", b""),
        ("a.right.png", b""),
        ("a.right.json", crop(2)),
        ("a.both.png", b""),
        ("a.both.json", crop(3)),
        ("a.both.png.json", crop(4)),
        ("b.png", b""),
    ]
    sources = list_sources(write_tar(tmp_path / "t.tar", files))
    sides = [None if source.crop is None else source.crop[2] for source in sources]
    assert sides == [1, 2, 4, None]
    assert not sources.skipped.counts


@pytest.mark.parametrize(
    "content",
    [
        b'{"landmarks": [[1, 2], [3]]}',
        b'{"landmarks": [{"x": 1, "y": 2}]}',
        b'{"landmarks": ["a", "a", "a", "a", "a", "a", "a", "a", "a", "a"]}',
        b'{"landmarks": [NaN, 1, 2, 3, 4, 5, 6, 7, 8, 9]}',
        b'{"crop": [1, 2, 1e999]}',
        b'{"crop": 5}',
        b'{"camera": []}',
        b'{"landmarks": [1, 2',
        b"not json",
        b"[" * 100_000,
        b'{"crop": [1, 2, ' + b"9" * 10_000 + b"]}",
        b"\xff\xfe",
        b" " * 2**20 + b"{}",
    ],
)
def test_an_odd_json_is_the_fault_of_its_sample_alone(tmp_path, content):
    files = [("0.json", content), ("0.png", b"a"), ("1.png", b"b"), ("2.json", content)]
    uri = write_tar(tmp_path / "t.tar", files)
    assert listed(uri) == [("0.png", "bad_columns"), ("1.png", b"b")]
    first = next(list_sources(uri))
    assert "0.json" in first.fault.message


def test_links_lead_to_members(tmp_path):
    files = [
        ("ahead.png", tarfile.SYMTYPE, "sub/last.png"),
        ("0.png", b"zero"),
        ("1.png", tarfile.LNKTYPE, "0.png"),
        ("1.json", json.dumps({"crop": [0, 0, 5]}).encode()),
        ("0.png", b"again"),
        ("sub/up.png", tarfile.SYMTYPE, "../0.png"),
        ("sub/chain.png", tarfile.SYMTYPE, "up.png"),
        ("sub/last.png", b"last"),
        ("out.png", tarfile.SYMTYPE, "../../etc/passwd"),
        ("abs.png", tarfile.SYMTYPE, "/etc/passwd"),
        ("self.png", tarfile.SYMTYPE, "self.png"),
    ]
    uri = write_tar(tmp_path / "t.tar", files)
    assert listed(uri) == [
        ("0.png", b"zero"),
        ("0.png", b"again"),
        ("sub/last.png", b"last"),
        ("ahead.png", b"last"),
        ("1.png", b"zero"),  # as it stood when the link was made
        ("sub/up.png", b"again"),
        ("sub/chain.png", b"again"),
        ("out.png", "storage"),
        ("abs.png", "storage"),
        ("self.png", "storage"),
    ]
    (linked,) = (source for source in list_sources(uri) if source.uri.endswith("#1.png"))
    assert linked.crop[2] == 5


def test_members_that_are_no_files_are_faults_or_counted(tmp_path):
    files = [
        ("pipe.png", tarfile.FIFOTYPE, ""),
        ("device.jpg", tarfile.CHRTYPE, ""),
        ("folder.png", tarfile.DIRTYPE, ""),
        ("a.png", b"a"),
        ("a.txt", b"caption"),
        ("film.mp4", b"film"),
        ("._a.png", b"fork"),
        ("__MACOSX/a.png", b"fork"),
        ("./b.png", b"b"),
        (".git/c.png", b"c"),
    ]
    sources = list_sources(write_tar(tmp_path / "t.tar", files))
    found = {s.uri.rpartition("#")[2]: s.fault and s.fault.type for s in sources}
    assert found == {"pipe.png": "storage", "device.jpg": "storage", "a.png": None, "./b.png": None}
    counts = {"sidecar": 1, "no_picture": 1, "hidden": 2, "system": 1}
    assert {str(reason): count for reason, count in sources.skipped.counts.items()} == counts


def test_names_that_are_long_or_not_utf_8(tmp_path):
    long = "/".join(["folder" * 10] * 20) + "/picture.png"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        files = [(long, b"long"), ("jos\udce9.png", b"latin"), ("größe.png", b"utf-8")]
        uri = write_tar(tmp_path / "t.tar", files, format=form)
        assert listed(uri) == files


PARTS = [(f"{index}.png", b"%d" % index * 600) for index in range(4)]
MEMBER = 512 + 1024


def test_a_damaged_header_costs_its_member_alone(tmp_path):
    uri = write_tar(tmp_path / "t.tar", PARTS)
    data = bytearray((tmp_path / "t.tar").read_bytes())
    data[MEMBER : MEMBER + 8] = b"\xff" * 8
    (tmp_path / "t.tar").write_bytes(data)
    assert listed(uri) == [PARTS[0], PARTS[2], PARTS[3], ("", "unlisted")]
    *_, archive = list_sources(uri)
    assert archive.fault.message == (
        f"{uri} is damaged: {MEMBER} bytes at byte {MEMBER} are damaged (bad checksum)"
    )


def test_bytes_that_were_lost_or_came_in_cost_one_member(tmp_path):
    uri = write_tar(tmp_path / "t.tar", PARTS)
    data = (tmp_path / "t.tar").read_bytes()
    for changed in (data[:700] + data[800:], data[:700] + b"?" * 100 + data[700:]):
        (tmp_path / "t.tar").write_bytes(changed)
        found = listed(uri)
        assert found[1:] == [*PARTS[2:], ("", "unlisted")] or found[1:] == [
            *PARTS[1:],
            ("", "unlisted"),
        ]


@pytest.mark.parametrize("cut", range(1, 4 * MEMBER + 1024, 257))
def test_a_cut_archive_gives_what_it_holds_and_says_that_it_is_cut(tmp_path, cut):
    uri = write_tar(tmp_path / "t.tar", PARTS)
    data = (tmp_path / "t.tar").read_bytes()[:cut]
    (tmp_path / "t.tar").write_bytes(data)
    if cut < 512:
        with pytest.raises(NoInputError, match="not a whole tar archive"):
            list_sources(uri)
        return
    whole = sum(cut >= index * MEMBER + 512 + 600 for index in range(4))
    begun = sum(cut >= index * MEMBER + 512 for index in range(4))
    ends = [("", "unlisted")] if cut < 4 * MEMBER + 512 else []
    broken = [(f"{index}.png", "decode") for index in range(whole, begun)]
    assert listed(uri) == PARTS[:whole] + broken + ends


def test_archives_that_were_joined_byte_by_byte(tmp_path):
    first = write_tar(tmp_path / "a.tar", PARTS[:2])
    write_tar(tmp_path / "b.tar", PARTS[2:])
    with open(first, "ab") as file:
        file.write((tmp_path / "b.tar").read_bytes())
    assert listed(first) == [*PARTS[:2], ("", "unlisted")]
    *_, archive = list_sources(first)
    assert "--concatenate" in archive.fault.message


def test_a_forged_size_ends_no_listing(tmp_path):
    uri = write_tar(tmp_path / "t.tar", PARTS)
    data = bytearray((tmp_path / "t.tar").read_bytes())
    header = tarfile.TarInfo.frombuf(bytes(data[MEMBER : MEMBER + 512]), "utf-8", "strict")
    for size in (-(2**40), -MEMBER, 2**62):
        forged = bytearray(header.tobuf(tarfile.GNU_FORMAT))
        forged[124:136] = size.to_bytes(12, "big", signed=True)
        forged[124] |= 0x80
        forged[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(forged))[0]
        data[MEMBER : MEMBER + 512] = forged
        (tmp_path / "t.tar").write_bytes(data)
        found = listed(uri)
        assert found[0] == PARTS[0]
        assert found[-1] == ("", "unlisted")


def test_a_forged_header_takes_no_memory(tmp_path):
    """Extended headers are read whole by the parser, so what they may hold is bounded."""
    path = tmp_path / "t.tar"
    records = b"2 " * 500_000 + b"x=1\n"
    info = tarfile.TarInfo("records")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    blocks = records + bytes(-len(records) % 512)
    write_tar(path, PARTS)
    path.write_bytes(info.tobuf() + blocks + path.read_bytes())
    assert listed(str(path)) == [*PARTS, ("", "unlisted")]


def test_compressed_archives_say_so(tmp_path):
    for mode in ("gz", "bz2", "xz"):
        uri = write_tar(tmp_path / "a.tar", [])
        with tarfile.open(uri, f"w:{mode}") as archive:
            archive.addfile(tarfile.TarInfo("a.png"))
        with pytest.raises(NoInputError, match="compressed"):
            list_sources(uri)


def test_a_shard_that_is_missing_or_broken_costs_itself(tmp_path):
    for index in range(4):
        write_tar(tmp_path / f"s-{index}.tar", [(f"{index}.png", b"%d" % index)])
    (tmp_path / "s-1.tar").unlink()
    (tmp_path / "s-2.tar").write_bytes(b"")
    assert listed(f"{tmp_path}/s-{{0..3}}.tar") == [
        ("0.png", b"0"),
        ("", "unlisted"),
        ("", "unlisted"),
        ("3.png", b"3"),
    ]
    assert [fault for _, fault in listed(f"{tmp_path}/s-*.tar")] == [b"0", "unlisted", b"3"]
    first, *_ = list_sources(f"{tmp_path}/s-{{1..3}}.tar")
    assert "there is no such file" in first.fault.message
    with pytest.raises(NoInputError, match="no such file"):
        list_sources(f"{tmp_path}/gone-{{1..3}}.tar")
