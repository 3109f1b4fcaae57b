"""Attributes by prompts: a model that reads a number out of the picture is measured right."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from itportrait.card.models import attribute_accuracy, attribute_scores
from itportrait.mini.attributes import ATTRIBUTES
from itportrait.pretrain.networks.labels import attribute_labels
from tests.helpers.tiny_training import fake_portraits


class Gray:
    """Sees one attribute, glasses, in bright pictures."""

    def encode_prompt(self, text, templates):
        assert templates == ("{}",)
        return torch.tensor([1.0, 0.0] if text.endswith("with glasses") else [0.0, 0.1])

    def encode_image(self, image):
        return torch.stack([image.mean((1, 2, 3)), torch.zeros(len(image))], dim=1)


def test_accuracy_is_balanced_over_those_who_have_and_lack_an_attribute():
    data = fake_portraits(40, views=1)
    data = data.take(data.domain == 0)
    glasses = attribute_labels(data)["glasses"]
    bright = torch.where(glasses == 1, 200, 50)
    wrong = (glasses == 0).nonzero()[:2].flatten()
    bright[wrong] = 250
    image = bright.to(torch.uint8)[:, None, None, None].expand(-1, 3, 32, 32)
    bundle = SimpleNamespace(clips=[Gray()])
    figures = attribute_accuracy(bundle, replace(data, image=image))  # type: ignore[arg-type]
    lacking = int((glasses == 0).sum())
    assert figures["clip_glasses"] == pytest.approx(1 - 1 / lacking)
    assert figures["clip_glasses_auc"] == pytest.approx(1 - 2 / lacking)


def test_scores_are_there_for_every_attribute():
    image = torch.stack([torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), -0.5)])
    scores = attribute_scores([Gray()], image)  # type: ignore[arg-type]
    assert set(scores) == set(ATTRIBUTES)
    assert scores["glasses"].tolist() == [0.5, -0.5]


class Blind(Gray):
    """Sees nothing: it has no say, and halves that of the other."""

    def encode_image(self, image):
        return torch.zeros(len(image), 2)


def test_scores_of_several_models_are_averaged():
    image = torch.stack([torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), -0.5)])
    scores = attribute_scores([Gray(), Blind()], image)  # type: ignore[list-item]
    assert scores["glasses"].tolist() == [0.25, -0.25]
