"""Cameras of drawn people, by five points and by dense points: how far off, and how well foretold.

    python -m benchmarks.bm_cameras draw SEEN.npz --seed 4242 --first 0 --count 10
    python -m benchmarks.bm_cameras calibrate SEEN.npz … [--write]
    python -m benchmarks.bm_cameras measure OTHERS.npz …

`draw` renders people with known cameras, yaw up to 60 degrees and pitch up to 15, changes each
picture as cameras and files do (blur, JPEG, noise), finds the five points and the mesh, and keeps
them; some of the people wear glasses. `calibrate` fits the mean face `drawn` and the factors of its
uncertainty to them, and with `--write` keeps it in the package. `measure` prints errors, in degrees
between directions to the camera, and how often the truth lies within one standard deviation.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.optimize import least_squares

from itportrait.align import mean_faces
from itportrait.align.crop import plan_crop
from itportrait.align.dense import DenseCamera, DensePose, fit_pose
from itportrait.align.mean_faces import MeanFace, mean_face
from itportrait.align.pose import (
    DISTANCE_PRIOR,
    FOCAL,
    estimate_pose,
    label_from_pose,
)
from itportrait.geometry.camera import camera_angles, look_at_camera, mirror_camera
from itportrait.mini.samples import wide_camera
from itportrait.perception.detector import FaceDetector
from itportrait.portraits import ORBIT, Person, render_portrait, sample_people
from itportrait.portraits.prior import decode_traits
from tests.helpers.faces import VARIANTS

SIZE = 448
CHANGES = ("photo", "blurred", "jpeg", "noisy")
MOST_YAW, MOST_PITCH, PITCH_SPREAD = 60.0, 15.0, 7.0
RINGS = ((0, 35), (35, 60.1))
MIRRORED_FIVE = [1, 0, 2, 4, 3]
SIGMA_FLOOR = 0.004
"""Added to the measured spread of each point: a spread of zero would trust it without bound."""
STIFFNESS = 0.3
"""How much the mean face is held to that of photos, in squared observations."""
ROUNDS = 6


@dataclass(frozen=True)
class Seen:
    """A picture as its points."""

    person: int
    change: str
    glasses: bool
    camera: np.ndarray
    """`[25]` the truth."""
    five: np.ndarray
    """`[5, 2]` found by the detector, fractions of the crop."""
    mesh: np.ndarray
    """`[468, 3]` found by the mesh."""

    @property
    def angles(self) -> np.ndarray:
        """Yaw and pitch of the camera, in degrees."""
        return angles_of(self.camera)


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("draw", "calibrate", "measure"))
    parser.add_argument("files", nargs="+")
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--first", type=int, default=0, help="number of the first person")
    parser.add_argument("--count", type=int, default=10, help="people")
    parser.add_argument("--views", type=int, default=4, help="pictures of each")
    parser.add_argument("--write", action="store_true", help="keep the mean face in the package")
    arguments = parser.parse_args()
    if arguments.what == "draw":
        people = sample_people(arguments.first + arguments.count, arguments.seed)
        seen = list(look(people[arguments.first :], arguments.views, arguments.seed))
        keep(seen, arguments.files[0])
        print(f"{len(seen)} of {arguments.count * arguments.views} faces found")
        return
    seen = [one for path in arguments.files for one in load(path)]
    if arguments.what == "measure":
        measure(seen, mean_face("drawn"))
        return
    face = calibrated(seen)
    measure(seen, face)
    if arguments.write:
        write(face)


def look(people: Sequence[Person], views: int, seed: int) -> Iterator[Seen]:
    """Draw pictures and find the points in them; a face that is not found is left out."""
    detector, dense = FaceDetector(), DenseCamera.load("drawn")
    for person in people:
        rng = np.random.default_rng((seed, person.index))
        for view in range(views):
            yaw = rng.uniform(-MOST_YAW, MOST_YAW)
            pitch = np.clip(rng.normal(0, PITCH_SPREAD), -MOST_PITCH, MOST_PITCH)
            turns = torch.tensor(np.radians([[yaw], [pitch]]), dtype=torch.float32)
            camera = look_at_camera(turns[0], turns[1], ORBIT)
            share = rng.uniform(0.55, 0.8)
            drawn = render_portrait(person, wide_camera(camera, share, 0.5, 0.5), SIZE).image
            change = CHANGES[(person.index + view) % len(CHANGES)]
            pixels = np.asarray(VARIANTS[change](Image.fromarray(drawn)))
            found = [face for face in detector.detect(pixels) if face.confidence > 0.9]
            if not found:
                continue
            plan = plan_crop(found[0].landmarks, SIZE, SIZE)
            five = plan.to_crop(found[0].landmarks)
            mesh = dense.find(pixels, plan, five)
            if mesh is not None:
                truth = camera[0].double().numpy()
                glasses = bool(decode_traits(person).glasses > 0.5)
                yield Seen(person.index, change, glasses, truth, five, mesh)


def keep(seen: Sequence[Seen], path: str) -> None:
    """Write pictures as their points, for `load`."""
    columns: dict[str, np.ndarray] = {}
    for name in vars(seen[0]):
        columns[name] = np.array([getattr(one, name) for one in seen])
    np.savez_compressed(path, **columns)  # type: ignore[arg-type]


def load(path: str) -> list[Seen]:
    """Return what `draw` kept."""
    with np.load(path) as kept:
        return [
            Seen(int(person), str(change), bool(glasses), camera, five, mesh)
            for person, change, glasses, camera, five, mesh in zip(
                *(kept[name] for name in ("person", "change", "glasses", "camera", "five", "mesh")),
                strict=True,
            )
        ]


def measure(seen: Sequence[Seen], face: MeanFace) -> None:
    """Print errors and how often they are within one standard deviation, by yaw."""
    poses = [fit_pose(points_of(one, face), face) for one in seen]
    kinds: dict[str, Callable[[Seen], bool]] = {"all": lambda one: True}
    kinds |= {change: lambda one, c=change: one.change == c for change in CHANGES}
    kinds |= {"glasses": lambda one: one.glasses}
    print(f"{'pictures':<10}{'yaw':>7}{'count':>7}{'five':>7}{'dense':>7}{'90 %':>7}", end="")
    print(f"{'yaw in':>9}{'pitch in':>10}")
    for name, belongs in kinds.items():
        for low, high in RINGS:
            rows = [
                row(one, pose)
                for one, pose in zip(seen, poses, strict=True)
                if belongs(one) and low <= abs(one.angles[0]) < high
            ]
            if rows:
                five, dense, yaw, pitch = np.array(rows).T
                print(
                    f"{name:<10}{low:>3}-{high:<3.0f}{len(rows):>7}{np.median(five):>7.1f}", end=""
                )
                print(f"{np.median(dense):>7.1f}{np.percentile(dense, 90):>7.1f}", end="")
                print(f"{(yaw < 1).mean():>9.0%}{(pitch < 1).mean():>10.0%}")


def row(one: Seen, pose: DensePose) -> tuple[float, float, float, float]:
    """Return the errors of both cameras in degrees, and those of yaw and pitch over their std."""
    dense = label_from_pose(pose.angles)
    yaw, pitch = np.abs(angles_of(dense) - one.angles)
    std = np.degrees((pose.yaw_std_rad, pose.pitch_std_rad))
    five = label_from_pose(estimate_pose(one.five).angles)
    return apart(five, one.camera), apart(dense, one.camera), yaw / std[0], pitch / std[1]


def calibrated(seen: Sequence[Seen]) -> MeanFace:
    """Return the mean face that lies best in pictures with known cameras.

    Positions of the points and their change with yaw are found in turn with where each head is
    before its camera; mirrored pictures count too, so that the face is symmetric.
    """
    photos = mean_face("photos")
    both = [each for one in seen for each in (one, mirrored(one))]
    views = [View(one, points_of(one, photos)) for one in both]
    face = replace(photos, turned=np.zeros_like(photos.rest))
    for _ in range(ROUNDS):
        for view in views:
            view.place(face)
        face = _positions(face, photos, views)
    for view in views:
        view.place(face)
    errors = np.array([view.errors(face) for view in views])
    sigma = np.sqrt((errors**2).mean(0)) + SIGMA_FLOOR
    return _with_factors(replace(face, sigma=sigma), seen)


class View:
    """One picture during the calibration: its camera's turn is known, its place is found."""

    def __init__(self, one: Seen, points: np.ndarray) -> None:
        self.points, self.yaw = points, float(np.radians(one.angles[0]))
        self.turn = one.camera[:16].reshape(4, 4)[:3, :3] @ np.diag([1.0, -1.0, -1.0])
        self.shift = np.array([0.0, 0.0, DISTANCE_PRIOR[0]])

    def errors(self, face: MeanFace, shift: np.ndarray | None = None) -> np.ndarray:
        """Return `[N + 5, 2]` how far the face's points lie from those found."""
        at = face.at(self.yaw) @ self.turn - (self.shift if shift is None else shift)
        x, y = 0.5 - FOCAL * at[:, 0] / at[:, 2], 0.5 + FOCAL * at[:, 1] / at[:, 2]
        return np.stack([x, y], axis=1) - self.points

    def place(self, face: MeanFace) -> None:
        """Find where the head is before the camera."""

        def residuals(shift: np.ndarray) -> np.ndarray:
            away = (np.linalg.norm(shift) - DISTANCE_PRIOR[0]) / DISTANCE_PRIOR[1]
            return np.append(self.errors(face, shift).ravel() / face.sigma.mean(), away)

        self.shift = least_squares(residuals, self.shift).x

    def equations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return `[N + 5, 2, 6]` and `[N + 5, 2]`: what rest and turned must fulfil, linearly."""
        offset = self.points - 0.5
        right, up, back = self.turn.T
        rows = np.stack(
            [
                offset[:, :1] * back + FOCAL * right,
                offset[:, 1:] * back - FOCAL * up,
            ],
            axis=1,
        )
        x, y, z = self.shift
        values = offset * z + np.array([FOCAL * x, -FOCAL * y])
        return np.concatenate([rows, self.yaw * rows], axis=2), values


def _positions(face: MeanFace, photos: MeanFace, views: Sequence[View]) -> MeanFace:
    """Solve for rest and turned of every point; the middle of the face stays where it is."""
    start = np.concatenate([photos.rest, np.zeros_like(photos.rest)], axis=1)
    normal = np.zeros((len(start), 6, 6)) + STIFFNESS * np.eye(6)
    target = STIFFNESS * start
    for view in views:
        rows, values = view.equations()
        normal += np.einsum("nki,nkj->nij", rows, rows)
        target = target + np.einsum("nki,nk->ni", rows, values)
    found = np.linalg.solve(normal, target[:, :, None])[:, :, 0]
    rest = found[:, :3] + photos.rest.mean(0) - found[:, :3].mean(0)
    return replace(face, rest=rest, turned=found[:, 3:])


def _with_factors(face: MeanFace, seen: Sequence[Seen]) -> MeanFace:
    """Return the face with the factors by which two thirds of the errors are within one std."""
    bare = replace(face, scale=np.ones(2), growth=np.zeros(2))
    poses = [fit_pose(points_of(one, bare), bare) for one in seen]
    ratios = np.array([row(one, pose)[2:] for one, pose in zip(seen, poses, strict=True)])
    yaws = np.array([angles_of(label_from_pose(pose.angles))[0] for pose in poses])
    near = np.abs(yaws) < RINGS[0][1]
    inner, outer = (np.quantile(ratios[part], 0.68, axis=0) for part in (near, ~near))
    near_share, far_share = ((yaws[part] / 60) ** 2 for part in (near, ~near))
    # scale * (1 + growth * share) is inner at the mean share of the near ones, outer at the far's.
    slope = (outer - inner) / (far_share.mean() - near_share.mean())
    scale = np.maximum(inner - slope * near_share.mean(), 0.1 * inner)
    return replace(face, scale=scale, growth=np.maximum(slope / scale, 0))


def points_of(one: Seen, face: MeanFace) -> np.ndarray:
    """Return `[N + 5, 2]` the points that a mean face is laid on."""
    return np.concatenate([one.mesh[face.ids, :2], one.five])


def mirrored(one: Seen) -> Seen:
    """Return the mirror image."""
    camera = mirror_camera(torch.from_numpy(one.camera)[None])[0].numpy()
    ids, partners = mirrored_points()
    mesh = one.mesh.copy()
    mesh[ids] = one.mesh[partners]
    mesh[:, 0] = 1 - mesh[:, 0]
    five = one.five[MIRRORED_FIVE] * (-1, 1) + (1, 0)
    return replace(one, camera=camera, mesh=mesh, five=five)


def mirrored_points() -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the mean face's points, and those of their mirror images."""
    photos = mean_face("photos")
    rest = photos.rest[: len(photos.ids)]
    distances = np.linalg.norm(rest[:, None] - rest * (-1, 1, 1), axis=2)
    return photos.ids, photos.ids[distances.argmin(1)]


def angles_of(camera: np.ndarray) -> np.ndarray:
    """Return yaw and pitch of a camera, in degrees."""
    yaw, pitch = camera_angles(torch.from_numpy(np.asarray(camera, np.float64))[None])
    return np.degrees([float(yaw), float(pitch)])


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Return the angle between two cameras as the world's origin sees them, in degrees."""
    a, b = (each[:16].reshape(4, 4)[:3, 3] for each in (a, b))
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def write(face: MeanFace) -> None:
    """Keep a mean face as the package's `drawn`."""
    path = Path(mean_faces.__file__).with_name("mean_faces.json")
    faces = json.loads(path.read_text())
    faces["drawn"] = {name: np.round(values, 4).tolist() for name, values in vars(face).items()}
    lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in faces.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
