"""Which rows of a family's codes carry color, and which carry shape: measured by exchanging rows.

    python benchmarks/bm_rows.py --bundle mini --codes 48

Each row of random codes is replaced by that of another random code, and the renders before and
after are compared, as shares of what the exchange of all rows changes:

    color      mean difference of chroma (colors less luma) of both pictures shrunk to 16 pixels
    structure  1 - correlation of luma
    depth      mean difference of depth on the surface
    identity   1 - cosine of identity embeddings

A row of the style rows carries color where its share of color is at least SHARE and is larger
than its shares of structure and depth together. To exchange another style row keeps color: those
rows are mixed where colors are preserved. The set `preserve_color` is not measured so.
"""

import argparse

import torch

from itportrait.adapt.layers import row_set
from itportrait.adapt.sampling import random_codes
from itportrait.bundle import load_bundle
from itportrait.geometry.camera import frontal_camera
from itportrait.image import resize
from itportrait.learning.seeds import step_rng
from itportrait.losses import depth_distance, luma, structure_loss

SHARE = 0.05
MEASURES = ("color", "structure", "depth", "identity")


@torch.no_grad()
def main() -> None:
    """Measure every row, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bundle", default="mini")
    parser.add_argument("--codes", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    ws, others = (
        random_codes(bundle, arguments.codes, step_rng(arguments.seed, 0, 0, name))
        for name in ("codes", "others")
    )
    before = render(bundle, ws)
    whole = changes(bundle, before, render(bundle, others))
    style = row_set("style_rows", bundle.generator)
    print(f"row    {'  '.join(f'{name:>9s}' for name in MEASURES)}   of {arguments.codes} codes")
    for row in range(bundle.generator.num_ws):
        mixed = ws.clone()
        mixed[:, row] = others[:, row]
        found = changes(bundle, before, render(bundle, mixed))
        share = {name: float(found[name] / whole[name]) for name in MEASURES}
        colors = share["color"] >= SHARE and share["color"] > share["structure"] + share["depth"]
        kind = "" if row not in style else "color" if colors else "keeps color"
        print(f"{row:3d}    {'  '.join(f'{share[name]:9.3f}' for name in MEASURES)}   {kind}")


def render(bundle, ws):
    """Render codes at the frontal camera, a few at once."""
    camera = frontal_camera(bundle.orbit, ws.device)
    return [bundle.generator.synthesize(part, camera.expand(len(part), -1)) for part in ws.split(8)]


def changes(bundle, before, after) -> dict[str, torch.Tensor]:
    """Return the mean change of renders by measure."""
    rows = [one_change(bundle, *pair) for pair in zip(before, after, strict=True)]
    return {name: torch.cat([row[name] for row in rows]).mean() for name in MEASURES}


def one_change(bundle, before, after) -> dict[str, torch.Tensor]:
    """Return the change of each picture of a batch, `[N]` a measure."""
    a, b = before.final_image, after.final_image
    small, other = resize(a, 16), resize(b, 16)
    chroma = (small - luma(small)) - (other - luma(other))
    return {
        "color": chroma.abs().mean((1, 2, 3)),
        "structure": structure_loss(b, a),
        "depth": depth_distance(after.image_depth, before.image_depth, before.image_alpha),
        "identity": 1 - bundle.identity.similarity(a, b),
    }


if __name__ == "__main__":
    main()
