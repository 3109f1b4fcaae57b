"""Training of the two image-text models: one of styles, one of traits."""

from itportrait.pretrain.networks.clip.config import ClipTraining
from itportrait.pretrain.networks.clip.measure import measure_clip
from itportrait.pretrain.networks.clip.task import ClipTask

__all__ = ["ClipTask", "ClipTraining", "measure_clip"]
