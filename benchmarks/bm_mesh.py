"""Textured meshes: how near is a mesh in the input's view to what the generator renders there?

    python -m benchmarks.bm_mesh --people 6 --domain zombie=STYLE_FILE --sheet OUT.png

Portraits are drawn people of the held-out seed, by their true codes and cameras, as the base
generator draws them, in the domain that comes with the models, and in those of the style files that
are given. The mesh is drawn by a z-buffer, four samples by four a pixel. Columns:

    head     PSNR in dB within the generator's silhouette (alpha of at least a half); what the mesh
             does not cover there has the median color of the generator's background
    whole    PSNR of the whole picture, the render behind the mesh
    beside   mean PSNR within the silhouette at yaw -45 and 45, against renders from there
    overlap  of both silhouettes: intersection over union
    vertices `head` of the whole surface with the scene's colors at its vertices
    seconds  of CPU to extract and encode the textured mesh
    kB       of the GLB file, and of that with colors of vertices
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import trimesh
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from itportrait.bundle import Bundle, load_bundle
from itportrait.bundle.places import bundle_folder
from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_uint8
from itportrait.meshes import TextureOptions, encode_mesh, extract_mesh, textured_mesh
from itportrait.meshes.files import picture_of
from itportrait.meshes.raster import rasterize
from itportrait.portraits import HELD_OUT_SEED, sample_people
from itportrait.styles import BoundStyle, Codes, PreparedGenerator, PreparedStyle, read_style

SAMPLES = 4
BESIDE_DEG = (-45.0, 45.0)
COLUMNS = ("head", "whole", "beside", "overlap", "vertices", "seconds", "kB", "kB vertices")


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--people", type=int, default=6, help="number of drawn people")
    parser.add_argument("--bundle", default="mini", help="base model")
    parser.add_argument("--domain", action="append", default=[], help="NAME=style file; repeatable")
    parser.add_argument("--texture-size", type=int, default=0, help="0: four times a render")
    parser.add_argument("--seed", type=int, default=3, help="of the cameras")
    parser.add_argument("--sheet", help="PNG of render, mesh, and both at yaw -45 and 45")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    bundle = load_bundle(args.bundle)
    styles: dict[str, PreparedStyle] = {"base": PreparedGenerator(bundle.generator)}
    for name, path in [*_ready_made(args.bundle), *(d.split("=", 1) for d in args.domain)]:
        styles[name] = read_style(Path(path).read_bytes()).prepare(bundle.generator)
    codes = _people(bundle, args.people, args.seed)
    print(f"{'domain':10} {'person':6} " + " ".join(f"{name:>11}" for name in COLUMNS))
    rows, sheet = [], []
    for name, style in styles.items():
        for person in range(args.people):
            bound = style.bind(codes[[person]])
            figures, pictures = measure(bundle, bound, TextureOptions(args.texture_size or None))
            rows.append((name, figures))
            sheet.append(np.concatenate(pictures, 1))
            _print(name, str(person), figures)
    for name in styles:
        own = [figures for domain, figures in rows if domain == name]
        _print(name, "mean", {key: float(np.mean([f[key] for f in own])) for key in COLUMNS})
    lowest = min(figures["head"] for _, figures in rows)
    print(f"lowest head {lowest:.2f} dB")
    if args.sheet:
        Image.fromarray(np.concatenate(sheet)).save(args.sheet)


def measure(
    bundle: Bundle, bound: BoundStyle, options: TextureOptions
) -> tuple[dict[str, float], list[np.ndarray]]:
    """Return the figures of one portrait, and pictures of it."""
    begun = time.process_time()
    mesh = textured_mesh(bound, bundle.orbit, texture=options)
    data = encode_mesh(mesh)
    seconds = time.process_time() - begun
    plain = extract_mesh(bound)
    angles = torch.tensor(BESIDE_DEG) * (math.pi / 180)
    sides = look_at_camera(angles, torch.zeros_like(angles), bundle.orbit)
    cameras = [bound.codes.cameras[:1], *sides.split(1)]
    views = [compare(bound, camera, lambda c, s: draw(mesh, c, s)) for camera in cameras]
    bare, _ = compare(bound, cameras[0], lambda c, s: draw(plain, c, s))
    own = views[0][0]
    figures = {
        **own,
        "beside": float(np.mean([found["head"] for found, _ in views[1:]])),
        "vertices": bare["head"],
        "seconds": seconds,
        "kB": len(data) / 1000,
        "kB vertices": len(encode_mesh(plain)) / 1000,
    }
    return figures, [picture for _, pair in views for picture in pair]


def compare(
    bound: BoundStyle, camera: Tensor, draw_view: Callable[[Tensor, int], np.ndarray]
) -> tuple[dict[str, float], list[np.ndarray]]:
    """Return the figures of one view, its render, and its mesh."""
    rendering = bound.render(camera)
    truth = to_uint8(rendering.final_image)[0].astype(float)
    side = len(truth)
    alpha = F.interpolate(rendering.image_alpha, (side, side), mode="bilinear")[0, 0].numpy()
    head, behind = alpha >= 0.5, alpha < 0.05
    drawn = draw_view(camera, side)
    cover = drawn[..., 3:]
    # Without a background in sight, nothing is filled: the mesh's outline is what counts.
    wall = np.median(truth[behind], 0) if behind.any() else np.zeros(3)
    alone = drawn[..., :3] + (1 - cover) * wall
    before = drawn[..., :3] + (1 - cover) * truth
    mesh = cover[..., 0] >= 0.5
    figures = {
        "head": _psnr((alone - truth)[head]),
        "whole": _psnr(before - truth),
        "overlap": float((head & mesh).sum() / (head | mesh).sum()),
    }
    return figures, [truth.astype(np.uint8), np.round(alone).clip(0, 255).astype(np.uint8)]


def draw(mesh: trimesh.Trimesh, camera: Tensor, side: int) -> np.ndarray:
    """Return `[side, side, 4]`: colors of the mesh times its cover, and that cover in [0, 1]."""
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    view = rasterize(vertices, faces, camera, side * SAMPLES)
    hit = view.faces >= 0
    corners, weights = faces[view.faces[hit]], view.weights[hit][..., None]
    picture = np.zeros((*hit.shape, 4))
    if hasattr(mesh.visual, "uv"):
        texture = np.asarray(picture_of(mesh), float)
        uv = (np.asarray(mesh.visual.uv)[corners] * weights).sum(1) * (1, -1) + (0, 1)
        places = (uv * len(texture) - 0.5).T[::-1]
        for band in range(3):
            picture[hit, band] = ndimage.map_coordinates(
                texture[..., band], places, order=1, mode="nearest"
            )
    else:
        colors = np.asarray(mesh.visual.vertex_colors)[:, :3].astype(float)
        picture[hit, :3] = (colors[corners] * weights).sum(1)
    picture[hit, 3] = 1
    return picture.reshape(side, SAMPLES, side, SAMPLES, 4).mean((1, 3))


def _people(bundle: Bundle, count: int, seed: int) -> Codes:
    cameras = bundle.camera_prior.sample(count, torch.Generator().manual_seed(seed))
    latents = [person.latent for person in sample_people(count, HELD_OUT_SEED)]
    return Codes(bundle.generator.mapping(torch.as_tensor(np.stack(latents)), cameras), cameras)


def _ready_made(name: str) -> list[tuple[str, str]]:
    """Return name and file of the domains that come with the models."""
    folder = Path(bundle_folder(name)) / "bank"
    return [(path.parts[-3], str(path)) for path in sorted(folder.glob("*/*/adapter.safetensors"))]


def _psnr(difference: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9)))


def _print(name: str, person: str, figures: dict[str, float]) -> None:
    print(f"{name:10} {person:6} " + " ".join(f"{figures[key]:11.2f}" for key in COLUMNS))


if __name__ == "__main__":
    main()
