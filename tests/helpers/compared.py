"""A small comparison with hostile names, for tests of its page."""

import numpy as np

from itportrait.pages.comparison import (
    ComparedDomain,
    ComparedFailure,
    ComparedMethod,
    ComparedPicture,
    ComparedPortrait,
    ComparedScore,
    Comparison,
    encode_views,
)

HOSTILE = "<img src=x onerror=alert(1)>\"'&</script><script>alert(2)</script>"
METHODS = ("ours", "theirs", "stylegan_nada+jojogan", HOSTILE)
PORTRAITS = ("anna.png", "bob.png", f"{HOSTILE}.png")
FIGURES = {"ours": 0.20, "theirs": 0.22, "stylegan_nada+jojogan": 0.30, HOSTILE: 0.21}
"""Distance to the truth; the interval of each is 0.025 to both sides."""
NO_REFERENCE = f"the domain has no reference {HOSTILE}"


def views(count=3, value=90):
    shades = (value + 40 * position for position in range(count))
    return encode_views([np.full((24, 24, 3), shade, np.uint8) for shade in shades])


def scores(domain=None, seed=None):
    for label, distance in FIGURES.items():
        for metric, source, value in (
            ("truth_distance", "truth", distance),
            ("identity", "identity", 1 - 2 * distance),
            ("clip_direction", "guide", distance * 2),
            ("depth_variance", "depth", 1.3 - distance),
        ):
            low, high = value - 0.025, value + 0.025
            best = distance < 0.25 if metric == "truth_distance" else None
            yield ComparedScore(
                label, metric, source, value, low, high, 16, domain, seed, best=best
            )
        yield ComparedScore(
            label, "clip_image", "guide", None, domain=domain, seed=seed, reason=NO_REFERENCE
        )
        yield ComparedScore(label, "adapt_seconds", "cost", 90.0, domain=domain, seed=seed)
        yield ComparedScore(label, "style_bytes", "cost", 2.5e6, domain=domain, seed=seed)


def comparison(**changes):
    """Return four methods, two domains, three portraits; one style and one portrait failed."""
    domains = ("zombie", HOSTILE)
    failures = [
        ComparedFailure("theirs", HOSTILE, f"no mode fits {HOSTILE}"),
        ComparedFailure("ours", "zombie", "values not finite", 0, "bob.png"),
    ]
    pictures = [
        ComparedPicture(label, domain, 0, name, views(), {"identity": 0.5, "truth_distance": 0.25})
        for label in METHODS
        for domain in domains
        for name in PORTRAITS
        if (label, domain) != ("theirs", HOSTILE)
        and (label, domain, name) != ("ours", "zombie", "bob.png")
    ]
    given = {
        "methods": [ComparedMethod(label, "itportrait", "text", HOSTILE) for label in METHODS],
        "domains": [ComparedDomain("zombie", "a zombie"), ComparedDomain(HOSTILE, None, views(1))],
        "portraits": [
            ComparedPortrait(name, views(1), views(), {"zombie": views()}) for name in PORTRAITS
        ],
        "scores": [s for scope in (None, *domains) for s in scores(scope)],
        "pictures": pictures,
        "failures": failures,
        "view_names": ["own view", HOSTILE],
        "settings": {"seeds": "0", HOSTILE: HOSTILE},
        "config": f"base: mini {HOSTILE}",
    }
    return Comparison(**{**given, **changes})
