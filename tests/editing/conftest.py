"""The fixtures of an adaptation."""

from tests.helpers.adaptation import bundle, config, make_spec, reference

__all__ = ["bundle", "config", "make_spec", "reference"]
