"""The metrics of a comparison: what each is measured on, and which model or truth it comes from."""

PORTRAIT_METRICS = {
    "clip_direction": "guide",
    "clip_image": "guide",
    "clip_image_gain": "guide",
    "truth_distance": "truth",
    "truth_distance_base": "truth",
    "identity": "identity",
    "view_consistency": "identity",
    "depth_distance": "depth",
    "depth_variance": "depth",
    "portrait_seconds": "cost",
}
"""Metrics that every portrait has by itself, with their sources."""
CELL_METRICS = {
    "kid": "truth",
    "kid_ratio": "truth",
    "fid": "truth",
    "diversity": "features",
    "adapt_seconds": "cost",
    "style_bytes": "cost",
}
"""Metrics that all portraits of a cell, or its style, have together, with their sources."""
METRICS = PORTRAIT_METRICS | CELL_METRICS
"""All metrics with their sources: `guide` is the image-text model (CLIP) that guides most methods.
Networks behind others are in losses of methods too: see `itportrait.comparison.judges`."""
