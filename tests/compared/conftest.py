"""The fixtures of the adaptation's tests: a tiny family, a reference picture, specifications."""

from tests.adapt.conftest import bundle, config, make_spec, reference

__all__ = ["bundle", "config", "make_spec", "reference"]
