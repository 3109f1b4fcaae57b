"""Every loss term: values computed by hand, gradients, and what is refused."""

import math

import pytest
import torch
from torch import nn

from itportrait.errors import InvalidArgumentError
from itportrait.losses import (
    DirectionalLoss,
    FeatureLoss,
    IdentityLoss,
    PerceptualLoss,
    cosine_loss,
    depth_distance,
    depth_variance,
    image_similarity,
    l2_loss,
    luma,
    reach_loss,
    structure_loss,
    text_change,
    unit,
)
from itportrait.losses.directional import SHORTEST_CHANGE


class MeanColor(nn.Module):
    """An image-text model of three features: the mean color, and a fixed vector a prompt."""

    name = "mean color"

    def __init__(self, prompts: dict[str, list[float]] | None = None) -> None:
        super().__init__()
        self.prompts = prompts or {}

    def encode_image(self, image):
        return unit(image.mean((2, 3)))

    def encode_prompt(self, text):
        return torch.tensor(self.prompts[text])

    def embed(self, image):
        return self.encode_image(image)

    def features(self, image):
        self.seen = getattr(self, "seen", 0) + len(image)
        return [image]

    def compare(self, a, b):
        return (a[0] - b[0]).abs().mean((1, 2, 3))


def plain(*color: float, size: int = 4) -> torch.Tensor:
    """Return one picture of one color."""
    return torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, size, size).clone()


class TestCosineLoss:
    def test_values(self):
        direction = torch.tensor([2.0, 0.0])
        change = torch.tensor([[5.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 1.0]])
        expected = torch.tensor([0.0, 1.0, 2.0, 1 - math.sqrt(0.5)])
        torch.testing.assert_close(cosine_loss(change, direction), expected)

    def test_gradient_points_away_from_the_direction(self):
        change = torch.tensor([[0.0, 2.0]], requires_grad=True)
        cosine_loss(change, torch.tensor([1.0, 0.0])).sum().backward()
        # d(1 - x / |v|) / dx = -1 / |v| at x = 0
        torch.testing.assert_close(change.grad, torch.tensor([[-0.5, 0.0]]))

    def test_gradcheck(self):
        change = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
        direction = torch.randn(5, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda x: cosine_loss(x, direction), change)

    def test_no_change_costs_one_and_its_gradient_is_bounded(self):
        change = torch.zeros(1, 4, requires_grad=True)
        loss = cosine_loss(change, torch.tensor([2.0, 0.0, 0.0, 0.0]))
        loss.sum().backward()
        assert float(loss.detach()) == pytest.approx(1.0)
        torch.testing.assert_close(
            change.grad, torch.tensor([[-1 / SHORTEST_CHANGE, 0.0, 0.0, 0.0]])
        )

    def test_short_changes_fade_in(self):
        change = torch.tensor([[SHORTEST_CHANGE / 2, 0.0], [SHORTEST_CHANGE, 0.0]])
        torch.testing.assert_close(
            cosine_loss(change, torch.tensor([1.0, 0.0])), torch.tensor([0.5, 0.0])
        )

    def test_other_sizes_are_refused(self):
        with pytest.raises(InvalidArgumentError, match="features of size 3"):
            cosine_loss(torch.ones(1, 3), torch.ones(4))


class TestReach:
    def test_values(self):
        wanted = torch.tensor([2.0, 0.0])
        change = torch.tensor([[0.0, 5.0], [1.0, 0.0], [3.0, 1.0], [-1.0, 0.0]])
        torch.testing.assert_close(reach_loss(change, wanted), torch.tensor([1.0, 0.5, 0.0, 1.5]))

    def test_gradient_is_along_the_wanted_change(self):
        change = torch.tensor([[0.5, 1.0]], requires_grad=True)
        reach_loss(change, torch.tensor([2.0, 0.0])).sum().backward()
        torch.testing.assert_close(change.grad, torch.tensor([[-0.5, 0.0]]))


class TestDirectional:
    def test_change_of_words_is_the_difference_with_its_length(self):
        model = MeanColor({"statue": [3.0, 4.0, 1.0], "photo": [0.0, 0.0, 1.0]})
        change = text_change(model, "statue", "photo")
        torch.testing.assert_close(change, torch.tensor([3.0, 4.0, 0.0]))

    def test_prompts_that_mean_the_same_are_refused(self):
        model = MeanColor({"a": [1.0, 0.0, 0.0], "b": [1.0, 0.0, 0.0]})
        with pytest.raises(InvalidArgumentError, match="tells apart from 'b'"):
            text_change(model, "a", "b")

    def test_weighted_sum_over_models(self):
        loss = DirectionalLoss([MeanColor(), MeanColor()], [1.0, 3.0])
        new = [torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])]
        old = [torch.zeros(1, 2), torch.zeros(1, 2)]
        along = torch.tensor([1.0, 0.0])
        torch.testing.assert_close(loss(new, old, [along, along]), torch.tensor([3.0]))

    def test_weights_must_fit_the_models(self):
        with pytest.raises(InvalidArgumentError, match="one for each of 1 models"):
            DirectionalLoss([MeanColor()], [1.0, 2.0])


class TestClipImage:
    def test_similarity_is_the_mean_over_references(self):
        features = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        references = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
        torch.testing.assert_close(image_similarity(features, references), torch.tensor([0.8, 0.4]))

    def test_no_reference_is_refused(self):
        with pytest.raises(InvalidArgumentError, match="at least one picture"):
            image_similarity(torch.ones(1, 2), torch.ones(0, 2))


