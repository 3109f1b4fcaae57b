"""Predict a picture's code and camera in one pass; inversion starts there."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.perception.trunk import ConvTrunk, TrunkNetwork

MAX_ANGLE = 1.2
"""Largest magnitude of predicted angles, in radians."""


class EncoderModel(TrunkNetwork):
    """Portrait -> W+ code of one generator and camera angles.

    One w is predicted first, in units of the generator's own spread around `w_avg`; offsets of the
    rows are added to it, and start at zero, so that W+ begins as W.

    Args:
        trunk: convolutions.
        num_ws: rows of the code.
        w_dim: length of a row.
    """

    name = "itportrait-mini-encoder"
    w_avg: Tensor
    w_std: Tensor

    def __init__(self, trunk: ConvTrunk, num_ws: int, w_dim: int, hidden: int = 256) -> None:
        super().__init__(trunk, num_ws=num_ws, w_dim=w_dim, hidden=hidden)
        self.num_ws, self.w_dim = num_ws, w_dim
        self.hidden = nn.Linear(trunk.widths[-1] * 16, hidden)
        self.code = nn.Linear(hidden, w_dim)
        self.rank = 16
        self.offset = nn.Linear(hidden, num_ws * self.rank)
        self.basis = nn.Parameter(torch.zeros(num_ws, self.rank, w_dim))
        self.angles = nn.Linear(hidden, 2)
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.register_buffer("w_std", torch.ones(w_dim))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encode pictures.

        Args:
            image: `[N, 3, H, W]` in [-1, 1], any size, aligned.

        Returns:
            `w_plus` `[N, num_ws, w_dim]`, and `angles` `[N, 2]`: yaw and pitch in radians.

        Raises:
            InvalidArgumentError: wrong shape.
        """
        last = F.adaptive_avg_pool2d(self.trunk(image)[-1], 4).flatten(1)
        hidden = F.leaky_relu(self.hidden(last), 0.1)
        offset = self.offset(hidden).view(-1, self.num_ws, self.rank)
        rows = self.code(hidden)[:, None] + torch.einsum("nkr,krw->nkw", offset, self.basis)
        return self.w_avg + rows * self.w_std, torch.tanh(self.angles(hidden)) * MAX_ANGLE
