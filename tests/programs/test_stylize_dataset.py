"""The main job: what is asked for is looked for before anything is started."""

import pytest

from itportrait.errors import NoInputError
from itportrait.programs import stylize_dataset
from itportrait.programs.calls import StylizeCall
from itportrait.terminal import Working


def test_where_there_are_no_photos_no_cluster_is_started(tmp_path, monkeypatch):
    def started(*_, **__):
        raise AssertionError("a cluster is started")

    monkeypatch.setattr(stylize_dataset, "ray_session", started)
    call = StylizeCall(
        config="demo",
        input=str(tmp_path / "nowhere"),
        output=str(tmp_path / "out"),
        bank=str(tmp_path / "bank"),
        mlflow="none",
    )
    with pytest.raises(NoInputError, match="nowhere"):
        stylize_dataset.run(call, Working("test"))
    assert not (tmp_path / "out").exists()
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "photo.png").write_bytes(b"to be looked at later")
    with pytest.raises(AssertionError, match="a cluster is started"):
        stylize_dataset.run(call, Working("test"))
