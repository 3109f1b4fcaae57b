"""Generators: what any family's can do, EG3D's published ones, and the embedded small one."""

from itportrait.generator.base import Generator, NoiseMode, Rendering, Samples, Sampling
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.families import FAMILIES
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.generator.io import load_generator, load_state, save_generator
from itportrait.generator.presets import ffhq512_config, mini_config

__all__ = [
    "FAMILIES",
    "Generator",
    "GeneratorConfig",
    "NoiseMode",
    "Rendering",
    "Samples",
    "Sampling",
    "TriPlaneGenerator",
    "ffhq512_config",
    "load_generator",
    "load_state",
    "mini_config",
    "save_generator",
]
