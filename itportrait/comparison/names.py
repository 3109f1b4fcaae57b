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
"""Metrics that every portrait has by itself, with their sources.

`portrait_seconds` is a portrait's share of the time in which its batch is stylized, on the machine
of the run: fitting the style to the portraits, where it fits any, and rendering four views of each.
Alignment, inversion and the loading of models are not in it. A portrait that a style was fitted to
earlier, by a variant of another strength for example, has the seconds of that time.
"""
CELL_METRICS = {
    "kid": "truth",
    "kid_ratio": "truth",
    "fid": "truth",
    "diversity": "features",
    "adapt_seconds": "cost",
    "style_bytes": "cost",
}
"""Metrics that all portraits of a cell, or its style, have together, with their sources.
`adapt_seconds` is the time of the adaptation with its probes, without the loading of models and the
starts of processes."""
METRICS = PORTRAIT_METRICS | CELL_METRICS
"""All metrics with their sources: `guide` is the image-text model (CLIP) that guides most methods.
Networks behind others are in losses of methods too: see `itportrait.comparison.judges`."""
