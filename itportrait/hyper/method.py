"""Inversion by a hyper-network: a few passes, each of which predicts a change; no optimization.

The encoder's code is where the passes begin. Each looks at the portrait and at the present
reconstruction, and changes the code, biases and the constant input of the generator, and the camera
where it is refined. The network knows the gradient of the reconstruction's error, one for each
pass; see `itportrait/perception/hyper.py`. A pass that makes a portrait's error larger is not kept,
so that a picture of a kind that the network has not seen comes out no worse than the encoder's.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from itportrait.config import Settings
from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError
from itportrait.hyper.passes import Look, Passes
from itportrait.hyper.small_changes import SmallChanges
from itportrait.invert.camera import correct_camera
from itportrait.invert.methods import Inversion
from itportrait.invert.objective import finite_rows
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.settings import InversionSettings
from itportrait.styles import WeightDelta

if TYPE_CHECKING:
    from itportrait.bundle import Bundle


_MB = 0.06
"""MiB of the biases and the constant input of the published generator, in half precision."""


class HyperConfig(Settings):
    """How a hyper-network is run."""

    passes: int | None = Field(default=None, ge=1)
    """Number of passes; None runs as many as the network was trained for, which is also the
    largest number."""


class HyperInversion(Inversion):
    """The encoder's code, then the passes of the bundle's hyper-network over a batch.

    Args:
        config: of the stage.
        bundle: models.

    Raises:
        MissingModelError: the bundle has no hyper-network, or no encoder.
        CheckpointError: the hyper-network is another generator's.
        InvalidArgumentError: settings that it cannot work with.
    """

    Config: ClassVar[type[Settings]] = HyperConfig

    def __init__(self, config: InversionSettings, bundle: "Bundle") -> None:
        super().__init__(config, bundle)
        self.check(config, bundle)
        assert bundle.hyper is not None
        assert bundle.encoder is not None
        assert isinstance(self.options, HyperConfig)
        self.network, self.encoder = bundle.hyper, bundle.encoder
        self.changes = SmallChanges(bundle.generator, self.encoder.w_std, bundle.orbit)
        if self.changes.sizes != self.network.sizes:
            raise CheckpointError(
                f"the hyper-network of bundle {bundle.name!r} changes {sum(self.network.sizes)} "
                f"numbers of another generator, and this one has {self.changes.size}; train it "
                "anew with `python workflows/pretrain_mini.py --only hyper`"
            )
        self.passes = self.options.passes or self.network.passes
        if self.passes > self.network.passes:
            raise InvalidArgumentError(
                "invert.methods.hyper.passes",
                expected=f"at most the {self.network.passes} that the network was trained for",
                actual=self.passes,
            )

    @classmethod
    def check(cls, config: InversionSettings, bundle: "Bundle | None" = None) -> None:
        """Refuse settings that the method cannot work with; see `Inversion.check`."""
        super().check(config, bundle)
        if config.start == "mean":
            raise InvalidArgumentError(
                "invert.start",
                expected="encoder or auto: a hyper-network goes on from the encoder's code",
                actual=repr(config.start),
            )
        if bundle is None:
            return
        if bundle.spec.hyper is None:
            raise MissingModelError(
                f"bundle {bundle.name!r} has no hyper-network; train one with "
                "`python workflows/pretrain_mini.py --only hyper`, or set invert.method to w_plus "
                "or pti"
            )
        if bundle.spec.perception.encoder_path is None:
            raise MissingModelError(
                f"bundle {bundle.name!r} has no encoder, whose codes a hyper-network goes on from; "
                "train one with `python workflows/pretrain_mini.py --only encoder`, or set "
                "invert.method to w_plus or pti"
            )

    @classmethod
    def weights_mb(cls, config: InversionSettings) -> float:
        """Return how many MiB a portrait's difference takes; see `Inversion.weights_mb`."""
        del config
        return _MB

    @torch.no_grad()
    def run(self, problem: Problem) -> list[Solution]:
        """Return one solution per portrait, in order."""
        start, count = time.monotonic(), len(problem.keys)
        refined = problem.cameras.new_full((count,), float(self.config.refine_camera))
        passes = Passes(self.changes, problem.targets[0], self.encoder, refined)
        look, kept = passes.run(self.network, self.passes)
        seconds = (time.monotonic() - start) / count
        return self._solutions(passes, look, kept, seconds)

    def _solutions(
        self, passes: Passes, look: Look, kept: Tensor, seconds: float
    ) -> list[Solution]:
        rows, changes, corrections = self.changes.split(look.vector)
        codes = passes.ws + rows
        cameras = correct_camera(passes.target.camera, corrections, self.changes.orbit)
        good = finite_rows(codes, cameras, look.error[:, None])
        return [
            Solution(
                w_plus=codes[row],
                camera=cameras[row],
                steps=int(kept[row]),
                seconds=seconds,
                failure="" if good[row] else "the encoder's code has no finite picture",
                delta=_delta(changes, row) if kept[row] else None,
            )
            for row in range(len(codes))
        ]


def _delta(changes: Mapping[str, Tensor], row: int) -> WeightDelta:
    """Return a portrait's difference, which fades in styles: their layers read it otherwise."""
    return WeightDelta({name: change[row] for name, change in changes.items()}, fades=True)
