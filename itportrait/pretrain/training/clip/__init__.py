"""Training of the two image-text models: one of styles, one of traits."""

from itportrait.pretrain.training.clip.config import ClipTraining
from itportrait.pretrain.training.clip.measure import measure_clip
from itportrait.pretrain.training.clip.task import ClipTask

__all__ = ["ClipTask", "ClipTraining", "measure_clip"]
