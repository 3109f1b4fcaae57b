"""Write the figures: `report.json`, a table, and the card beside the weights."""

import json
from pathlib import Path
from typing import Any

AT_LEAST = {
    "generator_psnr": 25.5,
    "generator_head_psnr": 22.5,
    "encoder_psnr": 23.5,
    "clip_domain_top1": 0.95,
    "clip_direction": 0.3,
    "clip_glasses": 0.9,
    "clip_beard": 0.9,
    "clip_old": 0.9,
    "clip_blond": 0.9,
    "identity_auc": 0.98,
    "identity_auc_stylized": 0.9,
    "detector_drawn": 0.98,
    "detector_samples": 0.95,
    "inversion_psnr": 27.0,
    "inversion_psnr_novel": 25.0,
    "hyper_psnr": 27.0,
    "hyper_psnr_novel": 24.0,
    "inversion_keeps_glasses": 0.85,
    "inversion_keeps_beard": 0.85,
    "inversion_keeps_bun": 0.85,
    "inversion_keeps_bald": 0.85,
    "inversion_keeps_long_hair": 0.85,
}
AT_MOST = {
    "aligner_angle_deg": 3.0,
    "aligner_shift": 0.02,
    "face_depth_error": 0.02,
    "view_ms": 40.0,
    "view_of_8_ms": 20.0,
    "hyper_s": 0.5,
    "load_s": 1.0,
    "megabytes": 25.0,
}
BARS = AT_LEAST | AT_MOST
"""Bars of the figures: what the family is meant to reach."""

CARD = """# Card of the embedded model family

What it is: a tri-plane generator of portraits (128 x 128), two image-text models, a perceptual and
an identity network, an encoder and a hyper-network, small enough to ship. They let the whole
program run on a laptop, and be measured against the truth. They are no models of real people.

**Data.** {portraits} portraits drawn by `itportrait.portraits` (seed {seeds}): people,
cameras, depth, domains and captions all come from that code. No photo, no foreign model.
Figures below are of {held_out} people of another seed, none of whom was trained on.

**Training.** `python workflows/pretrain_mini.py` remakes everything: draw, train, export, measure.
This version: {budget}.

**Figures.** The bars are those of full quality; this version is held to what it reaches.

{table}

**Limits.** Drawn people look drawn. Hair strands, thin frames of glasses and teeth are soft. An
attribute whose accuracy above is near 0.5 is not known to the image-text models, which know
the words of their captions only (`clip/vocabulary.json`);
`ImageTextModel.unknown_words` names the others. The encoder and the networks expect aligned crops.

**License.** {license}
"""


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table, with the bars where there are any."""
    lines = ["| figure | value | bar |", "| --- | --- | --- |"]
    for name, value in figures.items():
        bar = f"{BARS[name]:g}" if name in BARS else ""
        lines.append(f"| {name} | {value:.4g} | {bar} |")
    return "\n".join(lines)


def write_report(path: Path, figures: dict[str, Any], extra: dict[str, Any]) -> None:
    """Write `report.json`: figures, bars, and other facts about the run."""
    content = {"figures": figures, "bars": BARS} | extra
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_card(path: Path, figures: dict[str, Any], **values: Any) -> None:
    """Write the card beside the weights: data, training, figures, limits, license.

    Args:
        path: path of the card.
        figures: figures of `evaluate`.
        values: `portraits`, `seeds`, `held_out`, `budget`, `license`.
    """
    path.write_text(CARD.format(table=table(figures), **values))
