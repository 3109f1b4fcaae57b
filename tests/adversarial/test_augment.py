"""Changes of pictures: none at probability 0, alike for raw versions, steered by the signs."""

import torch

from itportrait.adversarial import AdversarialConfig
from itportrait.adversarial.augment import Augmentation, Change, enlarged, tints
from itportrait.adversarial.blur import blurred
from itportrait.adversarial.shown import Shown


def rng():
    return torch.Generator().manual_seed(7)


def test_nothing_changes_at_probability_zero(pictures, cameras):
    shown = Shown.real(pictures(0.2), cameras, side=32, raw_side=8)
    assert Augmentation(AdversarialConfig()).change(shown, rng()) is shown
    same = Change.draw(4, 0.0, rng()).apply(shown)
    torch.testing.assert_close(same.image, shown.image, atol=1e-5, rtol=0)


def test_a_picture_and_its_raw_version_change_alike(cameras):
    smooth = blurred(torch.randn(4, 3, 8, 8, generator=rng()), 1.0)
    image = enlarged(smooth, 32)
    shown = Shown(image, smooth, cameras)
    changed = Change.draw(4, 1.0, rng()).apply(shown)
    difference = (enlarged(changed.image_raw, 32) - changed.image).abs().mean()
    assert float(difference) < 0.15 * float((changed.image - image).abs().mean())


def test_gradients_reach_the_pictures(pictures, cameras):
    shown = Shown.real(pictures(0.2), cameras, side=32, raw_side=8).requires_grad()
    changed = Change.draw(4, 1.0, rng()).apply(shown)
    (changed.image.sum() + changed.image_raw.sum()).backward()
    assert bool(shown.image.grad.any())
    assert bool(shown.image_raw.grad.any())


def test_hue_and_saturation_leave_gray_alone(cameras):
    gray = torch.full((1, 3, 4, 4), 0.3)
    change = Change.draw(1, 0.0, rng())

    turned = Change(change.place, tints(torch.tensor([2.0]), torch.tensor([1.7])), change.shade)
    shown = Shown(gray, gray, cameras[:1])
    torch.testing.assert_close(turned.apply(shown).image, gray, atol=1e-5, rtol=0)


def test_the_probability_follows_the_signs_of_real_scores():
    config = AdversarialConfig(augment_pictures=100, augment_every=2)
    augmentation = Augmentation(config)
    for index in range(4):
        augmentation.observe(index, 1.0, 10)
    assert augmentation.probability == 0.4
    again = Augmentation(config)
    again.load_state_dict(augmentation.state_dict())
    for index in range(4, 7):
        again.observe(index, 0.0, 10)
    assert abs(again.probability - 0.2) < 1e-9  # the last step's correction is yet to come
    assert again.pictures == 10


def test_a_blur_keeps_the_mean_and_even_pictures():
    even = torch.full((1, 1, 6, 6), 0.4)
    torch.testing.assert_close(blurred(even, 3.0, 4), even)
    assert blurred(even, 0.2) is even
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    out = blurred(point, 1.0, 2)
    assert abs(float(out.sum()) - 1) < 1e-6
    assert abs(float(out[0, 0, 4, 4] / out[0, 0, 4, 5]) - 2.71828**0.5) < 1e-4
