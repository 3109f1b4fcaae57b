"""One read of one folder is one table, by the very lines that `docs/data.md` shows."""

from tests.helpers.readers import check_readers, shown_lines
from tests.helpers.small_output import write_small_output


def test_the_page_shows_a_line_for_each_library():
    _, lines = shown_lines()
    libraries = {line.partition(".")[0] for line in lines}
    assert libraries == {"pq", "pd", "duckdb", "pl", "datasets"}


def test_every_library_reads_every_table_in_one_line(tmp_path):
    write_small_output(tmp_path / "out")
    rows = {
        "aligned/records": 13,
        "aligned/pixels": 11,
        "inverted/records": 11,
        "inverted/pixels": 11,
        "stylized/records": 22,
        "stylized/pixels": 66,
    }
    check_readers(tmp_path / "out", rows, tmp_path / "cache")
