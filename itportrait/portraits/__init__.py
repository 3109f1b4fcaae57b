"""Procedural portraits: people from a standard normal latent, drawn with their truth."""

from itportrait.portraits.domains import DOMAINS, PHOTO
from itportrait.portraits.prior import (
    HELD_OUT_SEED,
    LATENT_DIM,
    TRAIN_SEED,
    Person,
    decode_traits,
    sample_people,
)
from itportrait.portraits.render import (
    ORBIT,
    Portrait,
    build_face,
    render_portrait,
    world_landmarks,
)

__all__ = [
    "DOMAINS",
    "HELD_OUT_SEED",
    "LATENT_DIM",
    "ORBIT",
    "PHOTO",
    "TRAIN_SEED",
    "Person",
    "Portrait",
    "build_face",
    "decode_traits",
    "render_portrait",
    "sample_people",
    "world_landmarks",
]
