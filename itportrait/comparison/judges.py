"""What measures the figures of a comparison, and which methods were trained with it, in words."""

from collections.abc import Iterable, Mapping

from itportrait.adapt.methods import config_of
from itportrait.adapt.settings import Network
from itportrait.comparison.config import ComparisonConfig
from itportrait.pages.comparison import measure_of

JUDGES: Mapping[Network, tuple[str, ...]] = {
    "clip": ("clip_direction", "clip_image", "clip_image_gain"),
    "perceptual": ("truth_distance", "truth_distance_base", "diversity"),
    "identity": ("identity", "view_consistency"),
    "depth": ("depth_distance", "depth_variance"),
}
"""What measures each metric that is no cost; `OF_FEATURES` depend on the configuration."""
OF_FEATURES = ("kid", "kid_ratio", "fid")
"""Metrics of the network that `measures.features` names."""
_NAMES: Mapping[Network, str] = {
    "clip": "CLIP",
    "perceptual": "The perceptual network",
    "identity": "The identity network",
    "depth": "The depth of renders",
}


def judges(config: ComparisonConfig) -> list[str]:
    """Return sentences on what measures the figures, and which methods were trained with it."""
    methods = list(dict.fromkeys(variant.method or n for n, variant in config.methods.items()))
    own = config.measures.features == "perceptual"
    texts = []
    for network, metrics in JUDGES.items():
        measured = metrics + (OF_FEATURES if own and network == "perceptual" else ())
        users = [name for name in methods if network in (config_of(name).looks_through or ())]
        texts.append(
            f"{_NAMES[network]} measures {_labels(measured)}; "
            f"losses that can look through it: {_listed(users) or 'none'}."
        )
    if not own:
        texts.append(f"An Inception network, which is in no loss, measures {_labels(OF_FEATURES)}.")
    if silent := [name for name in methods if config_of(name).looks_through is None]:
        texts.append(f"What the losses of {_listed(silent)} look through is not declared.")
    texts.append(
        "Portraits are inverted by the perceptual network, and the step of a training that is kept "
        "is chosen by CLIP, identity and depth, alike for all methods."
    )
    sets = [name for name in methods if "set" in config_of(name).accepts]
    if sets and any(domain.pictures for domain in config.domains.values()):
        texts.append(
            f"Trained with a whole set of pictures of the domain that the truth shows too: "
            f"{_listed(sets)}."
        )
    return texts


def _labels(metrics: Iterable[str]) -> str:
    """Return what people call metrics, in quotes: some labels have commas."""
    return _listed(f"“{measure_of(name).label}”" for name in metrics)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
