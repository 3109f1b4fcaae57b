"""A folder in which every command has little to do: the tiny bundle, two photos, two steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from itportrait.mini.samples import write_sample_portraits
from tests.helpers.small_comparison import ADAPT, REFERENCES, small_comparison
from tests.helpers.tiny_folder import write_tiny_bundle

DOMAIN = {"mode": "text", "prompt": "a zombie", "source_prompt": "a photo of a person"}


@dataclass(frozen=True)
class SmallCommands:
    """The folder, and the commands that work in it.

    Args:
        root: a folder; `write` fills it.
        steps: of every adaptation.
    """

    root: Path
    steps: int = 4

    def write(self) -> None:
        """Write the bundle, the photos and the configurations."""
        write_tiny_bundle(self.root / "model")
        write_sample_portraits(str(self.root / "photos"), 2, 5, 256)
        (self.root / "photos" / "truth.parquet").unlink()
        self._write("job", self._job())
        self._write("bank", self._bank())
        self._write("compare", self._comparison())

    def stages(self) -> Mapping[str, list[str]]:
        """Return the commands that run in their own process, in an order in which they can run."""
        out, config = f"{self.root}/out", ["--config", f"{self.root}/job.yaml"]
        bank = ["--bank", f"{self.root}/adapted"]
        model = ["--bundle", f"{self.root}/model"]
        return {
            "align": ["align", f"{self.root}/photos", out, *config],
            "invert": ["invert", out, *config],
            "adapt": ["adapt", "bronze", "--prompt", "bronze", *bank, *config, *self._steps()],
            "stylize": ["stylize", out, *config, *bank, "--domains", "bronze"],
            "evaluate": ["evaluate", *bank, *model],
        }

    def jobs(self) -> Mapping[str, list[str]]:
        """Return the commands that run on Ray."""
        mlflow = ["--mlflow", f"sqlite:///{self.root}/mlflow.db"]
        place = ["--bank", f"{self.root}/built", "--date", "2026-01-01"]
        return {
            "stylize-dataset": ["stylize-dataset", "--config", f"{self.root}/job.yaml", *mlflow],
            "build-bank": ["build-bank", "--config", f"{self.root}/bank.yaml", *place, *mlflow],
            "compare": ["compare", "--config", f"{self.root}/compare.yaml", *mlflow],
        }

    def _steps(self) -> list[str]:
        return ["--steps", str(self.steps)]

    def _job(self) -> dict:
        return {
            "bundle": str(self.root / "model"),
            "input": str(self.root / "photos"),
            "output": str(self.root / "out-of-job"),
            "bank": str(self.root / "bank-of-job"),
            "ingest": {"shard_size": 1},
            "align": {"size": 64},
            "invert": {"steps": 2, "statistics_samples": 64},
            "adapt": ADAPT,
            "gate": {"floors": {}},
            "domains": [{"name": "zombie", **DOMAIN, "steps": self.steps}],
            "stylize": {"views_deg": [[20, 0]], "turntable_frames": 2},
            "publish": {"portraits": 2, "turntables": 1},
        }

    def _bank(self) -> dict:
        picture = {"mode": "image", "references": [str(REFERENCES / "bronze.png")]}
        return {
            "base": str(self.root / "model"),
            "defaults": {"steps": self.steps},
            "adapt": ADAPT,
            "probe": {"count": 2, "kid_count": 4, "kid_subset_size": 4, "batch_size": 4},
            "gate": {"floors": {}},
            "domains": {"zombie": DOMAIN, "bronze": picture},
        }

    def _comparison(self) -> dict:
        changes = {
            "methods": {"itportrait": {}},
            "defaults": {"steps": self.steps},
            "domains": {"bronze": {"prompt": "a bronze statue"}},
        }
        return small_comparison(self.root / "model", self.root / "compared", **changes)

    def _write(self, name: str, content: dict) -> None:
        (self.root / f"{name}.yaml").write_text(yaml.safe_dump(content))
