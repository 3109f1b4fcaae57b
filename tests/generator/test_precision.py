"""Half precision where it is safe: pictures as in float32, and weights that stay in float32."""

import copy
import logging

import pytest
import torch

from itportrait.bundle import load_bundle
from itportrait.generator import Generator, precision
from itportrait.generator.precision import BF16, FP32, NO_UNITS, ON_GPU, precision_on
from itportrait.geometry.camera import frontal_camera
from itportrait.metrics import psnr

CPU = torch.device("cpu")
LEAST_DB = 45
"""What people take for the same picture."""


@pytest.fixture(scope="module")
def generator():
    return load_bundle("mini").generator


@pytest.fixture(scope="module")
def halved(generator):
    """The same generator, computing in bfloat16 whatever this CPU has."""
    twin = copy.deepcopy(generator)
    twin.precision = BF16
    return twin


@pytest.fixture(scope="module")
def codes(generator):
    rng = torch.Generator().manual_seed(5)
    cameras = load_bundle("mini").camera_prior.sample(4, rng)
    return generator.mapping(torch.randn(4, generator.z_dim, generator=rng), cameras), cameras


@pytest.fixture
def units(monkeypatch):
    """A function that says whether this CPU has units for bfloat16."""
    precision.say_once.cache_clear()
    return lambda there: monkeypatch.setattr(precision, "has_bf16_units", lambda: there)


@torch.no_grad()
def test_pictures_are_those_of_single_precision(generator, halved, codes):
    view, fast = generator.synthesize(*codes), halved.synthesize(*codes)
    assert fast.final_image.dtype == torch.float32
    assert not torch.equal(fast.final_image, view.final_image)  # it is half precision indeed
    assert psnr(fast.final_image, view.final_image).min() >= LEAST_DB
    assert psnr(fast.image_raw, view.image_raw).min() >= LEAST_DB
    assert (fast.image_depth - view.image_depth).abs().mean() < 1e-3


def test_gradients_point_where_those_of_single_precision_do(generator, halved, codes):
    ws, cameras = codes
    found = []
    for each in (generator, halved):
        weight = each.superresolution.block0.conv0.weight.requires_grad_()
        own = ws.detach().clone().requires_grad_()
        each.synthesize(own, cameras).final_image.square().mean().backward()
        assert weight.grad.dtype == torch.float32
        found.append([own.grad.flatten(), weight.grad.flatten()])
        weight.requires_grad_(False)
    for exact, fast in zip(*found):
        assert torch.cosine_similarity(exact, fast, dim=0) > 0.999


def test_fast_is_half_precision_where_there_are_units(units, caplog):
    units(True)
    assert precision_on(CPU, "fast") is BF16
    assert precision_on(CPU, "fp32") is FP32
    assert precision_on(torch.device("cuda"), "fast") is ON_GPU
    assert not caplog.records


def test_a_cpu_without_units_says_once_that_it_computes_in_single_precision(units, caplog):
    units(False)
    with caplog.at_level(logging.WARNING):
        assert [precision_on(CPU, "fast") for _ in range(3)] == [FP32] * 3
    assert [record.getMessage() for record in caplog.records] == [
        f"precision: fast was asked for, and fp32 is used: {NO_UNITS}"
    ]


@pytest.mark.parametrize(
    ("flags", "there"), [("fma avx512f amx_bf16 amx_tile", True), ("fma avx512_bf16", False)]
)
def test_units_are_known_by_the_flags_of_the_cpu(flags, there, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(f"model name\t: a processor\nflags\t\t: {flags}\n")
    assert precision.has_bf16_units(path) is there
    assert precision.has_bf16_units(tmp_path / "none") is False


def test_a_block_computes_in_its_precision_and_ends_with_the_former(generator, units):
    units(True)
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    with generator.computing_in("fast"):
        assert generator.precision is BF16
        assert convolutions.fp32_precision == "ieee"  # no TF32 where it was not asked for
        with ON_GPU.applied():
            assert convolutions.fp32_precision == "tf32"
    assert generator.precision is FP32
    assert convolutions.fp32_precision == before


def test_whoever_calls_a_generator_gets_its_precision(generator):
    """Outside of the stages too, such as for films: a GPU's libraries round to TF32 otherwise."""
    found, libraries = [], (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [library.fp32_precision for library in libraries]
    other = copy.deepcopy(generator)
    for part in (
        other.backbone.mapping,
        other.backbone.synthesis,
        other.decoder,
        other.superresolution,
    ):
        part.register_forward_pre_hook(
            lambda *_: found.append([library.fp32_precision for library in libraries])
        )
    with ON_GPU.applied(), torch.no_grad():  # as a process may be set, whatever the generator is
        ws = other.mapping(torch.zeros(1, other.z_dim), frontal_camera())
        planes = other.planes(ws)
        other.render(planes, ws, frontal_camera())
        other.sample(torch.zeros(1, 4, 3), planes)
    assert len(found) >= 3  # those that are called as modules
    assert found == [["ieee", "ieee"]] * len(found)
    assert [library.fp32_precision for library in libraries] == before


def test_a_family_that_knows_single_precision_alone_says_so_once(generator, units, caplog):
    units(True)
    other = copy.copy(generator)
    with caplog.at_level(logging.WARNING):
        Generator.compute_in(other, "fast")
        Generator.compute_in(other, "fast")
    assert other.precision is FP32
    assert len(caplog.records) == 1


def test_a_bundle_computes_in_the_precision_that_it_was_opened_with(units):
    units(True)
    assert load_bundle("mini", "cpu", "fast").precision is BF16
    assert load_bundle("mini").precision is FP32
