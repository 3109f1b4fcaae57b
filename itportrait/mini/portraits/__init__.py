"""Procedural portraits: people from a standard normal latent, drawn with their truth."""

from itportrait.mini.portraits.captions import attributes, captions
from itportrait.mini.portraits.domains import DOMAIN_WORDS, DOMAINS, PHOTO
from itportrait.mini.portraits.prior import (
    HELD_OUT_SEED,
    LATENT_DIM,
    TRAIN_SEED,
    Person,
    decode_traits,
    latent,
    sample_people,
)
from itportrait.mini.portraits.render import Portrait, build_face, render_portrait, world_landmarks

__all__ = [
    "DOMAINS",
    "DOMAIN_WORDS",
    "HELD_OUT_SEED",
    "LATENT_DIM",
    "PHOTO",
    "TRAIN_SEED",
    "Person",
    "Portrait",
    "attributes",
    "build_face",
    "captions",
    "decode_traits",
    "latent",
    "render_portrait",
    "sample_people",
    "world_landmarks",
]
