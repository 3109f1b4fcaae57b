"""What a release leaves behind, small: bundle, photos, output, bank, registered model.

    git worktree add ../former COMMIT && cp tests/helpers/{former_release,object_store}.py \
        ../former/tests/helpers && cd ../former && python -m tests.helpers.former_release FOLDER

Made on an object store, because there neither names nor versions of photos depend on the machine.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.helpers.object_store import download, object_store, upload

ROOT = Path(__file__).parents[2]
BUCKET = "release"
CONFIG = """
ingest: {shard_size: 2}
align: {size: 64}
invert: {steps: 3, batch_size: 2, statistics_samples: 64}
domains:
  - {name: zombie, mode: text, prompt: a zombie, source_prompt: a photo of a person, steps: 2}
  - name: bronze
    mode: image_text
    prompt: a bronze statue
    source_prompt: a photo of a person
    references: ["s3://release/reference.png"]
    steps: 2
adapt:
  preset: mini
  pair: {steps: 2}
  probe: {every: 1, count: 2, images: 1}
stylize: {views_deg: [[20, 0]], turntable_frames: 4, batch_size: 2}
publish: {portraits: 2, turntables: 0}
"""


def run_job(config: Path, bundle: Path, uri: str, *options: str) -> subprocess.CompletedProcess:
    """Run the main job on the bucket, in a process of its own."""
    command = [sys.executable, str(ROOT / "workflows/stylize_dataset.py"), "--config", str(config)]
    command += ["--input", f"{uri}/photos", "--output", f"{uri}/out", "--bank", f"{uri}/bank"]
    command += ["--set", f"bundle={bundle}", *options]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )


def _write(folder: Path) -> None:
    from itportrait.mini.demo import BROKEN
    from itportrait.mini.samples import write_sample_portraits
    from tests.helpers import tiny_folder

    _without_unused_words(tiny_folder)
    tiny_folder.write_tiny_bundle(folder / "bundle")
    write_sample_portraits(str(folder / "photos"), 3, 5, 160)
    (folder / "photos" / "truth.parquet").unlink()
    (folder / "photos" / "broken.jpg").write_bytes(BROKEN)
    (folder / "references").mkdir()
    shutil.copy(ROOT / "configs/references/bronze.png", folder / "references/reference.png")
    (folder / "job.yaml").write_text(CONFIG)
    with object_store(BUCKET) as uri:
        upload(folder / "photos", f"{uri}/photos")
        upload(folder / "references", uri)
        done = run_job(folder / "job.yaml", folder / "bundle", uri)
        print(done.stdout[-3000:], done.stderr[-3000:])
        done.check_returncode()
        for name in ("out", "bank"):
            download(f"{uri}/{name}", folder / name)
        _save_model(folder, uri)


def _without_unused_words(tiny_folder) -> None:
    """Zero the embeddings of tokens that no prompt has: they compress to nothing."""
    import open_clip
    import torch

    words = "zombie bronze statue photo of a person red blue alien"
    used = torch.unique(open_clip.tokenize([words]))
    save = tiny_folder.save_compressed

    def save_used(state, path):
        kept = torch.zeros_like(state["token_embedding.weight"])
        kept[used] = state["token_embedding.weight"][used]
        save({**state, "token_embedding.weight": kept}, path)

    tiny_folder.save_compressed = save_used


def _save_model(folder: Path, uri: str) -> None:
    import mlflow

    from itportrait.bank.store import Bank
    from itportrait.jobs.bank.models import BankModels

    place = folder / "mlflow"
    place.mkdir()
    tracking = f"sqlite:///{place}/mlflow.db"
    problems = BankModels(Bank(f"{uri}/bank"), tracking).sync(["bronze"])
    assert not problems, problems
    mlflow.set_tracking_uri(tracking)
    source = mlflow.artifacts.download_artifacts("models:/bank-bronze@champion")
    shutil.copytree(source, folder / "model")
    shutil.rmtree(place)


if __name__ == "__main__":
    _write(Path(sys.argv[1]).absolute())
