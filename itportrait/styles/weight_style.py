"""A style of weights: what it changes in the trained layers, as a difference from the base."""

import copy
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import save
from torch import Tensor

from itportrait.errors import CheckpointError, InvalidArgumentError, OutputError
from itportrait.generator import TriPlaneGenerator
from itportrait.weights.limits import Limits
from itportrait.weights.safetensors import open_safetensors, parse_json
from itportrait.weights.windows import Window, fence

FILE_NAME = "adapter.safetensors"
CARD_NAME = "domain.json"
_FORMAT = "itportrait-adapter-1"


@dataclass(frozen=True)
class WeightStyle:
    """Differences of trained tensors, with the base model they belong to.

    Args:
        domain: name of the style domain.
        base_model_id: `model_id` of the bundle it was trained on.
        delta: parameter name -> difference, float32.
        info: JSON data kept with it: specification, chosen step, metrics, pair report.
    """

    domain: str
    base_model_id: str
    delta: dict[str, Tensor] = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def between(
        cls,
        base: TriPlaneGenerator,
        adapted: TriPlaneGenerator,
        *,
        names: Iterable[str],
        domain: str,
        base_model_id: str,
        info: dict[str, Any] | None = None,
    ) -> Self:
        """Take the difference of two generators over some of their tensors.

        Args:
            base: the generator as it was.
            adapted: the same one after training.
            names: parameters that were trained.
            domain: name of the style domain.
            base_model_id: `model_id` of the base generator's bundle.
            info: JSON data kept with it.
        """
        old, new = dict(base.named_parameters()), dict(adapted.named_parameters())
        delta = {
            name: (new[name].detach().double() - old[name].detach().double()).float().cpu()
            for name in names
        }
        return cls(domain, base_model_id, delta, dict(info or {}))

    def check_base(self, model_id: str) -> None:
        """Refuse another base model than the one it was trained on.

        Raises:
            InvalidArgumentError: the ids differ.
        """
        if model_id != self.base_model_id:
            raise InvalidArgumentError(
                "bundle",
                expected=f"base model {self.base_model_id} of adapter {self.domain!r}",
                actual=model_id,
                remedy="adapt the domain again on this model, or load the model it was made for",
            )

    def check_domain(self, domain: str) -> None:
        """Refuse the adapter of another domain than the one whose folder it lies in.

        Raises:
            InvalidArgumentError: the names differ.
        """
        if domain != self.domain:
            raise InvalidArgumentError(
                "adapter",
                expected=f"that of domain {domain!r}",
                actual=f"that of {self.domain!r}",
                remedy="publish the domain again",
            )

    @torch.no_grad()
    def apply(
        self, generator: TriPlaneGenerator, strength: float = 1.0, *, model_id: str | None = None
    ) -> TriPlaneGenerator:
        """Return a copy of the base generator in this style.

        Args:
            generator: the base; it is not changed.
            strength: 0 gives the base, 1 the adapted generator; past 1 exaggerates.
            model_id: the base's id, checked where given.

        Raises:
            InvalidArgumentError: another base model, or tensors that do not fit.
        """
        if model_id is not None:
            self.check_base(model_id)
        styled = copy.deepcopy(generator)
        parameters = dict(styled.named_parameters())
        for name, delta in self.delta.items():
            target = parameters.get(name)
            if target is None or target.shape != delta.shape:
                raise InvalidArgumentError(
                    "generator",
                    expected=f"a tensor {name} of shape {list(delta.shape)}",
                    actual="none" if target is None else list(target.shape),
                    remedy=f"adapter {self.domain!r} belongs to base model {self.base_model_id}",
                )
            change = delta.to(target.device, torch.float64) * strength
            target.copy_((target.double() + change).to(target.dtype))
        return styled.eval().requires_grad_(False)

    def scaled(self, strength: float) -> Self:
        """Return the adapter whose strength 1 is this one's `strength`."""
        return replace(self, delta={name: delta * strength for name, delta in self.delta.items()})

    def to_bytes(self) -> bytes:
        """Return the safetensors file, which holds everything (`from_bytes` reads it back)."""
        metadata = {
            "format": _FORMAT,
            "domain": self.domain,
            "base_model_id": self.base_model_id,
            "info": json.dumps(self.info, sort_keys=True),
        }
        return save({name: delta.contiguous() for name, delta in self.delta.items()}, metadata)

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str = "adapter") -> Self:
        """Read what `to_bytes` wrote.

        Args:
            data: the file's bytes.
            source: its name, for errors.

        Raises:
            CheckpointError: truncated, or not an adapter.
        """
        with fence(source):
            window = Window(io.BytesIO(data), 0, len(data))
            file = open_safetensors(window, Limits(len(data)))
            kind = file.metadata.get("format")
            if kind != _FORMAT:
                raise CheckpointError(f"not an adapter: format {kind!r}, expected {_FORMAT!r}")
            missing = {"domain", "base_model_id", "info"} - file.metadata.keys()
            if missing:
                raise CheckpointError(f"not an adapter: it lacks {', '.join(sorted(missing))}")
            odd = [name for name, t in file.tensors.items() if not t.dtype.is_floating_point]
            if odd:
                raise CheckpointError(f"not an adapter: {odd[0]} holds whole numbers")
            info = parse_json(file.metadata["info"], "its info")
            delta = {name: tensor.read() for name, tensor in file.tensors.items()}
        return cls(file.metadata["domain"], file.metadata["base_model_id"], delta, info)

    def save(self, folder: str | Path) -> Path:
        """Write `adapter.safetensors` and `domain.json` into a folder, which is made.

        Raises:
            OutputError: writing failed; names the path.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            temporary = path / (FILE_NAME + ".tmp")
            temporary.write_bytes(self.to_bytes())
            card = {"domain": self.domain, "base_model_id": self.base_model_id, **self.info}
            (path / CARD_NAME).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n")
            temporary.replace(path / FILE_NAME)
        except OSError as error:
            raise OutputError(f"cannot write adapter to {path}: {error}") from error
        return path / FILE_NAME

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an adapter from its file or its folder.

        Raises:
            CheckpointError: absent, truncated, or not an adapter.
        """
        file = Path(path)
        file = file / FILE_NAME if file.is_dir() else file
        try:
            data = file.read_bytes()
        except OSError as error:
            raise CheckpointError(f"cannot read adapter {file}: {error}") from error
        return cls.from_bytes(data, source=str(file))


def mix_weight_styles(
    parts: Sequence[tuple[WeightStyle, float]], *, domain: str | None = None
) -> WeightStyle:
    """Blend domains: the weighted sum of their differences (a tensor that one lacks counts as 0).

    Args:
        parts: adapters of one base model, each with its weight.
        domain: name of the blend; default, the names and weights.

    Raises:
        InvalidArgumentError: no part, or parts of different base models.
    """
    if not parts:
        raise InvalidArgumentError("parts", expected="at least one adapter", actual="none")
    base = parts[0][0].base_model_id
    for adapter, _ in parts:
        adapter.check_base(base)
    delta: dict[str, Tensor] = {}
    for adapter, weight in parts:
        for name, change in adapter.delta.items():
            delta[name] = delta[name] + weight * change if name in delta else weight * change
    name = domain or "+".join(f"{weight:g}*{adapter.domain}" for adapter, weight in parts)
    info = {"mix": [{"domain": adapter.domain, "weight": weight} for adapter, weight in parts]}
    return WeightStyle(name, base, delta, info)
