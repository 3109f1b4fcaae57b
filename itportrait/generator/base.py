"""What a generator of any family can do: everything that the rest of the package asks of one."""

from abc import ABC, abstractmethod
from collections import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from itportrait.config import Settings
from itportrait.errors import InvalidArgumentError
from itportrait.generator.precision import FP32, OTHER_FAMILY, Precision, PrecisionName, say_once

NoiseMode = Literal["none", "const", "random"]
Sampling = Literal["midpoint", "random"]


@dataclass(frozen=True)
class Samples:
    """The intervals along every ray that the picture was composited from."""

    depths: Tensor
    """`[N, R*R, K]` mid-points, ascending."""
    weights: Tensor
    """`[N, R*R, K]`, of sum at most 1."""

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.depths, self.weights))


@dataclass(frozen=True)
class Rendering:
    """What a view gives."""

    image: Tensor | None
    """`[N, 3, S, S]`, about [-1, 1]; none where super-resolution was not asked for."""
    image_raw: Tensor
    """`[N, 3, R, R]`, about [-1, 1]."""
    image_depth: Tensor
    """`[N, 1, R, R]`: distance along the ray."""
    image_alpha: Tensor
    """`[N, 1, R, R]` in [0, 1]: accumulated weight."""
    samples: Samples | None = None
    """The intervals of each ray, where they were asked for."""

    @property
    def final_image(self) -> Tensor:
        """The super-resolved image of a view that was rendered with one, `[N, 3, S, S]`."""
        if self.image is None:
            raise InvalidArgumentError(
                "rendering",
                expected="one with a final image",
                actual="one without",
                remedy="render with super_resolve=True",
            )
        return self.image


