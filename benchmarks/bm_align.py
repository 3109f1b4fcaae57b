"""CPU seconds of the align stage a photo, by its parts; the ratio is large photo over small one.

    python benchmarks/bm_align.py [--repeat 5]

Process time, so that other work on the machine does not count.
"""

import argparse
import io
import time
from collections.abc import Callable

import torch
from PIL import Image
from skimage import data

from itportrait.align import AlignConfig, Aligner, cut, estimate_pose, plan_crop
from itportrait.align.encoder_camera import EncoderCamera
from itportrait.bundle import Bundle, load_bundle
from itportrait.photos.decoding import decode_photo
from itportrait.records import Source


def cpu_ms(work: Callable[[], object], repeat: int) -> float:
    """Return milliseconds of process time of one call, after one to warm up."""
    work()
    start = time.process_time()
    for _ in range(repeat):
        work()
    return (time.process_time() - start) / repeat * 1e3


def measure(bundle: Bundle, size: int, repeat: int) -> dict[str, float]:
    """Measure the stage on the astronaut at `size` pixels; `encoder` is its other camera."""
    detector, encoder_camera = bundle.detector, EncoderCamera(bundle, max_distance=1.0)
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).resize((size, size)).save(buffer, "JPEG", quality=92)
    encoded, aligner = buffer.getvalue(), Aligner(AlignConfig(), detector)
    pixels = decode_photo(encoded)
    face = detector.detect(pixels)[0]
    plan = plan_crop(face.landmarks, size, size)
    points, crop = plan.to_crop(face.landmarks), cut(pixels, plan)
    return {
        "decode": cpu_ms(lambda: decode_photo(encoded), repeat),
        "detect": cpu_ms(lambda: detector.detect(pixels), repeat),
        "crop": cpu_ms(lambda: cut(pixels, plan), repeat),
        "camera": cpu_ms(lambda: estimate_pose(points), repeat),
        "encoder": cpu_ms(lambda: encoder_camera.read(crop), repeat),
        "align": cpu_ms(lambda: aligner.align(Source(uri="photo", data=encoded)), repeat),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load_bundle("mini")
    rows = {size: measure(bundle, size, options.repeat) for size in (512, 2000, 5000)}
    print("CPU ms a photo  " + "".join(f"{name:>9}" for name in rows[512]))
    for size, row in rows.items():
        print(f"{size:5d} x {size:<5d}   " + "".join(f"{value:9.1f}" for value in row.values()))
    print(
        f"detect, 5000 over 512: {rows[5000]['detect'] / rows[512]['detect']:.1f} x "
        f"for {(5000 / 512) ** 2:.0f} x the pixels"
    )


if __name__ == "__main__":
    main()
