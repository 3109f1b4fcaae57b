"""Adaptation methods, by name; other packages add theirs through entry points."""

from typing import TYPE_CHECKING, Any

from itportrait.adapt.settings import MethodConfig
from itportrait.lazy import lazy_exports
from itportrait.registry import Registry

if TYPE_CHECKING:
    from itportrait.adapt.methods.base import AdaptationMethod, MethodContext
    from itportrait.adapt.methods.finetuning import FinetuningMethod, StepLoss, Student
    from itportrait.adapt.methods.itportrait.method import ItportraitMethod

_COUPLED = "itportrait.compared.coupled"
_EDITING = "itportrait.editing"

METHODS: "Registry[type[AdaptationMethod[Any]]]" = Registry(
    "adaptation method",
    group="itportrait.adaptation_methods",
    own={
        "avatargan3d": "itportrait.compared.avatargan3d.method:AvatarGan3dMethod",
        "clipstyler": f"{_EDITING}.clipstyler.method:ClipstylerMethod",
        "dr3d": "itportrait.compared.dr3d.method:Dr3dMethod",
        "itportrait": "itportrait.adapt.methods.itportrait.method:ItportraitMethod",
        "jojogan": "itportrait.compared.jojogan.method:JojoganMethod",
        "jojogan+clipstyler": f"{_COUPLED}.restyled:JojoganClipstylerMethod",
        "jojogan+styleclip": f"{_COUPLED}.edited:JojoganStyleclipMethod",
        "styleclip": f"{_EDITING}.styleclip.method:StyleclipMethod",
        "stylegan_nada": "itportrait.compared.stylegan_nada.method:StyleganNadaMethod",
        "stylegan_nada+jojogan": f"{_COUPLED}.method:StyleganNadaJojoganMethod",
        "your3demoji": "itportrait.compared.your3demoji.method:Your3dEmojiMethod",
    },
)
"""Adaptation methods by name."""

_OWN_CONFIGS: Registry[type[MethodConfig]] = Registry(
    "adaptation method",
    own={
        "avatargan3d": "itportrait.compared.avatargan3d.config:AvatarGan3dConfig",
        "clipstyler": f"{_EDITING}.clipstyler.config:ClipstylerConfig",
        "dr3d": "itportrait.compared.dr3d.config:Dr3dConfig",
        "itportrait": "itportrait.adapt.methods.itportrait.config:ItportraitConfig",
        "jojogan": "itportrait.compared.jojogan.config:JojoganConfig",
        "jojogan+clipstyler": f"{_COUPLED}.config:JojoganClipstylerConfig",
        "jojogan+styleclip": f"{_COUPLED}.config:JojoganStyleclipConfig",
        "styleclip": f"{_EDITING}.styleclip.config:StyleclipConfig",
        "stylegan_nada": "itportrait.compared.stylegan_nada.config:StyleganNadaConfig",
        "stylegan_nada+jojogan": f"{_COUPLED}.config:StyleganNadaJojoganConfig",
        "your3demoji": "itportrait.compared.your3demoji.config:Your3dEmojiConfig",
    },
)
"""Settings of this package's methods, apart from them, so that checking them loads no torch."""


def config_of(method: str) -> type[MethodConfig]:
    """Return the class of a method's settings.

    Raises:
        UnknownNameError: no such method; lists the known ones.
    """
    if method in _OWN_CONFIGS.names():
        return _OWN_CONFIGS.get(method)
    return METHODS.get(method).Config


__all__ = [
    "METHODS",
    "AdaptationMethod",
    "FinetuningMethod",
    "ItportraitMethod",
    "MethodContext",
    "StepLoss",
    "Student",
    "config_of",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "base": "AdaptationMethod MethodContext",
        "finetuning": "FinetuningMethod StepLoss Student",
        "itportrait.adapt.methods.itportrait.method": "ItportraitMethod",
    },
)
