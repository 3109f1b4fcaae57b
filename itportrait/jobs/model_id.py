"""The id of a bundle's models, found without loading them where an earlier run knows it."""

from collections.abc import Mapping
from typing import Any

from itportrait.bundle.model_id import bundle_key
from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call, Executor
from itportrait.invert.config import InvertConfig


def find_model_id(
    bundle: str, invert: InvertConfig, run: Mapping[str, Any], executor: Executor
) -> str:
    """Return the id of a bundle's models, and make sure that it has what the inversion asks for.

    An earlier run of the same output and inversion knows it, unless `model.json` has changed since:
    then nothing of torch is imported only to find that nothing is to be done.

    Args:
        bundle: name or URI.
        invert: settings of the inversion.
        run: content of the earlier run's `run.json`; may be empty.
        executor: runs the task that loads the bundle where need be.

    Raises:
        MissingModelError: there is no such bundle (names the command that makes or imports it), or
            it lacks what the inversion asks for.
    """
    key, known = bundle_key(bundle), run.get("models", {})
    inverted = run.get("config", {}).get("invert")
    if key and known.get("key") == key and inverted == invert.model_dump(mode="json"):
        return known["id"]
    call = Call(function=_load_id, args=(bundle, invert), name="model bundle", num_cpus=0.1)
    return run_patiently(executor, call)


def require_bundle(bundle: str) -> None:
    """Refuse a bundle that is not there, before anything is made for it.

    Raises:
        MissingModelError: names the command that makes or imports it.
    """
    if bundle_key(bundle) is None:
        from itportrait.bundle import load_bundle

        load_bundle(bundle)


def _load_id(bundle: str, invert: InvertConfig) -> str:
    from itportrait.bundle import load_bundle
    from itportrait.invert import INVERSIONS

    models = load_bundle(bundle)
    INVERSIONS.get(invert.method).check(invert, models)
    return models.model_id
