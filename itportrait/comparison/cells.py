"""The cells of a comparison: every method in every domain with every seed, or why it cannot be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from itportrait.adapt.config import misfits, resolve
from itportrait.adapt.domain import DomainSpec, Mode
from itportrait.comparison.config import ComparisonConfig, DomainSettings, Variant
from itportrait.comparison.given import Target, read_domain
from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.io import uris
from itportrait.training.domain_job import DomainJob

RICHEST_FIRST: tuple[Mode, ...] = ("image_text", "image", "text")
"""Modes in the order in which a variant without a mode tries them."""


@dataclass(frozen=True, order=True)
class Cell:
    """A method in a domain with a seed."""

    label: str
    domain: str
    seed: int

    def __str__(self) -> str:
        return f"{self.label}, {self.domain}, seed {self.seed}"


@dataclass(frozen=True)
class PlannedCell:
    """A cell with what scores it and the adaptation that makes its style, or the reason why there
    is none."""

    cell: Cell
    target: Target
    job: DomainJob | None = None
    reason: str = ""

    @property
    def mode(self) -> str:
        """Return what guides the method; empty where nothing fits."""
        return self.job.spec.mode if self.job else ""


def plan_cells(config: ComparisonConfig, model_id: str) -> list[PlannedCell]:
    """Return all cells, in the order of methods, domains and seeds.

    What a domain gives is read once for all of its cells. A cell that cannot be adapted or scored
    has its reason, and the others go on.
    """
    return list(_planned(config, model_id))


def _planned(config: ComparisonConfig, model_id: str) -> Iterator[PlannedCell]:
    given = {name: read_domain(name, domain) for name, domain in config.domains.items()}
    for label, variant in config.methods.items():
        for name, domain in config.domains.items():
            if variant.domains is not None and name not in variant.domains:
                continue
            for seed in config.seeds:
                cell, target = Cell(label, name, seed), given[name].target
                try:
                    spec = specification(cell, variant, domain)
                    resolve(spec, config.adapt)
                    job = DomainJob.of(
                        spec,
                        bundle=config.base,
                        adapt=config.adapt,
                        align=config.align,
                        model_id=model_id,
                        guides=given[name].guides(spec),
                    )
                except (ItportraitError, OSError) as error:
                    yield PlannedCell(cell, target, reason=uris.redact(str(error)))
                else:
                    yield PlannedCell(cell, target, job)


def specification(cell: Cell, variant: Variant, domain: DomainSettings) -> DomainSpec:
    """Return the domain as a variant is guided by it.

    Raises:
        InvalidArgumentError: the domain gives nothing that the method accepts; says what each mode
            lacks.
    """
    reasons: list[str] = []
    for mode in (variant.mode,) if variant.mode else RICHEST_FIRST:
        if mode != "image" and not domain.prompt:
            reasons.append(f"{mode}: the domain has no prompt")
            continue
        for given in _pictures(mode, domain):
            spec = _with_mode(cell, variant, domain, mode, given)
            problems = misfits(spec)
            if not problems:
                return spec
            reasons.append(f"{mode}: {'; '.join(problems.values())}")
        if not _pictures(mode, domain):
            reasons.append(f"{mode}: the domain has no references")
    raise InvalidArgumentError(
        f"domain {cell.domain!r}",
        expected=f"something that guides method {variant.method or cell.label!r}",
        actual=" | ".join(reasons),
    )


def _pictures(mode: Mode, domain: DomainSettings) -> list[dict[str, Any]]:
    """Return what may guide a method in a mode besides words: references, or a set of pictures."""
    if mode == "text":
        return [{}]
    found: list[dict[str, Any]] = []
    if domain.references:
        found.append({"references": domain.references})
    if domain.pictures:
        found.append({"pictures": domain.pictures, "pictures_count": domain.pictures_count})
    return found


def _with_mode(
    cell: Cell, variant: Variant, domain: DomainSettings, mode: Mode, pictures: dict[str, Any]
) -> DomainSpec:
    return DomainSpec.parse(
        {
            "name": cell.domain,
            "mode": mode,
            "prompt": domain.prompt if mode != "image" else None,
            "source_prompt": domain.source_prompt,
            **pictures,
            "method": variant.method or cell.label,
            "options": variant.options,
            "steps": variant.steps or domain.steps,
            "train": domain.train,
            "seed": cell.seed,
            "license": domain.license,
        },
        source=f"domain {cell.domain!r}",
    )
