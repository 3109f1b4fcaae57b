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
from torch import Tensor

from itportrait.adapt import AdaptConfig, AdaptReport, DomainSpec, adapt_domain, resolve
from itportrait.adapt.methods import METHODS, MethodContext
from itportrait.bundle import Bundle, load_bundle
from itportrait.compared.against import AdversarialMethod
from itportrait.evaluate import EvaluationProbeConfig
from itportrait.geometry.camera import camera_angles
from itportrait.image import encode
from itportrait.jobs.bank.scores import ScoreJob, score_job
from itportrait.pages.contact_sheet import contact_sheet
from itportrait.picture_sets import DrawnSet, PictureBatch


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--domains", default="clown,zombie,alien")
    parser.add_argument("--method", default="avatargan3d", choices=methods_of_sets())
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--options", default="{}", help="JSON of the method's settings")
    parser.add_argument("--sheets", default="", help="folder of contact sheets")
    args = parser.parse_args()
    for domain in args.domains.split(","):
        print(json.dumps(measure(domain, args)), flush=True)


def methods_of_sets() -> list[str]:
    """Return the names of the methods that estimate the cameras of a set's pictures."""
    return [name for name in METHODS.names() if issubclass(METHODS.get(name), AdversarialMethod)]


def measure(domain: str, args: argparse.Namespace) -> dict[str, Any]:
    """Adapt to one domain's pictures; return its scores."""
    bundle = load_bundle("mini")
    values = {"name": domain, "mode": "image", "method": args.method, "steps": args.steps}
    values |= {"seed": args.seed, "pictures": f"mini:{domain}", "pictures_count": args.count}
    spec = DomainSpec.parse({**values, "options": json.loads(args.options)})
    pictures = DrawnSet(domain, args.count, bundle.generator.image_resolution)
    pictures.sample()  # drawn before the clock starts
    last = LastState()
    started = time.process_time()
    settings = AdaptConfig.parse({"preset": "mini"})
    result = adapt_domain(bundle, spec, settings, pictures=pictures, on_report=last.keep)
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
    batch, cameras = proposed(spec, settings, bundle, pictures, last.method)
    names = ("kid_ratio", "kid", "identity", "depth_variance", "view_consistency", "diversity")
    return {
        "domain": domain,
        "seed": args.seed,
        "step": result.step,
        "seconds": round(seconds, 1),
        **{name: round(scores.metrics["style"][name], 4) for name in names},
        **pose_errors(bundle, batch, cameras, pictures),
        "notes": result.notes,
    }


class LastState:
    """The state of a run's end."""

    def __init__(self) -> None:
        self.method: dict[str, Any] = {}

    def keep(self, report: AdaptReport) -> None:
        """Keep the state of the last report."""
        if report.last:
            self.method = report.state()["method"]


def pose_errors(
    bundle: Bundle, batch: PictureBatch, cameras: Tensor, pictures: DrawnSet
) -> dict[str, float]:
    """Return mean errors in degrees: of the bundle's encoder, and of proposed cameras.

    Args:
        bundle: before the run.
        batch: all pictures.
        cameras: `[N, 25]` proposed for them.
        pictures: the set, which knows the true cameras.
    """
    rows = [int(name.rpartition("-")[2]) for name in batch.record_ids]
    true = torch.stack(camera_angles(pictures.cameras[rows]), 1)
    assert bundle.encoder is not None
    with torch.no_grad():
        before = bundle.encoder(batch.images)[1]
    after = torch.stack(camera_angles(cameras), 1)
    errors = {"pose_before_deg": before, "pose_after_deg": after}
    return {k: round(float((v - true).norm(dim=1).rad2deg().mean()), 2) for k, v in errors.items()}


def proposed(
    spec: DomainSpec, settings: AdaptConfig, bundle: Bundle, pictures: DrawnSet, state: Any
) -> tuple[PictureBatch, Tensor]:
    """Return all pictures, and the cameras `[N, 25]` that a run's state proposes for them."""
    config = resolve(spec, settings)
    context = MethodContext(bundle, spec, config, [], pictures=pictures)
    method = METHODS.get(spec.method)(context, state)
    assert isinstance(method, AdversarialMethod)
    batch = pictures.batch(0, pictures.count, seed=0)
    mirrored = torch.zeros(pictures.count, dtype=torch.bool)
    with torch.no_grad():
        return batch, method.proposed(batch, batch.images, mirrored)


if __name__ == "__main__":
    main()
