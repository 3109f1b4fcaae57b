"""Any path that the system allows works in every place: as input, output, bank, bundle, cache, …"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itportrait.adapt import load_references
from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import load_bundle
from itportrait.engine.work import ShardTask, run_shard
from itportrait.image import encode
from itportrait.ingest import list_sources, read_photo
from itportrait.io import uris
from itportrait.io.commits import read_committed
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.jobs.stylize.config import load_job
from itportrait.mini.samples import write_sample_portraits
from itportrait.records import AlignedRecord, Status
from itportrait.stages.shards import iter_shards
from itportrait.text import name_bytes, shown
from tests.conftest import REPOSITORY
from tests.engine.fake_stages import chain
from tests.helpers.odd_names import NOT_UTF8, ODD_NAMES
from tests.helpers.tables import read_styled
from tests.helpers.tiny_folder import write_tiny_bundle

NAMES = [*ODD_NAMES, *NOT_UTF8]
FILE_NAMES = [name for name in NAMES if len(name_bytes(name)) <= 200 and name[0] != "."]
"""A file's name takes an ending more; hidden files are no inputs."""


@pytest.fixture(scope="module")
def photo():
    """The encoded picture that all tests take, and its digest."""
    import numpy as np

    data = encode(np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8))
    return data, hashlib.sha256(data).hexdigest()


def digests(uri) -> list[str]:
    return [read_photo(source).sha256 for source in list_sources(str(uri))]


def write_tar(path: Path, member: str, data: bytes) -> None:
    with tarfile.open(path, "w", encoding="utf-8", errors="surrogateescape") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("name", NAMES)
def test_as_folder_of_every_kind_of_input(name, tmp_path, photo):
    """What lists and tables name lies beside them, in that folder."""
    data, digest = photo
    folder = tmp_path / name
    folder.mkdir()
    (folder / "p.png").write_bytes(data)
    assert digests(folder) == [digest]
    assert digests(folder / "p.png") == [digest]
    (folder / "l.txt").write_text("p.png\n")
    pq.write_table(pa.table({"uri": ["p.png"]}), io.FileIO(folder / "u.parquet", "w"))
    pq.write_table(pa.table({"image": [data]}), io.FileIO(folder / "b.parquet", "w"))
    write_tar(folder / "t.tar", "p.png", data)
    for container in ("l.txt", "u.parquet", "b.parquet", "t.tar"):
        assert digests(folder / container) == [digest], container


