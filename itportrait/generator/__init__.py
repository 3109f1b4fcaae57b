"""Tri-plane generators: EG3D's published ones and the embedded small one."""

from itportrait.generator.config import GeneratorConfig
from itportrait.generator.generator import Rendering, Samples, TriPlaneGenerator
from itportrait.generator.io import load_generator, load_state, save_generator
from itportrait.generator.presets import ffhq512_config, mini_config

__all__ = [
    "GeneratorConfig",
    "Rendering",
    "Samples",
    "TriPlaneGenerator",
    "ffhq512_config",
    "load_generator",
    "load_state",
    "mini_config",
    "save_generator",
]
