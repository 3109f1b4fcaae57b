"""Families of generators, by the name that a bundle's `model.json` has under `family`."""

import logging

from itportrait.errors import UnknownNameError
from itportrait.generator.base import Generator
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.registry import Registry

log = logging.getLogger(__name__)

DEFAULT_FAMILY = "eg3d"
"""Family of a folder that has a generator and no bundle's name for it yet."""


FAMILIES: Registry[type[Generator]] = Registry(
    "generator family",
    group="itportrait.generator_families",
    own=dict.fromkeys(
        ("mini", "eg3d", "ffhq512"), "itportrait.generator.generator:TriPlaneGenerator"
    ),
)


def find_family(name: str, config: object) -> type[Generator]:
    """Return the class of generators that a bundle names.

    Release 0.1 let a bundle call its family anything and knew one architecture. So a name that is
    not registered stands for that architecture where the configuration has no other keys than its,
    and a line of the log says so.

    Args:
        name: `family` of `model.json`.
        config: `generator.config` of `model.json`.

    Raises:
        UnknownNameError: nobody has registered the name.
    """
    try:
        return FAMILIES.get(name)
    except UnknownNameError:
        known = GeneratorConfig.model_fields
        if not isinstance(config, dict) or config.keys() - known.keys():
            raise
    log.warning(
        "generator family %r is not registered; its configuration is that of %r, so it is read as "
        "that, as bundles of release 0.1 are",
        name,
        DEFAULT_FAMILY,
    )
    return TriPlaneGenerator