class TestPictures:
    def test_perceptual_shrinks_both_by_area(self):
        checker = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4).expand(1, 3, 8, 8)
        loss = PerceptualLoss(MeanColor(), size=4)
        assert float(loss(checker, torch.zeros(1, 3, 4, 4))) == pytest.approx(0.0)
        assert float(PerceptualLoss(MeanColor(), size=8)(checker, -checker)) == pytest.approx(2.0)

    def test_perceptual_looks_once_at_a_target_that_stays(self):
        model, image, target = MeanColor(), plain(0.5, 0.0, 0.0), plain(0.0, 0.0, 0.0)
        loss = PerceptualLoss(model)
        both = image.repeat(2, 1, 1, 1)
        for _ in range(3):  # a new view of the same picture each time, as a method makes it
            value = loss(both, target.expand(2, -1, -1, -1))
        assert model.seen == 3 * 2 + 1
        torch.testing.assert_close(value, torch.full((2,), 0.5 / 3))
        target += 1  # another picture at the same place
        torch.testing.assert_close(loss(image, target), torch.tensor([0.5 / 3 + 2 / 3]))
        for number in range(20):
            loss(image, plain(0.1 * number, 0.0, 0.0))
        assert len(loss._kept) <= 8

    def test_perceptual_passes_gradients_to_a_target_that_is_trained(self):
        target = plain(0.0, 0.0, 0.0).requires_grad_()
        PerceptualLoss(MeanColor())(plain(0.5, 0.0, 0.0), target).sum().backward()
        assert float(target.grad.abs().sum()) > 0

    def test_perceptual_refuses_other_shapes(self):
        with pytest.raises(InvalidArgumentError, match="target"):
            PerceptualLoss(MeanColor())(torch.zeros(1, 3, 4, 4), torch.zeros(3, 4, 4))

    def test_identity(self):
        loss = IdentityLoss(MeanColor())
        target = loss.embed(plain(1.0, 0.0, 0.0))
        values = loss(torch.cat([plain(0.5, 0.0, 0.0), plain(-0.5, 0.0, 0.0)]), target)
        torch.testing.assert_close(values, torch.tensor([0.0, 2.0]))
        assert not target.requires_grad

    def test_l2(self):
        image = torch.cat([plain(0.5, 0.5, 0.5), plain(0.0, 0.0, 0.0)])
        torch.testing.assert_close(l2_loss(image, plain(0.0, 0.0, 0.0)), torch.tensor([0.25, 0.0]))
        with pytest.raises(InvalidArgumentError, match="resize"):
            l2_loss(image, torch.zeros(1, 3, 2, 2))

    def test_luma(self):
        torch.testing.assert_close(luma(plain(1.0, 0.0, 0.0)), torch.full((1, 1, 4, 4), 0.299))

    def test_structure_is_blind_to_brightness_contrast_and_color(self):
        image = torch.rand(1, 3, 8, 8)
        tinted = luma(image) * torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1) + 0.3
        assert float(structure_loss(tinted, image)) == pytest.approx(0.0, abs=1e-5)
        assert float(structure_loss(-image, image)) == pytest.approx(2.0, abs=1e-5)


class TestDepth:
    def test_distance_counts_the_surface_alone(self):
        base = torch.tensor([[2.0, 2.0], [2.0, 2.0]]).view(1, 1, 2, 2)
        depth = torch.tensor([[2.5, 2.0], [9.0, 9.0]]).view(1, 1, 2, 2)
        alpha = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(1, 1, 2, 2)
        torch.testing.assert_close(depth_distance(depth, base, alpha), torch.tensor([0.25]))
        torch.testing.assert_close(depth_distance(depth, base), torch.tensor([14.5 / 4]))

    def test_variance(self):
        depth = torch.tensor([[1.0, 3.0], [7.0, 7.0]]).view(1, 1, 2, 2)
        alpha = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(1, 1, 2, 2)
        torch.testing.assert_close(depth_variance(depth, alpha), torch.tensor([1.0]))
        torch.testing.assert_close(depth_variance(torch.full_like(depth, 2.0)), torch.zeros(1))

    def test_gradcheck(self):
        base = torch.rand(2, 1, 3, 3, dtype=torch.float64)
        alpha = torch.rand(2, 1, 3, 3, dtype=torch.float64)
        depth = (base + 0.5 + torch.rand_like(base)).requires_grad_(True)
        assert torch.autograd.gradcheck(lambda x: depth_distance(x, base, alpha), depth)
        assert torch.autograd.gradcheck(lambda x: depth_variance(x, alpha), depth)

    def test_other_shapes_are_refused(self):
        with pytest.raises(InvalidArgumentError, match="like base"):
            depth_distance(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 3, 3))


class Layers:
    """Two layers: the picture, and its doubled mean colors."""

    def features(self, image):
        return [image, 2 * image.mean((2, 3), keepdim=True)]


def test_features_are_compared_as_they_are_and_layers_count_alike():
    loss = FeatureLoss(Layers(), size=4)
    image, target = (
        torch.zeros(2, 3, 4, 4),
        torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)]),
    )
    assert loss(image, loss.features(target)).tolist() == pytest.approx([0.0, 1.5])
    large = torch.zeros(1, 3, 8, 8, requires_grad=True)
    value = loss(large, loss.features(torch.ones(1, 3, 8, 8)))
    assert [maps.shape[-1] for maps in loss.features(large)] == [4, 1]
    value.sum().backward()
    assert float(large.grad.abs().sum()) > 0
    with pytest.raises(InvalidArgumentError, match="shape"):
        loss(image, loss.features(torch.ones(2, 3, 2, 2)))
