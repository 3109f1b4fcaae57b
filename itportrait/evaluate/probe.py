"""The probe set: the portraits on which every style is scored, the same for every domain."""

import math
from dataclasses import dataclass

import torch

from itportrait.bundle import Bundle
from itportrait.evaluate.config import EvaluationProbeConfig
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.styles import Codes


@dataclass(frozen=True)
class ProbeSet:
    """Codes with their cameras, made once per base generator.

    Args:
        codes: for all metrics but KID.
        kid_codes: for KID.
        orbit: of the family, for further views.
    """

    codes: Codes
    kid_codes: Codes
    orbit: Orbit

    @classmethod
    @torch.no_grad()
    def of(cls, bundle: Bundle, config: EvaluationProbeConfig) -> "ProbeSet":
        """Draw the set from the seed; the same on every device.

        Args:
            bundle: the base, whose mapping makes the codes, and its family's cameras.
            config: of the probe.
        """
        generator, orbit = bundle.generator, bundle.orbit
        rng = torch.Generator().manual_seed(config.seed)
        parts: list[Codes] = []
        for count in (config.count, config.kid_count):
            z = torch.randn(count, generator.z_dim, generator=rng)
            angles = (2 * torch.rand(2, count, generator=rng) - 1) * torch.tensor(
                [[math.radians(config.yaw_deg)], [math.radians(config.pitch_deg)]]
            )
            device = generator.device
            ws = generator.mapping(
                z.to(device),
                frontal_camera(orbit, device).expand(count, -1),
                truncation_psi=config.truncation_psi,
            )
            parts.append(Codes(ws, look_at_camera(angles[0], angles[1], orbit).to(device)))
        return cls(parts[0], parts[1], orbit)
