"""What the stages minimize and measure: small differentiable terms, one value a picture."""

from itportrait.losses.clip_image import image_similarity
from itportrait.losses.depth import depth_distance, depth_variance
from itportrait.losses.directional import (
    DirectionalLoss,
    cosine_loss,
    reach_loss,
    text_change,
    unit,
    weights_of_models,
)
from itportrait.losses.features import FeatureLoss
from itportrait.losses.identity import IdentityLoss
from itportrait.losses.perceptual import PerceptualLoss
from itportrait.losses.pixel import l1_loss, l2_loss, luma, structure_loss

__all__ = [
    "DirectionalLoss",
    "FeatureLoss",
    "IdentityLoss",
    "PerceptualLoss",
    "cosine_loss",
    "depth_distance",
    "depth_variance",
    "image_similarity",
    "l1_loss",
    "l2_loss",
    "luma",
    "reach_loss",
    "structure_loss",
    "text_change",
    "unit",
    "weights_of_models",
]
