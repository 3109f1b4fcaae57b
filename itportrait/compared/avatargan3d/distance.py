"""How far the cameras of pictures stand from the head, and how far they may."""

from itportrait.bundle import Bundle

HALF_DEPTH = 0.32
"""How far a head reaches before and behind the origin, in world units of FFHQ's generators; the
heads of the embedded family reach 0.32 before it and 0.25 behind it."""


def radius_bounds(bundle: Bundle, reach: float) -> tuple[float, float] | None:
    """Return the smallest and the largest distance of cameras that may be tried.

    Where rays are sampled between fixed depths, a head must lie between them, else it is clipped.

    Args:
        bundle: its orbit gives the usual distance, its generator the depths.
        reach: largest change of the distance, as a share of it.

    Returns:
        The two distances, which enclose the usual one; None where not even that leaves the head
        between the depths.
    """
    usual, half = bundle.orbit.radius, HALF_DEPTH * bundle.orbit.head_scale
    low, high = usual * (1 - reach), usual * (1 + reach)
    if bundle.generator.ray_range is not None:
        near, far = bundle.generator.ray_range
        low, high = max(low, near + half), min(high, far - half)
    return (low, high) if low <= usual <= high else None