@pytest.mark.parametrize("name", FILE_NAMES)
def test_as_file_of_every_kind_of_input(name, tmp_path, photo):
    data, digest = photo
    file = f"{name}.png"
    (tmp_path / file).write_bytes(data)
    assert digests(tmp_path / file) == digests(tmp_path) == [digest]
    write_tar(tmp_path / f"{name}.tar", file, data)
    assert digests(tmp_path / f"{name}.tar") == [digest]
    pq.write_table(pa.table({"image": [data]}), io.FileIO(tmp_path / f"{name}.parquet", "w"))
    assert digests(tmp_path / f"{name}.parquet") == [digest]
    if "\n" not in name:  # which ends a line
        (tmp_path / f"{name}.txt").write_bytes(os.fsencode(file) + b"\n")
        assert digests(tmp_path / f"{name}.txt") == [digest]
    if shown(name) == name:  # Parquet's text is UTF-8
        pq.write_table(pa.table({"uri": [file]}), io.FileIO(tmp_path / f"{name}.pq", "w"))
        assert digests(tmp_path / f"{name}.pq") == [digest]
    assert load_references([str(tmp_path / file)])[0].pixels.shape == (24, 24, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_pattern_below_any_folder(name, tmp_path, photo):
    data, digest = photo
    (tmp_path / name).mkdir()
    (tmp_path / name / "p.png").write_bytes(data)
    assert digests(tmp_path / name / "*.png") == [digest]


@pytest.mark.parametrize("name", NAMES)
def test_as_output(name, tmp_path):
    """Every stage finds again what it committed; the rows hold the inputs' names as text."""
    inputs, out = tmp_path / "in", tmp_path / name
    inputs.mkdir()
    names = [name.lstrip("."), f"other {name[:80]}"]
    for each in names:
        (inputs / each).write_bytes(name_bytes(each))
    (shard,) = iter_shards(list_sources(str(inputs), patterns=["*"]), 8)
    for recipe in chain(out):
        first = run_shard(recipe, ShardTask(shard))
        assert run_shard(recipe, ShardTask(shard)).committed_at == first.committed_at
        assert list(recipe.table().read_commits([0, 1])) == [0]
    found = [record.uri for record in read_committed(str(out / "aligned"), AlignedRecord)]
    listed = sorted(str(inputs / each) for each in names)
    assert sorted(found) == sorted(shown(uri) for uri in listed)


@pytest.mark.parametrize("name", NAMES)
def test_as_bank(name, tmp_path):
    bank = Bank(str(tmp_path / name))
    for version in ("v1", "v2", "v3", "v4"):
        bank.publish(BankVersion(domain="bronze", version=version), {"adapter.safetensors": b"1"})
    assert bank.rollback("bronze") == "v3"
    assert bank.prune("bronze", keep=1)
    champion = bank.champion("bronze")
    assert uris.read_bytes(uris.join(champion.uri, "adapter.safetensors")) == b"1"
    assert os.listdir(tmp_path) == [name]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A whole bundle, which tests copy."""
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_as_bundle_and_as_cache(name, bundle, tmp_path, monkeypatch):
    shutil.copytree(bundle, tmp_path / name)
    here = load_bundle(tmp_path / name)
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / name / "cache"))
    remote = f"memory://{tmp_path}/bundle"
    for path, data in uris.read_tree(str(bundle)).items():
        uris.put_bytes(uris.join(remote, path), data)
    there = load_bundle(remote)
    assert (there.directory / "..").resolve().parent == tmp_path / name / "cache"
    assert here.model_id == there.model_id
    for found in (here, there):
        parts = (found.generator, found.perceptual, found.identity, found.encoder, found.clips)
        assert all(part is not None for part in parts)


@pytest.mark.parametrize("name", FILE_NAMES)
def test_as_configuration(name, tmp_path):
    (tmp_path / f"{name}.yaml").write_text("input: in\noutput: out\ndomains: [a]\n")
    assert load_job(str(tmp_path / f"{name}.yaml")).domain_names() == ["a"]
    shutil.copy(REPOSITORY / "configs" / "bank.yaml", tmp_path / f"{name}.bank")
    spec = load_bank_spec(str(tmp_path / f"{name}.bank"))
    pictures = [uri for domain in spec.domains.values() for uri in domain.references]
    assert pictures
    assert all(uri.startswith(f"{tmp_path}/") for uri in pictures)


CONFIG = """
bundle: "{runs}/bundle"
input: {runs}/photos
output: "{runs}/out"
bank: '{runs}/bank'
ingest: {shard_size: 16}
align: {size: 32, crop_scale: 0.932, min_face_px: 0}
invert: {steps: 1, batch_size: 8, statistics_samples: 64}
domains:
  - name: zombie
    mode: image_text
    prompt: a zombie
    source_prompt: a photo of a person
    references: [ref.png]
    steps: 1
adapt: {preset: mini, probe: {every: 1, count: 2, images: 1}}
stylize: {views_deg: [], turntable_frames: 2, batch_size: 8}
publish: {portraits: 60, deliverables: {pasted: true, turntable: [mp4]}}
"""


def run_job(root: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the main job with all its folders below `root`, and from there."""
    environment = {name: str(root / name) for name in ("HOME", "TMPDIR", "ITPORTRAIT_CACHE")}
    for folder in environment.values():
        os.makedirs(folder, exist_ok=True)
    environment |= {"ITPORTRAIT_RUNS": str(root), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, str(REPOSITORY / "workflows/stylize_dataset.py")]
    return subprocess.run(
        [*command, "--config", str(root / "job.yaml"), *options],
        cwd=root,
        env={**os.environ, **environment, "RAY_TMPDIR": ""},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def portraits(tmp_path):
    """Two drawn portraits."""
    write_sample_portraits(str(tmp_path / "drawn"), 2, 5, 256)
    return sorted((tmp_path / "drawn").glob("*.[jp]*g"))


def prepare(root: Path, bundle: Path, portraits: list[Path]) -> list[str]:
    """Write inputs of every name, bundle and configuration below `root`; return the inputs."""
    (root / "photos").mkdir(parents=True)
    for number, name in enumerate(FILE_NAMES):
        shutil.copy(portraits[number % 2], root / "photos" / f"{name}.png")
    shutil.copy(portraits[0], root / "ref.png")
    shutil.copytree(bundle, root / "bundle")
    (root / "job.yaml").write_text(CONFIG)
    return [str(root / "photos" / f"{name}.png") for name in FILE_NAMES]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whole_job_where_every_folder_has_every_name(bundle, portraits, tmp_path):
    root = tmp_path.joinpath(*ODD_NAMES)
    inputs = prepare(root, bundle, portraits)
    done = run_job(root)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert f"{len(inputs)} inputs: {len(inputs)} ok, 0 rejected, 0 failed" in done.stdout
    rows = list(read_committed(str(root / "out" / "aligned"), AlignedRecord))
    assert {row.uri for row in rows} == {shown(uri) for uri in inputs}
    styled = read_styled(root / "out", "zombie")
    assert {row.status for row in styled} == {Status.OK}
    page = (root / "out/gallery/index.html").read_text()
    assert r"caf\xe9.png" in page
    assert "<b>tag" not in page
    assert json.loads((root / "out/run.json").read_text())["status"] == "finished"
    again = run_job(root)
    assert again.returncode == 0, again.stderr[-3000:]
    stages = json.loads((root / "out/run.json").read_text())["stages"]
    assert all(stage["shards_kept"] == stage["shards"] > 0 for stage in stages.values())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whole_job_below_folders_that_are_not_utf8(bundle, portraits, tmp_path):
    """Only an adaptation is refused there, for Ray Train's checkpoints; an own bank elsewhere."""
    root = tmp_path.joinpath(*NOT_UTF8)
    inputs = prepare(root, bundle, portraits)
    refused = run_job(root)
    assert refused.returncode == 1
    assert "the bank's folder must be a name in UTF-8" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = run_job(root, "--bank", str(tmp_path / "bank"))
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert f"{len(inputs)} inputs: {len(inputs)} ok, 0 rejected, 0 failed" in done.stdout
    assert r"caf\xe9" in (root / "out/gallery/index.html").read_text()
