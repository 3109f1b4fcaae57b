"""Moving averages of weights."""

from collections.abc import Iterable

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


def move_average(average: Iterable[Tensor], current: Iterable[Tensor], keep: float) -> None:
    """Move averaged tensors towards the current ones, in place.

    Args:
        average: tensors that are changed.
        current: tensors of the same shapes, in the same order.
        keep: share of the old average that is kept, in [0, 1].
    """
    get_ema_multi_avg_fn(keep)(list(average), [value.detach() for value in current], 1)
