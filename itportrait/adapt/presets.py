"""Settings that belong together, by name: a configuration names a preset and overrides parts."""

from typing import Any

MINI: dict[str, Any] = {
    "pair": {"steps": 50},
    "apt": {"size": 128, "learning_rate": 6e-3, "direction": 1.0, "l2": 1.0},
    "ite": {
        "learning_rate": 6e-3,
        "views": {"kind": "prior"},
        "pool": 64,
        "pinned_rows": 0,
        "follow": 1.0,
        "reach": 1.0,
        "identity": 0.2,
        "depth": 1.0,
    },
    "threshold": {"value": "auto", "auto_steps": 10},
    "probe": {"every": 20, "count": 6},
}
"""For the embedded family: cameras of its own prior (the published ones reach beyond what it has
seen), its own threshold, fewer renders, larger steps for its few weights, the terms that keep the
person, and `reach`: along the directions of so small a model a faint change would be enough."""

PRESETS: dict[str, dict[str, Any]] = {"published": {}, "mini": MINI}


def merge(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `patch` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in patch.items():
        inner = merged.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            merged[key] = merge(inner, value)
        else:
            merged[key] = value
    return merged
