"""The drawn portraits as tensors, read from the shards of `itportrait.pretrain.dataset`.

People to train on and people to measure on come from different seeds, so from different folders.
All rows are kept in memory with the types of the disk (8 and 16 bit): 20,000 portraits take 1.6 GB.
"""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.portraits.stored_depth import decode_depth

PEOPLE_PER_SEED = 1_000_000
"""Numbers of people are kept apart by this much between datasets of different seeds."""


@dataclass(frozen=True)
class PortraitData:
    """Rows of drawn portraits."""

    image: Tensor
    """`[n, 3, S, S]` uint8, RGB."""
    camera: Tensor
    """`[n, 25]` float32."""
    latent: Tensor
    """`[n, 64]` float32."""
    person: Tensor
    """`[n]` int64."""
    view: Tensor
    """`[n]` int64."""
    domain: Tensor
    """`[n]` int64, an index of `domains`."""
    domains: tuple[str, ...]
    captions: list[list[str]]
    depth: Tensor | None = None
    """`[n, S, S]` int16: the bits of the stored uint16, which torch cannot index."""
    alpha: Tensor | None = None
    """`[n, S, S]` uint8."""

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: Tensor) -> "PortraitData":
        """Return the given rows (numbers or a mask)."""
        rows = rows.nonzero().flatten() if rows.dtype == torch.bool else rows
        values = {
            item.name: getattr(self, item.name)[rows]
            for item in fields(self)
            if isinstance(getattr(self, item.name), Tensor)
        }
        return replace(self, **values, captions=[self.captions[row] for row in rows.tolist()])

    def spread(self, count: int) -> Tensor:
        """Return the numbers of at most `count` rows, evenly picked from all."""
        return torch.linspace(0, len(self) - 1, min(count, len(self))).long().unique()

    def floats(self, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return pictures `[m, 3, S, S]` in [-1, 1]."""
        return self.image[rows].to(device).float().div_(127.5).sub_(1)

    def alphas(self, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return coverage by the head `[m, 1, S, S]` in [0, 1].

        Raises:
            InvalidArgumentError: the data was read without geometry.
        """
        if self.alpha is None:
            raise InvalidArgumentError("data", expected="read with geometry=True", actual="without")
        return self.alpha[rows].to(device).float().div_(255)[:, None]

    def depths(self, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return distances along the rays `[m, 1, S, S]`, world units.

        Raises:
            InvalidArgumentError: the data was read without geometry.
        """
        if self.depth is None:
            raise InvalidArgumentError("data", expected="read with geometry=True", actual="without")
        stored = self.depth[rows].numpy().view(np.uint16)
        return torch.from_numpy(decode_depth(stored))[:, None].to(device)

    def groups(self) -> Tensor:
        """Return row numbers `[people, views]` of those who have the most common number of views
        in one domain."""
        _, person = self.person.unique(return_inverse=True)
        key = self.domain * (int(person.max()) + 1) + person
        order = torch.argsort(key * 4096 + self.view)
        _, counts = torch.unique_consecutive(key[order], return_counts=True)
        views = int(counts.mode().values)
        whole = torch.repeat_interleave(counts == views, counts)
        return order[whole].view(-1, views)


def read_portraits(
    *folders: str | Path,
    domains: tuple[str, ...] | None = None,
    geometry: bool = False,
) -> PortraitData:
    """Read datasets, or as much of them as is drawn already.

    Args:
        folders: folders of datasets; people of one seed are the same people in all of them.
        domains: names of the domains that are kept; all by default.
        geometry: whether depth and alpha are kept too.

    Raises:
        NoInputError: no shard of those domains is there.
    """
    parts: list[dict[str, Tensor]] = []
    captions: list[list[str]] = []
    names: tuple[str, ...] = ()
    seeds: list[int] = []
    for folder in folders:
        header = Path(folder) / "dataset.json"
        if not header.exists():
            continue
        asked = json.loads(header.read_text())
        found = tuple(asked["domains"])
        names = names + tuple(name for name in found if name not in names)
        seed = asked["spec"]["people_seed"]
        seeds += [seed] if seed not in seeds else []
        for shard in sorted(header.parent.glob("shard-*.safetensors")):
            part, text = _read_shard(shard, found, names, domains, geometry)
            if part is not None:
                part["person"] += PEOPLE_PER_SEED * seeds.index(seed)
                parts.append(part)
                captions += text
    if not parts:
        places = ", ".join(map(str, folders))
        raise NoInputError(
            f"no shard-*.safetensors with {domains or 'any domain'} in {places}; "
            "draw them with `python workflows/pretrain_mini.py`"
        )
    columns = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    return PortraitData(**columns, domains=names, captions=captions)


def _read_shard(path, found, names, domains, geometry):
    with safe_open(str(path), framework="pt") as file:
        index = torch.tensor([names.index(name) for name in found])[
            file.get_tensor("domain").long()
        ]
        wanted = torch.tensor([domains is None or name in domains for name in names])[index]
        if not wanted.any():
            return None, []
        keys = ["image", "camera", "latent", "person", "view"]
        part = {key: file.get_tensor(key)[wanted] for key in keys}
        if geometry:
            part["alpha"] = file.get_tensor("alpha")[wanted]
            part["depth"] = file.get_tensor("depth").view(torch.int16)[wanted]
        text = json.loads((file.metadata() or {}).get("captions", "[]"))
    part["image"] = part["image"].permute(0, 3, 1, 2).contiguous()
    part["domain"] = index[wanted]
    part["person"], part["view"] = part["person"].long(), part["view"].long()
    rows = wanted.nonzero().flatten().tolist()
    return part, [text[row] for row in rows] if text else [[] for _ in rows]


def pairs_across(data: PortraitData, source: str, target: str) -> Tensor:
    """Return row numbers `[m, 2]` of the same person and view in two domains.

    Raises:
        InvalidArgumentError: no such pair is in the data.
    """
    key = (data.person * 4096 + data.view).numpy()
    rows = [np.flatnonzero(data.domain.numpy() == data.domains.index(d)) for d in (source, target)]
    _, left, right = np.intersect1d(key[rows[0]], key[rows[1]], return_indices=True)
    if len(left) == 0:
        raise InvalidArgumentError(
            "dataset", expected=f"people drawn in both {source} and {target}", actual="none"
        )
    return torch.from_numpy(np.stack([rows[0][left], rows[1][right]], axis=1))
