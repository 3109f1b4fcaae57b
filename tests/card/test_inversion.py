"""What inversion keeps, measured on an inversion whose errors are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from itportrait.card.inversion import (
    KEPT,
    YAWS_DEG,
    choose_people,
    draw_views,
    measure_inversion,
    shown,
)
from itportrait.card.report import BARS
from itportrait.generator.base import Rendering
from itportrait.image import to_tensor
from itportrait.mini.attributes import ATTRIBUTES
from itportrait.portraits import HELD_OUT_SEED, sample_people
from itportrait.portraits.prior import decode_traits
from itportrait.records import InvertedRecord, Status
from itportrait.styles import WeightDelta
from tests.helpers.tiny_family import own_samples, tiny_bundle

SIZE = 16
ERRORS = (0.02, 0.1, 0.1)


class TruthGenerator:
    """Renders the drawn views with a known error; the code is the number of the person."""

    image_resolution, num_ws, w_dim = SIZE, 1, 1

    def __init__(self, views):
        self.views = views

    def synthesize(self, ws, camera):
        view = int((self.views.cameras - camera[:1]).abs().sum(1).argmin())
        drawn = self.views.floats(view)[ws[:, 0, 0].long()]
        shown = drawn - ERRORS[view] * drawn.sign()
        shown[ws[:, 0, 0] == 1, :, 0, 0] = 1.0  # the mark of somebody who lost everything
        plain = shown[:, :1]
        return Rendering(shown, image_raw=shown, image_depth=plain, image_alpha=plain)


class MarkReader:
    """Sees every attribute in pictures without the mark."""

    def encode_prompt(self, text, templates):
        has = {f"a photo of {attribute.has[0]}" for attribute in ATTRIBUTES.values()}
        return torch.tensor([1.0 if text in has else 0.0])

    def encode_image(self, image):
        return 1 - 2 * (image[:, 0, 0, 0] == 1).float()[:, None]


@pytest.fixture(scope="module")
def people():
    everyone = sample_people(60, HELD_OUT_SEED)
    return [p for p in everyone if decode_traits(p).glasses > 0.7][:3]


def invert_with(codes):
    def invert(records):
        assert torch.is_grad_enabled()  # the stage optimizes
        assert all(record.pixels.shape == (SIZE, SIZE, 3) for record in records)
        return [
            InvertedRecord(record_id=record.record_id, status=Status.FAILED)
            if code is None
            else InvertedRecord(record_id=record.record_id, w_plus=np.array([code], np.float32))
            for record, code in zip(records, codes, strict=True)
        ]

    return invert


def test_views_are_measured_apart_and_lost_attributes_are_counted(people):
    views = draw_views(people, SIZE)
    assert views.images.shape == (3, len(YAWS_DEG), SIZE, SIZE, 3)
    assert torch.equal(views.floats(1)[2], to_tensor(views.images[2, 1]))
    bundle = SimpleNamespace(generator=TruthGenerator(views), clips=[MarkReader()])
    figures = measure_inversion(bundle, invert_with([0, 1, 2]), people)  # type: ignore[arg-type]
    assert figures["inversion_psnr"] == pytest.approx(37, abs=2)  # 20 log10(2 / 0.02), but marked
    assert figures["inversion_psnr_novel"] == pytest.approx(26, abs=1)
    assert figures["inversion_failed"] == 0
    assert figures["inversion_keeps_glasses"] == pytest.approx(2 / 3)


def test_people_without_a_code_are_left_out_and_counted(people):
    bundle = SimpleNamespace(generator=TruthGenerator(draw_views(people, SIZE)))
    bundle.clips = [MarkReader()]
    figures = measure_inversion(bundle, invert_with([0, None, 2]), people)  # type: ignore[arg-type]
    assert figures["inversion_failed"] == pytest.approx(1 / 3)
    assert figures["inversion_psnr"] == pytest.approx(40, abs=0.5)
    assert figures["inversion_keeps_glasses"] == 1


def test_the_weights_of_a_row_are_in_its_renders():
    bundle = tiny_bundle()
    records, codes = own_samples(bundle, 2)
    name = "superresolution.block1.torgb.bias"
    change = WeightDelta({name: torch.tensor([0.5, 0.0, 0.0])})
    rows = [
        InvertedRecord(record_id="0", w_plus=codes[0].flatten().numpy()),
        InvertedRecord(
            record_id="1", w_plus=codes[1].flatten().numpy(), weights=change.to_bytes(), seconds=2
        ),
    ]
    camera = torch.as_tensor(records[0].camera)[None]
    (both,) = shown(bundle.generator, rows, camera)
    plain = bundle.generator.synthesize(codes, camera.expand(2, -1)).final_image.clamp(-1, 1)
    torch.testing.assert_close(both[0], plain[0])
    inside = (plain[1, 0] > -1) & (plain[1, 0] < 0.5)
    torch.testing.assert_close(
        (both - plain)[1, 0][inside], torch.full_like(plain[1, 0], 0.5)[inside]
    )


def test_the_first_people_are_chosen_and_more_until_each_attribute_is_there():
    everyone = sample_people(64, HELD_OUT_SEED)
    chosen = choose_people(everyone, count=5, each=4)
    indices = [person.index for person in chosen]
    assert indices[:5] == [0, 1, 2, 3, 4]
    assert len(set(indices)) == len(indices)
    for name in KEPT:
        attribute = ATTRIBUTES[name]
        having = {p.index for p in everyone if attribute.amount(decode_traits(p)) >= attribute.high}
        assert len(having & set(indices)) >= min(4, len(having))


def test_every_kept_attribute_has_a_bar():
    assert {f"inversion_keeps_{name}" for name in KEPT} <= set(BARS)
