"""Descriptions that MLflow shows above experiments and runs."""

from itportrait.tracking.base import (
    CHAMPION_ON_BANK_PROBE,
    FINAL,
    FINAL_ON_BANK_PROBE,
    OVERALL,
)

NOTE_TAG = "mlflow.note.content"
"""Tag of an experiment or a run whose Markdown MLflow shows as its description."""

EXPERIMENT_NOTE = f"""\
Style domains of itportrait: how they were adapted, and how well.

Runs of jobs, builds and comparisons have a run below them for each domain (in comparisons: for each
method and domain). Unfold a run with `[+]`.

| figures | what was measured |
| --- | --- |
| `clip_direction`, `identity`, … | the training's own few probe faces, at each probe's step |
| `{FINAL}/…` | the same faces, with the style that was kept; in comparisons the page's portraits |
| `{FINAL_ON_BANK_PROBE}/…` | the bank's larger probe set, which the gate judges by |
| `{CHAMPION_ON_BANK_PROBE}/…` | the same set, with the champion that stood before |
| `{OVERALL}/…` | in comparisons: the mean of a method over its domains |

So `{FINAL}/identity` and `{FINAL_ON_BANK_PROBE}/identity` of one style differ: they are means over
other faces and cameras. Only figures of one name compare between runs.
"""
"""Description of an experiment that has none."""
