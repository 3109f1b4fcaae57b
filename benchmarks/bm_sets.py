"""Adapt to sets of drawn pictures without cameras: KID to the truth, and poses at every probe.

    python benchmarks/bm_sets.py --domains clown,zombie,alien --method avatargan3d --steps 100

The pictures are drawn people whose cameras are kept aside: no method sees them, and the estimates
are judged by them, in degrees, after every probe; step 0 is the bundle's encoder. One line of JSON
a domain.
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
from itportrait.picture_sets import DrawnSet


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
    settings = AdaptConfig.parse({"preset": "mini"})
    poses = Poses(spec, settings, bundle, pictures)
    started = time.process_time()
    result = adapt_domain(bundle, spec, settings, pictures=pictures, on_report=poses.judge)
    seconds = time.process_time() - started - poses.seconds
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
        "seed": args.seed,
        "step": result.step,
        "seconds": round(seconds, 1),
        **{name: round(scores.metrics["style"][name], 4) for name in names},
        "pose_deg": poses.by_step,
        "style": {int(probe["step"]): round(probe["style"], 3) for probe in result.curve},
        "notes": result.notes,
    }


class Poses:
    """Errors of the cameras that a run proposes, by cameras that it has not seen, probe by probe.

    Args:
        spec: the domain.
        settings: of the run.
        bundle: before the run.
        pictures: the set, which knows the true cameras.
    """

    def __init__(
        self, spec: DomainSpec, settings: AdaptConfig, bundle: Bundle, pictures: DrawnSet
    ) -> None:
        self.context = MethodContext(bundle, spec, resolve(spec, settings), [], pictures=pictures)
        self.batch = pictures.batch(0, pictures.count, seed=0)
        rows = [int(name.rpartition("-")[2]) for name in self.batch.record_ids]
        self.true = torch.stack(camera_angles(pictures.cameras[rows]), 1)
        assert bundle.encoder is not None
        with torch.no_grad():
            self.by_step = {0: self._error(bundle.encoder(self.batch.images)[1])}
        self.seconds = 0.0

    def judge(self, report: AdaptReport) -> None:
        """Note the mean error, in degrees, of what the method would propose after a step."""
        started, name = time.process_time(), self.context.spec.method
        method = METHODS.get(name)(self.context, report.state()["method"])
        assert isinstance(method, AdversarialMethod)
        mirrored = torch.zeros(len(self.true), dtype=torch.bool)
        with torch.no_grad():
            cameras = method.proposed(self.batch, self.batch.images, mirrored)
        self.by_step[report.step] = self._error(torch.stack(camera_angles(cameras), 1))
        self.seconds += time.process_time() - started

    def _error(self, angles: Tensor) -> float:
        return round(float((angles - self.true).norm(dim=1).rad2deg().mean()), 2)


if __name__ == "__main__":
    main()
