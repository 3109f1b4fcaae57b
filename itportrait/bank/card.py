"""The files of a bank version that people read: card, preview, curve."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from itportrait.bank.gate import GateDecision
from itportrait.image import encode
from itportrait.pages.contact_sheet import contact_sheet

CARD_NAME, PREVIEW_NAME, CURVE_NAME = "card.md", "preview.png", "curve.parquet"


def version_card(
    spec: Mapping[str, Any],
    *,
    version: str,
    base_model_id: str,
    metrics: Mapping[str, float],
    decision: GateDecision,
    step: int,
    seconds: float,
    build: str,
    warnings: Sequence[str] = (),
) -> str:
    """Write the Markdown card of a domain's version: what it is, how good, and why it is served.

    Args:
        spec: the domain's specification, as plain data.
        version: name of the version.
        base_model_id: the generator it belongs to.
        metrics: scores on the probe set.
        decision: of the gate.
        step: optimization step that was kept.
        seconds: of training.
        build: name of the build that made it.
        warnings: what people should know of it.
    """
    references = ", ".join(f"`{_name(uri)}`" for uri in spec.get("references") or ()) or "none"
    lines = [
        f"# {spec['name']} {version}",
        "",
        f"Published as **{decision.verdict}** by {build}: {'; '.join(decision.reasons)}.",
        "",
        *(f"**Warning**, {text}.\n" for text in warnings),
        "| | |",
        "| --- | --- |",
        f"| mode | {spec['mode']} |",
        f"| prompt | {spec.get('prompt') or 'none'} (from: {spec.get('source_prompt')}) |",
        f"| references | {references} |",
        *([f"| set of pictures | `{spec['pictures']}` |"] if spec.get("pictures") else []),
        f"| license of the references | {spec.get('license') or 'not stated'} |",
        f"| method | {spec['method']}, layers {spec['train']}, seed {spec['seed']} |",
        f"| base model | `{base_model_id}` |",
        f"| kept step | {step} of at most {spec['steps']}, {seconds:.0f} s of training |",
        "",
        "| probe metric | value | champion before | tolerance |",
        "| --- | --- | --- | --- |",
    ]
    compared = {item.metric: item for item in decision.comparisons}
    for name, value in sorted(metrics.items()):
        item = compared.get(name)
        former = f"{item.champion:.4f}" if item else ""
        tolerance = f"{item.tolerance:g}" if item else ""
        lines.append(f"| {name} | {value:.4f} | {former} | {tolerance} |")
    return "\n".join(lines) + "\n"


def preview_png(base: Sequence[np.ndarray], styled: Sequence[np.ndarray]) -> bytes:
    """Return a PNG of the probe faces: base renders above, the same codes in the style below.

    Args:
        base: uint8 `[S, S, 3]` renders of the base generator.
        styled: as many of the adapted one.
    """
    columns = [f"face {index}" for index in range(len(base))]
    return encode(
        contact_sheet([list(base), list(styled)], columns=columns, names=["base", "style"])
    )


def _name(uri: str) -> str:
    return uri.rstrip("/").rsplit("/", 1)[-1]
