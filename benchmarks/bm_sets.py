"""Adapt to sets of drawn pictures without cameras: KID to the truth, and poses before and after.

    python benchmarks/bm_sets.py --domains clown,zombie,alien --method avatargan3d --steps 100

The pictures are drawn people whose cameras are kept aside: no method sees them, and the estimates
are judged by them, in degrees. One line of JSON a domain.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain
from itportrait.adapt.methods import METHODS
from itportrait.bundle import load_bundle
from itportrait.evaluate import EvaluationProbeConfig
from itportrait.geometry.camera import camera_angles
from itportrait.image import encode
from itportrait.jobs.bank.scores import ScoreJob, score_job
from itportrait.pages.contact_sheet import contact_sheet
from itportrait.picture_sets import DrawnSet


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--domains", default="clown,zombie,alien")
    parser.add_argument("--method", default="avatargan3d")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--options", default="{}", help="JSON of the method's settings")
    parser.add_argument("--sheets", default="", help="folder of contact sheets")
    args = parser.parse_args()
    for domain in args.domains.split(","):
        print(json.dumps(measure(domain, args)), flush=True)


def measure(domain: str, args: argparse.Namespace) -> dict[str, Any]:
    """Adapt to one domain's pictures; return its scores."""
    bundle = load_bundle("mini")
    values = {"name": domain, "mode": "image", "method": args.method, "steps": args.steps}
    values |= {"pictures": f"mini:{domain}", "pictures_count": args.count}
    spec = DomainSpec.parse({**values, "options": json.loads(args.options)})
    pictures = DrawnSet(domain, args.count, bundle.generator.image_resolution)
    pictures.sample()  # drawn before the clock starts
    poses = Poses(spec, pictures)
    started = time.process_time()
    settings = AdaptConfig.parse({"preset": "mini"})
    result = adapt_domain(bundle, spec, settings, pictures=pictures, on_report=poses.keep)
    seconds = time.process_time() - started
    job = ScoreJob(
        bundle="mini",
        spec=spec,
        truth=f"mini:{domain}",
        styles={"style": result.style.to_bytes()},
        probe=EvaluationProbeConfig(),
        pictures=6,
    )
    scores = score_job(job, "cpu")
    if args.sheets:
        rows = [pictures.sample(6), scores.faces["style"], scores.faces["base"]]
        faces = [list(row) for row in rows]
        columns = [str(number) for number in range(6)]
        sheet = contact_sheet(faces, columns=columns, names=["set", "style", "base"])
        Path(args.sheets).mkdir(parents=True, exist_ok=True)
        (Path(args.sheets) / f"{args.method}-{domain}.png").write_bytes(encode(sheet))
    names = ("kid_ratio", "kid", "identity", "depth_variance", "view_consistency", "diversity")
    return {
        "domain": domain,
        "step": result.step,
        "seconds": round(seconds, 1),
        **{name: round(scores.metrics["style"][name], 4) for name in names},
        **poses.judged(bundle),
        "notes": result.notes,
    }


class Poses:
    """The pose estimates of a run's end, judged by cameras that the run has not seen."""

    def __init__(self, spec: DomainSpec, pictures: DrawnSet) -> None:
        self.spec, self.pictures = spec, pictures
        self.state: dict[str, Any] = {}

    def keep(self, report: Any) -> None:
        """Keep the state of the last report."""
        if report.last or report.kept:
            self.state = report.state()["method"]

    def judged(self, bundle: Any) -> dict[str, float]:
        """Return mean errors in degrees: of the bundle's encoder, and of the run's estimates."""
        batch = self.pictures.batch(0, self.pictures.count, seed=0)
        rows = [int(name.rpartition("-")[2]) for name in batch.record_ids]
        true = torch.stack(camera_angles(self.pictures.cameras[rows]), 1)
        with torch.no_grad():
            before = bundle.encoder(batch.images)[1]
        after = estimates(self.spec, bundle, batch, self.pictures, self.state)
        errors = {"pose_before_deg": before, "pose_after_deg": after}
        return {
            k: round(float((v - true).norm(dim=1).rad2deg().mean()), 2) for k, v in errors.items()
        }


def estimates(
    spec: DomainSpec, bundle: Any, batch: Any, pictures: DrawnSet, state: dict[str, Any]
) -> torch.Tensor:
    """Return the angles `[N, 2]` that a run's last state gives pictures."""
    if spec.method == "avatargan3d":
        from itportrait.compared.avatargan3d.cameras import CameraAlignment
        from itportrait.compared.avatargan3d.config import CamerasConfig

        alignment = CameraAlignment(bundle, pictures, CamerasConfig(), spec.seed)
        alignment.load_state_dict(state["cameras"])
        return alignment.angles(batch)
    raise SystemExit(f"no estimates are known of {METHODS.get(spec.method).__name__}")


if __name__ == "__main__":
    main()
