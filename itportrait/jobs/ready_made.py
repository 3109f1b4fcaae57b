"""Domains that come with a bundle already adapted; they are copied to the user's bank on first
use."""

import io
from collections.abc import Iterator

from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle.model_id import read_model_id
from itportrait.bundle.places import bundle_folder
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.image import decode
from itportrait.io import uris
from itportrait.training.domain_job import TrackingTarget, domain_note
from itportrait.training.trained_domain import short_params

BANK, CURVE, FACES = "bank", "curve.parquet", "faces"


def ready_made_bank(bundle: str) -> Bank:
    """Return the bank that comes with a bundle, `bank/` in its folder; most have none."""
    return Bank(uris.join(bundle_folder(bundle), BANK))


def find_champion(domain: str, bank: Bank, bundle: str) -> BankVersion:
    """Return the champion of a domain: that of the bank, else the bundle's ready-made one.

    Raises:
        UnknownNameError: neither has it; lists all names that either has.
        InvalidArgumentError: the bank has candidates of it alone, and the bundle has none; or it
            came with the bundle when that had other models.
        NoInputError: there is no such bank, and the domain does not come with the bundle.
    """
    if domain not in bank.domains() and domain in ready_made_bank(bundle).domains():
        return ready_made(domain, bundle)
    try:
        return bank.champion(domain)
    except UnknownNameError as error:
        bank.existing()
        known = {*error.known, *ready_made_domains(bundle)}
        raise UnknownNameError("domain", domain, sorted(known)) from None


def ready_made_domains(bundle: str) -> list[str]:
    """Return the names of the domains that come with a bundle and fit its models, sorted.

    A bundle that was changed keeps the folder of those that fitted it before.
    """
    bases = ready_made_bank(bundle).bases()
    model_id = read_model_id(bundle) if bases else ""
    return [name for name, base in bases.items() if base == model_id]


def ready_made(domain: str, bundle: str) -> BankVersion:
    """Return the champion of a domain that comes with a bundle.

    Raises:
        UnknownNameError: none of that name comes with it.
        InvalidArgumentError: it is of other models than the bundle has now.
    """
    version = ready_made_bank(bundle).champion(domain)
    model_id = read_model_id(bundle)
    if version.base_model_id != model_id:
        raise InvalidArgumentError(
            f"domain {domain!r}, which came ready-made with {uris.redact(bundle)},",
            expected=f"of its models, {model_id}",
            actual=f"one of {version.base_model_id}, which it had before",
            remedy="adapt it anew on this bundle, or use one with the former models",
        )
    return version


def split_by_base(bank: Bank, model_id: str) -> tuple[list[str], str]:
    """Part the domains of a bank that have a champion.

    Args:
        bank: any bank.
        model_id: of the models on which they shall be used.

    Returns:
        Names of those that fit the models, and a sentence on the others; "" where there are none.
    """
    bases = bank.bases()
    others = [f"{name} (of {base})" for name, base in bases.items() if base != model_id]
    said = f"left out, since the models are {model_id}: {', '.join(others)}" if others else ""
    return [name for name, base in bases.items() if base == model_id], said


def is_ready_made(version: BankVersion, bundle: str) -> bool:
    """Tell whether a version lies in the bundle's own bank."""
    return version.uri.startswith(ready_made_bank(bundle).uri)


def record_version(version: BankVersion, target: TrackingTarget) -> None:
    """Show a version as a run like those that are trained here: curve, pictures, final scalars.

    Raises:
        OSError: a file of the version cannot be read.
    """
    from itportrait.tracking import FINAL, NOTE_TAG, final_image_key, open_tracker, probe_image_key

    parent = open_tracker(
        target.uri, target.parent, experiment=target.experiment, spool=target.spool
    )
    tags = {
        "domain": version.domain,
        "fingerprint": version.fingerprint,
        "ready_made": "true",
        NOTE_TAG: domain_note(version.spec)
        + " It came with the base model: curve and figures are those of its training there.",
    }
    with parent.child(version.domain, key=version.run_name, tags=tags) as run:
        run.log_params(short_params(version.spec, version.info.get("base", "")))
        for step, values in _curve(version):
            run.log_metrics(values, step=step)
        step = int(version.info.get("step") or 0)
        finals = version.info.get("training") or version.metrics
        run.log_metrics({f"{FINAL}/{name}": value for name, value in finals.items()}, step=0)
        run.set_tags({"step": str(step)})
        for index, face in enumerate(_faces(version)):
            run.log_image(probe_image_key(index), face, step=step)
            run.log_image(final_image_key(index), face, step=0)


def _curve(version: BankVersion) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield each step of the training with the values that it has."""
    import pyarrow.parquet as pq

    data = uris.read_bytes(version.file(CURVE))
    for row in pq.read_table(io.BytesIO(data)).to_pylist():
        step = int(row.pop("step"))
        yield step, {name: value for name, value in row.items() if value is not None}


def _faces(version: BankVersion) -> list:
    folder = version.file(FACES)
    names = [name for name in uris.list_names(folder) if name.endswith(".png")]
    return [decode(uris.read_bytes(version.file(f"{FACES}/{name}"))) for name in names]
