"""MTCNN: published weights read safely, and real faces found where they are."""

import io
import os
import pickle
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from itportrait.errors import (
    CheckpointError,
    InvalidArgumentError,
    MissingModelError,
    UnsafeCheckpointError,
)
from itportrait.perception import mtcnn
from itportrait.perception.detector import FaceDetector, _suppress_nested
from tests.helpers.mutations import mutations

# Marked by hand on skimage's astronaut, in pixels.
MARKED = np.array([(204, 101), (247, 103), (224, 129), (204, 141), (243, 141)])
TOLERANCE_PX = 5
FACE = (150, 40, 300, 200)


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


@pytest.fixture(scope="module")
def astronaut():
    return data.astronaut()


def shrunk(pixels, size):
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS))


def sure(faces):
    return [face for face in faces if face.confidence > 0.9]


def test_parameters_are_as_many_as_published(detector):
    counts = [
        sum(p.numel() for p in net.parameters())
        for net in (detector.proposal, detector.refine, detector.output)
    ]
    assert counts == [6632, 100178, 389040]


def test_nothing_of_the_weights_package_is_imported(detector):
    assert not {"mtcnn", "tensorflow", "joblib.numpy_pickle"} & set(sys.modules) - {
        name for name in sys.modules if name.startswith("joblib") and "sklearn" in sys.modules
    }


def test_astronaut(detector, astronaut):
    faces = detector.detect(astronaut)
    assert len(faces) == 1
    face = faces[0]
    assert face.confidence > 0.99
    assert np.abs(face.landmarks - MARKED).max() < TOLERANCE_PX
    assert (face.box[:2] < face.landmarks.min(0)).all()
    assert (face.box[2:] > face.landmarks.max(0)).all()


def test_mirrored_photo_gives_mirrored_points(detector, astronaut):
    mirrored = detector.detect(np.ascontiguousarray(astronaut[:, ::-1]))[0].landmarks
    mirrored[:, 0] = astronaut.shape[1] - 1 - mirrored[:, 0]
    swapped = mirrored[[1, 0, 2, 4, 3]]
    assert np.abs(swapped - MARKED).max() < TOLERANCE_PX


@pytest.mark.parametrize("size", [128, 2000])
def test_points_scale_with_the_photo(detector, astronaut, size):
    face = detector.detect(shrunk(astronaut, size))[0]
    ratio = size / 512
    assert np.abs(face.landmarks / ratio - MARKED).max() < TOLERANCE_PX + 1 / ratio
    assert 70 < face.size / 2 / ratio < 120


def test_two_faces_come_largest_first(detector, astronaut):
    canvas = np.zeros((512, 1024, 3), np.uint8)
    canvas[100:400, 50:350] = shrunk(astronaut, 300)
    canvas[:, 512:] = astronaut
    faces = sure(detector.detect(canvas))
    assert len(faces) == 2
    assert faces[0].landmarks[0, 0] > 512 > faces[1].landmarks[0, 0]
    assert faces[0].size > 1.4 * faces[1].size


@pytest.mark.parametrize("name", ["coffee", "cat", "flat", "upside_down", "cut", "tiny"])
def test_no_face(detector, astronaut, name):
    pixels = {
        "coffee": data.coffee,
        "cat": data.chelsea,
        "flat": lambda: np.full((300, 400, 3), 127, np.uint8),
        "upside_down": lambda: np.ascontiguousarray(astronaut[::-1]),
        "cut": lambda: np.ascontiguousarray(astronaut[:240, :206]),
        "tiny": lambda: shrunk(astronaut, 48),
    }[name]()
    assert sure(detector.detect(pixels)) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 400, 3), (11, 11, 3)])
def test_pictures_smaller_than_the_window(detector, shape):
    assert detector.detect(np.zeros(shape, np.uint8)) == []


def test_second_look_finds_a_face_with_covered_eyes(detector, astronaut):
    covered = astronaut.copy()
    covered[85:115, 186:264] = 16
    faces = sure(detector.detect(covered))
    assert len(faces) == 1
    assert np.abs(faces[0].landmarks[2:] - MARKED[2:]).max() < 12


