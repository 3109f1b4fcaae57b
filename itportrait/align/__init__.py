"""Photos to EG3D's crop and camera."""

from itportrait.align.aligner import Aligner
from itportrait.align.config import AlignConfig, Reason
from itportrait.align.crop import CropPlan, cut, plan_crop
from itportrait.align.pose import estimate_pose, label_from_pose

__all__ = [
    "AlignConfig",
    "Aligner",
    "CropPlan",
    "Reason",
    "cut",
    "estimate_pose",
    "label_from_pose",
    "plan_crop",
]
