"""What a mask is worth: drawn faces behind a cup or a hand are inverted with and without one.

    python -m benchmarks.bm_masks --people 8 --steps 60

Held-out people are drawn from one camera, something is put before them, and the covered picture is
inverted from the true camera. The render is compared with the picture in which nothing was before
the face. Columns, means over people in dB:

    whole    PSNR of the whole picture
    hidden   PSNR where the thing was
"""

import argparse

import torch
from torch import Tensor

from itportrait.bundle import Bundle, load_bundle
from itportrait.bundle.places import bundle_folder
from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_tensor
from itportrait.invert import InvertConfig, Inverter
from itportrait.mini.occluders import OCCLUDERS, Covered, cover
from itportrait.portraits import HELD_OUT_SEED, ORBIT, Portrait, render_portrait, sample_people
from itportrait.records import AlignedRecord

YAW, PITCH = 0.1, 0.0
"""Angles of the camera, in radians."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--people", type=int, default=8, help="number of drawn people")
    parser.add_argument("--bundle", default="mini", help="base model")
    parser.add_argument("--steps", type=int, default=60, help="of the inversion into W+")
    parser.add_argument("--seed", type=int, default=3, help="of what is before the faces")
    args = parser.parse_args()
    bundle = load_bundle(bundle_folder(args.bundle))
    config = InvertConfig(method="w_plus", steps=args.steps, refine_camera=False)
    inverter = Inverter(config, bundle)
    camera = look_at_camera(torch.tensor([YAW]), torch.tensor([PITCH]), orbit=ORBIT)
    people = sample_people(args.people, HELD_OUT_SEED)
    size = bundle.generator.image_resolution
    drawn = [render_portrait(person, camera, size) for person in people]
    for kind in OCCLUDERS:
        covered = [
            cover(truth, person, kind, args.seed)
            for truth, person in zip(drawn, people, strict=True)
        ]
        for masked in (False, True):
            rows = [
                AlignedRecord(
                    record_id=str(index),
                    uri="",
                    pixels=each.image,
                    camera=camera[0].numpy(),
                    mask=each.mask if masked else None,
                )
                for index, each in enumerate(covered)
            ]
            codes = [row.w_plus for row in inverter.invert(rows)]
            whole, hidden = compare(render(bundle, codes, camera), drawn, covered)
            how = "masked" if masked else "no mask"
            print(f"{kind}, {how}: whole {whole:.1f}  hidden {hidden:.1f}")


@torch.no_grad()
def render(bundle: Bundle, codes: list, camera: Tensor) -> Tensor:
    """Return the pictures `[N, 3, S, S]` of codes, in [-1, 1]."""
    generator = bundle.generator
    ws = torch.stack([torch.as_tensor(code).view(generator.num_ws, -1) for code in codes])
    return generator.synthesize(ws, camera.expand(len(ws), -1)).final_image.clamp(-1, 1)


def compare(images: Tensor, drawn: list[Portrait], covered: list[Covered]) -> tuple[float, float]:
    """Return mean PSNRs of pictures against what was drawn: of all pixels, and of hidden ones."""
    truth = torch.stack([to_tensor(portrait.image) for portrait in drawn])
    error = ((images - truth) / 2).square().mean(1)
    hidden = torch.stack([torch.from_numpy(each.mask < 128) for each in covered]).float()
    behind = (error * hidden).sum((1, 2)) / hidden.sum((1, 2))
    return float(-10 * error.mean((1, 2)).log10().mean()), float(-10 * behind.log10().mean())


if __name__ == "__main__":
    main()
