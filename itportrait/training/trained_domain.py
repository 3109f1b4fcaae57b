"""The results of a finished training: its files, its card, and its version of a bank."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from itportrait.bank.card import CARD_NAME
from itportrait.bank.gate import FloorsConfig, judge_alone, weaknesses
from itportrait.bank.store import Bank, BankVersion
from itportrait.io import uris
from itportrait.styles.names import STYLE_FILE
from itportrait.training.domain_job import DomainJob

if TYPE_CHECKING:
    from itportrait.adapt import AdaptResult

RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class TrainedDomain:
    """The results of a finished training.

    Args:
        job: what was asked for.
        base_model_id: the model it belongs to.
        metrics: of the chosen step.
        info: chosen step, pair reports, seconds.
        files: adapter, preview, curve, references, by path under a version's folder.
    """

    job: DomainJob
    base_model_id: str
    metrics: dict[str, float]
    info: dict[str, Any]
    files: dict[str, bytes] = field(repr=False)

    def version(self, name: str | None = None) -> BankVersion:
        """Return the card of this result as a version of a bank (default name: fingerprint)."""
        spec = self.job.spec
        return BankVersion(
            domain=spec.name,
            version=name or self.job.fingerprint,
            fingerprint=self.job.fingerprint,
            base_model_id=self.base_model_id,
            spec=spec.portable(),
            metrics=self.metrics,
            info={
                **self.info,
                "base": uris.redact(self.job.bundle),
                "align": self.job.align.model_dump(mode="json"),
                **({"warnings": list(self.job.warnings)} if self.job.warnings else {}),
            },
            references=tuple(sorted(path for path in self.files if path.startswith("references/"))),
        )


def collect_result(
    job: DomainJob, result: "AdaptResult", model_id: str, references: Sequence
) -> TrainedDomain:
    """Turn an `AdaptResult` into what a bank keeps of it."""
    info = {"step": result.step, **result.notes, "fit": result.style.info.get("fit")}
    trained = TrainedDomain(
        job=job,
        base_model_id=model_id,
        metrics=result.metrics,
        info=info,
        files=_result_files(result, references),
    )
    card = _card(trained, trained.version()).encode()
    return replace(trained, files={**trained.files, CARD_NAME: card})


def _result_files(result: "AdaptResult", references: Sequence) -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from itportrait.image import encode
    from itportrait.pages.contact_sheet import contact_sheet

    files = {STYLE_FILE: result.style.to_bytes()}
    for name, style in result.others.items():
        files[f"{name}_{STYLE_FILE}"] = style.to_bytes()
    pictures = list(result.images)
    if pictures:
        sheet = contact_sheet([pictures], columns=[f"face {i}" for i in range(len(pictures))])
        files["preview.png"] = encode(sheet)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(result.curve), buffer)
    files["curve.parquet"] = buffer.getvalue()
    for index, reference in enumerate(references):
        files[f"references/{index:03d}.png"] = encode(reference.pixels)
    return files


def _card(trained: TrainedDomain, version: BankVersion) -> str:
    spec, gate = trained.job.spec, version.info.get("gate")
    lines = [f"# {spec.name}", ""]
    if gate:
        lines.append(f"- published as {gate['verdict']}: {'; '.join(gate['reasons'])}")
    lines += [f"- mode: {spec.mode}", f"- method: {spec.method}"]
    if spec.prompt:
        lines.append(f"- prompt: {spec.prompt} (from: {spec.source_prompt})")
    if spec.references:
        lines.append(
            f"- reference pictures: {len(spec.references)}; license: {spec.license or '-'}"
        )
    if spec.pictures:
        about = trained.info["pictures"]
        left_out = ", ".join(f"{n} {status}" for status, n in sorted(about["left_out"].items()))
        lines.append(
            f"- set of pictures: {about['count']}; left out: {left_out or 'none'}; license: "
            f"{spec.license or '-'}"
        )
    lines += [f"- base model: {trained.base_model_id}", f"- step: {trained.info.get('step')}"]
    lines += [*(f"- **warning** {text}" for text in version.warnings), ""]
    lines += ["| metric | value |", "| --- | --- |"]
    lines += [f"| {name} | {value:.4g} |" for name, value in sorted(trained.metrics.items())]
    return "\n".join(lines) + "\n"


def short_params(spec: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return what the tracked run of a domain shows of its specification, the same for all."""
    names = ("mode", "method", "prompt", "steps", "train", "seed")
    return {**{name: "" if spec.get(name) is None else spec[name] for name in names}, "base": base}


def publish_trained(
    trained: TrainedDomain, bank: Bank, config: FloorsConfig, *, storage: str = ""
) -> BankVersion:
    """Publish a result, as champion where it keeps the floors, and remove its run's checkpoints.

    Args:
        trained: the result.
        bank: where to.
        config: the floors; a result that misses one is a candidate, with a warning.
        storage: folder or URI of the checkpoints; "" where there are none.
    """
    decision, version = judge_alone(trained.metrics, config), trained.version()
    info = {
        **version.info,
        "gate": decision.to_json(),
        "warnings": [*version.warnings, *weaknesses(trained.metrics, config)],
    }
    version = replace(version, info=info)
    files = {**trained.files, CARD_NAME: _card(trained, version).encode()}
    version = bank.publish(version, files, promote=decision.promote)
    if storage:
        uris.remove(uris.join(storage, trained.job.run_name), recursive=True)
    return version