def test_nested_boxes_are_one_face():
    boxes = torch.tensor([[0.0, 0, 100, 100], [20, 20, 60, 60], [200, 0, 300, 100]])
    kept = _suppress_nested(boxes, torch.tensor([0.9, 0.99, 0.8]), 0.7)
    assert kept.tolist() == [1, 2]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), "u1")],
)
def test_other_pixels_are_refused(detector, pixels):
    with pytest.raises(InvalidArgumentError, match=r"uint8 of shape \[H, W, 3\]"):
        detector.detect(pixels)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"min_face_fraction": 0}, "min_face_fraction"),
        ({"thresholds": (0.5, 0.5)}, "thresholds"),
        ({"thresholds": (0.5, 0.5, 1.0)}, "thresholds"),
        ({"min_face_px": 5}, "min_face_px"),
    ],
)
def test_arguments_are_checked(options, argument):
    with pytest.raises(InvalidArgumentError, match=argument):
        FaceDetector(**options)


def test_absent_distribution_names_the_remedy(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(mtcnn, "distribution", absent)
    with pytest.raises(MissingModelError, match="pip install 'mtcnn"):
        FaceDetector()


def test_arrays_are_those_that_joblib_reads():
    joblib = pytest.importorskip("joblib")
    path = mtcnn.weights_folder() / "rnet.lz4"
    for ours, theirs in zip(mtcnn.read_joblib_arrays(path), joblib.load(path), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def write_lz4(path, payload):
    import lz4.frame

    with lz4.frame.open(str(path), "wb") as file:
        file.write(payload)
    return path


def test_weights_that_run_code_are_refused(tmp_path):
    flag = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(flag),)

    path = write_lz4(tmp_path / "evil.lz4", pickle.dumps([Evil()]))
    with pytest.raises(UnsafeCheckpointError, match=r"posix\.mkdir|os\.mkdir|nt\.mkdir"):
        mtcnn.read_joblib_arrays(path)
    assert not flag.exists()


def test_truncated_weights_say_so(tmp_path):
    whole = (mtcnn.weights_folder() / "pnet.lz4").read_bytes()
    path = tmp_path / "pnet.lz4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="truncated"):
        mtcnn.read_joblib_arrays(path)


def test_damaged_weights_raise_one_kind_of_error(tmp_path):
    import lz4.frame

    with lz4.frame.open(str(mtcnn.weights_folder() / "pnet.lz4"), "rb") as file:
        good = file.read()
    refused = 0
    for damaged in mutations([good], 200):
        path = write_lz4(tmp_path / "odd.lz4", damaged)
        try:
            mtcnn.read_joblib_arrays(path)
        except CheckpointError as error:
            refused += str(path) in str(error)
    assert refused > 100


def test_weights_that_expand_without_end(tmp_path):
    path = write_lz4(tmp_path / "bomb.lz4", bytes(100 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(CheckpointError, match="expands to more than 64 MB"):
        mtcnn.read_joblib_arrays(path)


def test_misshapen_weights_say_which():
    arrays = mtcnn.read_joblib_arrays(mtcnn.weights_folder() / "pnet.lz4")
    with pytest.raises(CheckpointError, match="expected 13 arrays, got 12"):
        mtcnn.load_published(mtcnn.ProposalNet(), arrays[:-1], "pnet.lz4")
    arrays[0] = arrays[0][:, :, :, :4]
    with pytest.raises(CheckpointError, match=r"features.0.weight must have shape"):
        mtcnn.load_published(mtcnn.ProposalNet(), arrays, "pnet.lz4")


def test_detection_does_not_depend_on_the_encoding(detector, astronaut):
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "JPEG", quality=70)
    face = detector.detect(np.asarray(Image.open(buffer)))[0]
    assert np.abs(face.landmarks - MARKED).max() < TOLERANCE_PX


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_finds_the_same(detector, astronaut):
    face, expected = FaceDetector().cuda().detect(astronaut)[0], detector.detect(astronaut)[0]
    assert np.abs(face.landmarks - expected.landmarks).max() < 0.5
