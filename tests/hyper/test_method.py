"""Inversion by a hyper-network: nearer than the encoder, alone or in a batch, never worse."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError
from itportrait.hyper.method import HyperInversion
from itportrait.hyper.passes import Passes
from itportrait.hyper.small_changes import SmallChanges
from itportrait.image import to_tensor
from itportrait.invert import InvertConfig, Inverter
from itportrait.invert.problem import Problem, Target
from itportrait.metrics import psnr
from itportrait.perception.hyper import HyperNetwork
from itportrait.records import Status
from itportrait.styles import Codes, PreparedGenerator, WeightDelta
from tests.helpers.tiny_family import own_samples, tiny_bundle

PASSES = 4


def with_network(bundle, network):
    """Return the bundle with another hyper-network, or none."""
    bundle = copy.copy(bundle)
    bundle.hyper = network
    perception = SimpleNamespace(encoder_path=bundle.encoder and "encoder.safetensors")
    bundle.spec = SimpleNamespace(hyper=network and "hyper.safetensors", perception=perception)
    return bundle


@pytest.fixture(scope="module")
def bundle():
    """The tiny bundle with a network that has learned nothing yet: it takes Gauss-Newton steps."""
    bundle = tiny_bundle(encoder=True)
    changes = SmallChanges(bundle.generator, bundle.encoder.w_std)
    image, camera = views(own_samples(bundle, 8, seed=3)[0])
    passes = Passes(changes, Target(image, camera), bundle.encoder, torch.zeros(8))
    rng = torch.Generator().manual_seed(0)
    vector = 0.1 * torch.randn(8, changes.size, generator=rng)
    vector.requires_grad_()
    render, found = changes.render(passes.ws, vector, camera), []
    for _ in range(4):
        noise = torch.randn(render.shape, generator=rng)
        found.append(torch.autograd.grad(render, vector, noise, retain_graph=True)[0])
    network = HyperNetwork(changes.sizes, rank=16, passes=PASSES, hidden=16)
    network.start_from(torch.cat(found), damping=20.0)
    return with_network(bundle, network.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def portraits(bundle):
    return own_samples(bundle, 3)[0]


def views(records):
    images = torch.stack([to_tensor(record.pixels) for record in records])
    return images, torch.stack([torch.as_tensor(record.camera) for record in records])


def make(bundle, *, options=None, **settings):
    data = {"method": "hyper", "methods": {"hyper": options or {}}, **settings}
    return Inverter(InvertConfig.parse(data), bundle)


@pytest.fixture(scope="module")
def rows(bundle, portraits):
    return make(bundle).invert(portraits)


def test_passes_come_nearer_than_the_encoder_and_leave_the_base_as_it_is(bundle, portraits):
    before = {name: value.clone() for name, value in bundle.generator.state_dict().items()}
    rows = make(bundle).invert(portraits)
    images, cameras = views(portraits)
    codes, _ = bundle.encoder(images)
    first = psnr(bundle.generator.synthesize(codes, cameras).image, images)
    for row, start in zip(rows, first.tolist(), strict=True):
        assert row.status is Status.OK
        assert row.psnr > start + 1
        assert 1 <= row.steps <= PASSES
        assert row.tuning is None
    for name, value in bundle.generator.state_dict().items():
        assert torch.equal(value, before[name])


def test_numbers_are_of_what_is_stored_and_that_is_small(bundle, portraits, rows):
    codes = Codes.of(rows, bundle.generator)
    render = PreparedGenerator(bundle.generator).render(codes).image
    for row, image, portrait in zip(rows, render, portraits, strict=True):
        assert float(psnr(image[None], to_tensor(portrait.pixels)[None])) == pytest.approx(row.psnr)
        names = WeightDelta.from_bytes(row.weights).changes
        assert all(name.endswith((".bias", ".const")) for name in names)
        assert not any(name.startswith(("backbone.mapping", "decoder")) for name in names)


def test_a_result_does_not_depend_on_its_batch(bundle, portraits, rows):
    for record, row in zip(portraits, rows, strict=True):
        (alone,) = make(bundle).invert([record])
        np.testing.assert_allclose(alone.w_plus, row.w_plus, atol=1e-4)
        np.testing.assert_allclose(alone.camera, row.camera, atol=1e-4)
        assert alone.psnr == pytest.approx(row.psnr, abs=1e-2)


def test_the_camera_stays_unless_it_is_refined(bundle, portraits, rows):
    still = make(bundle, refine_camera=False).invert(portraits)
    for record, fixed, refined in zip(portraits, still, rows, strict=True):
        np.testing.assert_allclose(fixed.camera, record.camera, atol=1e-6)
        assert np.abs(refined.camera - record.camera).max() > 1e-4


def test_hidden_pixels_change_nothing(bundle, portraits):
    method = HyperInversion(InvertConfig(method="hyper"), bundle)
    images, cameras = views(portraits)
    mask = torch.ones(len(images), 1, *images.shape[2:])
    mask[:, :, :8] = 0
    found = []
    for gray in (0.0, 1e-3):  # so little that the pictures that the networks see are the same
        changed = torch.where(mask > 0, images, images + gray)
        target = Target(changed, cameras, mask)
        found.append(method.run(Problem((target,), ("a", "b", "c"))))
    whole = method.run(Problem.of(images, cameras, ("a", "b", "c")))
    for one, other, all_seen in zip(*found, whole, strict=True):
        torch.testing.assert_close(one.w_plus, other.w_plus, atol=1e-2, rtol=0)
        assert (one.w_plus - all_seen.w_plus).abs().max() > 1e-2


def test_hidden_pixels_count_neither_in_the_error_nor_in_its_gradient(bundle, portraits):
    images, cameras = views(portraits)
    mask = torch.ones_like(images[:, :1])
    mask[:, :, :8] = 0
    changes = SmallChanges(bundle.generator, bundle.encoder.w_std)
    looks = []
    for shown in (images, torch.where(mask > 0, images, images + 1), images + 1):
        passes = Passes(changes, Target(shown, cameras, mask), bundle.encoder, torch.ones(3))
        passes.ws = bundle.encoder(images)[0]
        looks.append(passes.first())
    one, hidden, seen = looks
    assert torch.equal(one.error, hidden.error)
    assert torch.equal(one.gradient, hidden.gradient)
    assert (one.error != seen.error).all()


class Uphill(HyperNetwork):
    """Follows the gradient to where the error is larger."""

    def forward(self, number, evidence, former):
        return 1e-3 * evidence.gradient, former


def test_passes_that_err_more_are_not_kept(bundle, portraits):
    network = Uphill(bundle.hyper.sizes, rank=2, passes=PASSES, hidden=4)
    codes, _ = bundle.encoder(views(portraits)[0])
    for row, code in zip(make(with_network(bundle, network)).invert(portraits), codes, strict=True):
        assert row.status is Status.OK
        assert row.steps == 0
        assert row.weights is None
        np.testing.assert_array_equal(row.w_plus, code.flatten())


def test_what_is_missing_or_does_not_fit_is_refused_with_a_remedy(bundle):
    with pytest.raises(MissingModelError, match=r"no hyper-network.*--only hyper"):
        make(with_network(bundle, None))
    alone = copy.copy(bundle)
    alone.encoder = None
    with pytest.raises(MissingModelError, match=r"no encoder.*--only encoder"):
        make(with_network(alone, bundle.hyper))
    with pytest.raises(InvalidArgumentError, match=r"invert\.start.*encoder or auto"):
        make(bundle, start="mean")
    with pytest.raises(InvalidArgumentError, match=rf"passes.*at most the {PASSES}"):
        make(bundle, options={"passes": PASSES + 1})
    with pytest.raises(CheckpointError, match="another generator"):
        make(with_network(bundle, HyperNetwork((3, 2), rank=2, passes=1, hidden=4)))


def test_fewer_passes_can_be_asked_for(bundle, portraits, rows):
    few = make(bundle, options={"passes": 1}).invert(portraits)
    assert all(row.steps <= 1 for row in few)
    assert sum(row.psnr for row in few) < sum(row.psnr for row in rows)
