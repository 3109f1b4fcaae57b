"""An implementation of an op that another package brings: used, explained and taken away again."""

import pytest
import torch

from itportrait.errors import UnknownNameError
from itportrait.geometry.camera import look_at_camera
from itportrait.ops.dispatch import Implementation, admit_cpu_float32
from itportrait.ops.sample_planes import SAMPLE_PLANES
from tests.helpers.tiny_family import tiny_generator
from tests.ops.tolerances import assert_close


@pytest.fixture
def seen():
    """Register a second implementation of an op in front of the others; take it away at the end."""
    shapes = []

    def in_parts(planes, points, axes):
        """Sample the planes at one half of the points, then at the other."""
        shapes.append(points.shape)
        halves = [SAMPLE_PLANES.reference(planes, part, axes) for part in points.tensor_split(2, 1)]
        rows = [half.unflatten(0, (len(planes), -1)) for half in halves]
        return torch.cat(rows, 1).flatten(0, 1)

    SAMPLE_PLANES.add(Implementation("in_parts", in_parts, admit_cpu_float32), first=True)
    yield shapes
    if "in_parts" in SAMPLE_PLANES.backends:
        SAMPLE_PLANES.remove("in_parts")


def render():
    generator = tiny_generator()
    ws = torch.randn(2, generator.num_ws, generator.w_dim, generator=torch.manual_seed(0))
    cameras = look_at_camera(torch.tensor([0.2, -0.3]), 0.1)
    return generator.synthesize(ws, cameras).final_image


def test_a_generator_renders_with_it(seen):
    picture = render()
    assert seen
    assert SAMPLE_PLANES.explain()["in_parts"] == ""
    SAMPLE_PLANES.remove("in_parts")
    count = len(seen)
    assert_close(picture, render())
    assert len(seen) == count
    with pytest.raises(UnknownNameError, match="'in_parts'"):
        SAMPLE_PLANES.remove("in_parts")
