"""Photos to EG3D's crop and camera."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.align.aligner import Aligner
    from itportrait.align.config import AlignConfig, Reason
    from itportrait.align.crop import CropPlan, cut, plan_crop
    from itportrait.align.pose import estimate_pose, label_from_pose

VERSION = 1
"""Version of the stage's code. It is raised when results change; rows of other versions are
computed anew."""

__all__ = [
    "VERSION",
    "AlignConfig",
    "Aligner",
    "CropPlan",
    "Reason",
    "cut",
    "estimate_pose",
    "label_from_pose",
    "plan_crop",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "aligner": "Aligner",
        "config": "AlignConfig Reason",
        "crop": "CropPlan cut plan_crop",
        "pose": "estimate_pose label_from_pose",
    },
)
