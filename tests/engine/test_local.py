"""Stages in this very process, as the command line runs them on a folder."""

import pytest

from itportrait.engine.local import committed_shards, run_stage
from itportrait.errors import ItportraitError
from itportrait.io import uris
from tests.engine.fake_engine import shards_of
from tests.engine.fake_stages import chain, computed


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("harm", ["gone", "short", "other bytes"])
@pytest.mark.parametrize("kind", ["records", "pixels"])
def test_a_damaged_shard_is_refused_until_its_stage_has_run_again(
    photos, tmp_path, log, kind, harm
):
    folder = photos("a.png", "b.png", "c.png")
    align, invert, _ = chain(tmp_path / "out", log=log)
    run_stage(align, shards_of(folder, 2))
    path = uris.join(align.table().root, align.table().read_commit(0).files[kind].path)
    data = uris.read_bytes(path)
    if harm == "gone":
        uris.remove(path)
    else:
        uris.put_bytes(path, data[:-20] if harm == "short" else data[:-1] + b"?")
    for _ in range(2):
        with pytest.raises(ItportraitError, match="run `itportrait align` again"):
            run_stage(invert, committed_shards(invert))
    assert run_stage(align, shards_of(folder, 2)).ok == 3
    assert computed(log, "align")[3:] == ["a.png", "b.png"]
    assert uris.read_bytes(path) == data
    assert run_stage(invert, committed_shards(invert)).ok == 3
