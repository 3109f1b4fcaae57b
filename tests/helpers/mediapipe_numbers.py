"""What LiteRT says of the faces of `faces.py`: makes tests/data/goldens/mediapipe.json.

    pip install --target LITERT ai-edge-litert==2.3.0
    PYTHONPATH=.:LITERT python -m tests.helpers.mediapipe_numbers face_landmark.tflite \\
        iris_landmark.tflite

The networks are those of the wheel of mediapipe 0.10.21. For some pictures: the results for what
we cut about the face, in pixels of it, rounded to hundredths.
"""

import json
import sys

import numpy as np
import torch

from itportrait.landmarks.mesh import Region, show
from tests.conftest import REPOSITORY
from tests.helpers.faces import photos, shares

GOLDEN = REPOSITORY / "tests/data/goldens/mediapipe.json"
PICTURES = ("photo", "turned")
SIZES = {"face-mesh": 192, "face-iris": 64}


def shown(photo, points, name):
    """Return `[1, 3, S, S]`: the face, or the eye at image-left, as a network is shown it."""
    picture = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255
    five = shares(points)
    across = five[1] - five[0]
    roll = float(np.arctan2(across[1], across[0]))
    middle, side = (five.mean(0), 0.42) if name == "face-mesh" else (five[0], 0.1)
    return show(picture, Region(float(middle[0]), float(middle[1]), side, roll), SIZES[name])


def main():
    """Write the golden numbers."""
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore

    numbers = {}
    for name, path in zip(SIZES, sys.argv[1:], strict=True):
        network = Interpreter(path)
        network.allocate_tensors()
        for picture in PICTURES:
            image = shown(*photos()[picture], name).permute(0, 2, 3, 1).numpy()
            network.set_tensor(network.get_input_details()[0]["index"], image)
            network.invoke()
            found = [network.get_tensor(o["index"]).ravel() for o in network.get_output_details()]
            numbers[f"{name} {picture}"] = [[round(float(n), 2) for n in each] for each in found]
    about = "LiteRT 2.3.0 on the networks of mediapipe 0.10.21; see tests/helpers/mediapipe_numbers"
    GOLDEN.write_text(json.dumps({"about": about, "numbers": numbers}) + "\n")


if __name__ == "__main__":
    main()