class Generator(nn.Module, ABC):
    """A 3D-aware generator of portraits: z and camera to code, code to scene, scene to picture.

    A family of generators is one subclass, made from its settings alone; packages register theirs
    in the entry-point group `itportrait.generator_families`, under the name that bundles have as
    `family`.
    It is a module and no bare protocol, since adaptation copies generators, trains some of
    their parameters by name and moves them between devices.
    """

    config_type: ClassVar[type[Settings]]
    """Type of the family's settings; the `config` of a bundle's generator is validated by it."""
    config: Any
    """Settings that determine the architecture, of `config_type`."""
    z_dim: int
    """Length of a latent z."""
    w_dim: int
    """Length of a row of a code."""
    num_ws: int
    """Rows of a code."""
    image_resolution: int
    """Side of the final image, S."""
    neural_rendering_resolution: int
    """Side of the raw image, unless asked otherwise, R."""
    box_warp: float
    """Side of the cube about the origin that holds the scene, in world units."""
    density_gain: float
    """Factor on the density, which is `density_gain * softplus(sigma - 1)` per world unit."""
    row_sets: Mapping[str, tuple[int, ...]]
    """Rows of a code by what they carry. `style_rows` carry color and texture; `preserve_color` are
    those among them that JoJoGAN exchanges to keep the colors, at the same depth; `color_rows` are
    those that carry color. In StyleGAN networks of ten rows these are as measured on the embedded
    family, and with other numbers of rows the style rows that are not in `preserve_color`. `shape`
    are the first rows, which the twin of a style image gives."""
    row_layers: Sequence[tuple[str, ...]] = ()
    """For each row of a code, prefixes of the names of parameters: the layers that read it first,
    without those that turn features into colors. A family that cannot tell has none."""
    parts: ClassVar[Mapping[str, tuple[str, ...]]]
    """Groups of parameters that adaptation may train, by name: prefixes of their names. Presets
    know `synthesis` (draws the scene), `decoder` (scene to density and color), `superresolution`
    and `background`; a family has those that it can tell apart."""
    optional_suffix: ClassVar[str] = ""
    """End of the names of buffers that the architecture defines: files may lack them."""

    precision: Precision = FP32
    """What it computes with; `compute_in` chooses it."""

    @abstractmethod
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @property
    @abstractmethod
    def w_avg(self) -> Tensor:
        """The mean w, `[w_dim]`."""

    @property
    def device(self) -> torch.device:
        """Where the generator is, and codes and cameras must be."""
        return self.w_avg.device

    @property
    def ray_range(self) -> tuple[float, float] | None:
        """Depths between which surfaces are seen whole, in world units; None where the samples of
        rays follow the scene, wherever the camera stands."""
        return None

    def compute_in(self, asked: PrecisionName) -> None:
        """Choose the precision of what is computed from now on; weights stay as they are.

        A family that knows no other computes in float32, and says so once.

        Args:
            asked: `fp32`, or `fast`: half precision where this device has units for it.
        """
        if asked == "fast":
            say_once(OTHER_FAMILY)

    @contextmanager
    def computing_in(self, asked: PrecisionName) -> abc.Generator[None]:
        """Compute in a precision for the time of the block; see `compute_in`."""
        before = self.precision
        self.compute_in(asked)
        try:
            with self.precision.applied():
                yield
        finally:
            self.precision = before

    def parameters_of(self, parts: Iterable[str]) -> dict[str, nn.Parameter]:
        """Return the parameters of some groups by name, in the module's order.

        Args:
            parts: names of `parts`; those that the family does not tell apart have none.
        """
        prefixes = tuple(prefix for part in parts for prefix in self.parts.get(part, ()))
        return {name: p for name, p in self.named_parameters() if name.startswith(prefixes)}

    @abstractmethod
    def mapping(
        self,
        z: Tensor,
        camera: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Map latents to codes.

        Args:
            z: `[N, z_dim]`, standard normal.
            camera: `[N, 25]` or `[1, 25]` that conditions the mapping.
            truncation_psi: 1 keeps the code, 0 gives the mean.
            truncation_cutoff: how many of the ws are truncated; none is all.

        Returns:
            `[N, num_ws, w_dim]`.

        Raises:
            InvalidArgumentError: `z` or `camera` of another shape.
        """

    @abstractmethod
    def planes(
        self, ws: Tensor, noise_mode: NoiseMode = "const", rng: torch.Generator | None = None
    ) -> Tensor:
        """Draw the scene of each code, which views of any camera are then rendered from.

        Args:
            ws: `[N, num_ws, w_dim]`.
            noise_mode: `const` (reproducible), `none` or `random`.
            rng: for `random`.

        Returns:
            `[N, ...]`; for a tri-plane generator `[N, 3, C, H, W]`.

        Raises:
            InvalidArgumentError: `ws` of another shape, or another noise mode.
        """

    @abstractmethod
    def sample(self, points: Tensor, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate the scene at points.

        Args:
            points: `[N, M, 3]` in the world.
            planes: of `planes`.

        Returns:
            `(sigma [N, M, 1], rgb [N, M, C])`: density before the softplus; color features, the
            first three of them the color, in [0, 1].

        Raises:
            InvalidArgumentError: `points` of another shape.
        """

    @abstractmethod
    def render(
        self,
        planes: Tensor,
        ws: Tensor,
        camera: Tensor,
        *,
        neural_rendering_resolution: int | None = None,
        sampling: Sampling = "midpoint",
        rng: torch.Generator | None = None,
        return_samples: bool = False,
        super_resolve: bool = True,
    ) -> Rendering:
        """Render scenes from cameras. Differentiable in planes, ws, camera and parameters.

        Args:
            planes: of `planes`.
            ws: `[N, num_ws, w_dim]`, for super-resolution and background.
            camera: `[N, 25]`.
            neural_rendering_resolution: side of the raw image; none is the configured one.
            sampling: `midpoint` (reproducible) or `random` depths along the rays.
            rng: for `random`.
            return_samples: whether the composited intervals are returned.
            super_resolve: whether the final image is made.

        Returns:
            The views.

        Raises:
            InvalidArgumentError: shapes that do not fit, or another `sampling`.
        """

    def synthesize(
        self,
        ws: Tensor,
        camera: Tensor,
        *,
        noise_mode: NoiseMode = "const",
        neural_rendering_resolution: int | None = None,
        sampling: Sampling = "midpoint",
        rng: torch.Generator | None = None,
        return_samples: bool = False,
        super_resolve: bool = True,
    ) -> Rendering:
        """Draw the scenes of `ws` and render them; arguments as in `planes` and `render`."""
        return self.render(
            self.planes(ws, noise_mode, rng),
            ws,
            camera,
            neural_rendering_resolution=neural_rendering_resolution,
            sampling=sampling,
            rng=rng,
            return_samples=return_samples,
            super_resolve=super_resolve,
        )
