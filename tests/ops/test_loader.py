"""The loader of native code: what is missing is said once, and what is there is built once."""

import pytest

from itportrait.ops import loader
from itportrait.ops.loader import (
    NativeOpError,
    absence,
    included_files,
    native_sources,
    open_library,
)
from itportrait.ops.sample_planes.cpu import SOURCE


def test_native_sources_are_found_wherever_they_lie():
    folders = {source.parent.name for source in native_sources()}
    assert folders == {
        "decode_features",
        "head_sdf",
        "modulated_conv",
        "render_rays",
        "sample_planes",
    }


def test_a_broken_source_falls_back_once_and_says_why(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "broken" / "cpu.cpp"
    source.parent.mkdir()
    source.write_text("this is no C++")
    with caplog.at_level("WARNING"):
        assert "broken" in absence(source) or "failed" in absence(source)
        assert absence(source)
    assert caplog.text.count("using the PyTorch reference") == 1
    with pytest.raises(NativeOpError, match="broken"):
        open_library(source)
    assert not list((tmp_path / "cache").rglob("*.so"))
    assert not list((tmp_path / "cache").rglob("*.tmp"))


@pytest.mark.skipif(bool(absence(SOURCE)), reason="no C++ compiler on this machine")
def test_a_changed_source_is_built_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    for version in (1, 2):
        source = tmp_path / f"v{version}" / "cpu.cpp"
        source.parent.mkdir()
        source.write_text(f'extern "C" int version() {{ return {version}; }}')
        library = open_library(source)
        assert library.version() == version
    assert len(list((tmp_path / "cache").rglob("*.so"))) == 2


@pytest.mark.skipif(bool(absence(SOURCE)), reason="no C++ compiler on this machine")
def test_a_changed_header_is_built_anew(tmp_path, monkeypatch):
    """The number comes from a header that a header includes."""
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    for version in (1, 2):
        folder = tmp_path / f"v{version}"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "number.h").write_text(f"constexpr int kNumber = {version};")
        (folder / "outer.h").write_text('#pragma once\n#  include "deep/number.h"\n')
        source = folder / "cpu.cpp"
        source.write_text(
            '#include <cmath>\n#include "outer.h"\nextern "C" int version() { return kNumber; }'
        )
        assert {file.name for file in included_files(source)} == {"cpu.cpp", "outer.h", "number.h"}
        assert open_library(source).version() == version
    assert len(list((tmp_path / "cache").rglob("*.so"))) == 2


def test_headers_that_include_each_other_are_read_once(tmp_path):
    (tmp_path / "a.h").write_text('#include "b.h"\n#include "missing.h"\n')
    (tmp_path / "b.h").write_text('#include "a.h"\n')
    assert [file.name for file in included_files(tmp_path / "a.h")] == ["a.h", "b.h"]


def test_no_compiler_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(loader.shutil, "which", lambda name: None)
    source = tmp_path / "none" / "cpu.cpp"
    source.parent.mkdir()
    source.write_text("")
    with pytest.raises(NativeOpError, match="no C\\+\\+ compiler"):
        open_library(source)
