"""A real photo, the detector, and the numbers of 225 frames put through EG3D's preprocessing."""

import json
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from itportrait.perception.detector import FaceDetector

DATA = Path(__file__).parent.parent / "data" / "alignment"


@pytest.fixture(scope="session")
def detector():
    return FaceDetector()


@pytest.fixture(scope="session")
def astronaut():
    return data.astronaut()


@pytest.fixture(scope="session")
def frames():
    """Of 225 frames of 1280 x 720: `points` [225, 5, 2], `raw` [225, 4, 4], `labels` [225, 25]."""
    rows = json.loads((DATA / "eg3d_pose_numbers.json").read_text()).values()
    return {
        "points": np.array([row["mtcnn_5pt"] for row in rows]),
        "raw": np.array([row["raw_pose"] for row in rows]),
        "labels": np.array([row["label25"] for row in rows]),
    }


@pytest.fixture(scope="session")
def canonical():
    return json.loads((DATA / "canonical.json").read_text())
