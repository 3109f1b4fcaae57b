"""Registered models: versions found again by our own key, and the alias that says which serves."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from itportrait.tracking.database import absolute_uri
from itportrait.tracking.faults import RefusedError, refusals
from itportrait.tracking.mlflow_store import MlflowStore

VERSION_TAG, OWNER_TAG = "itportrait.version", "itportrait.owner"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One version of a registered model.

    Args:
        name: of the registered model.
        key: of the version, ours; MLflow's own numbers follow the order of registration.
        loader: module with `_load_pyfunc(path, config)`, importable where the model is loaded.
        files: what the loader finds at its path, name -> content.
        config: given to the loader; `mlflow.pyfunc.load_model(uri, model_config=…)` replaces parts.
        params: of `predict`, with their defaults.
        outputs: columns that `predict` returns, with their types: a name of MLflow's, such as
            `double`; `[double]` is a list of them, and `double?` may be missing.
        example: a table that `predict` takes, column -> values.
        requirements: pip requirements of a place that loads it.
        run_key: key of the run that made it; a run is made if there is none.
        tags: of the version.
        description: of the version, Markdown.
    """

    name: str
    key: str
    loader: str
    files: Mapping[str, bytes] = field(repr=False)
    config: Mapping[str, Any]
    params: Mapping[str, Any]
    outputs: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, Sequence[Any]] = field(repr=False)
    requirements: tuple[str, ...] = ()
    run_key: str
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


class ModelRegistry:
    """The registered models of a tracking service.

    Every method raises `RefusedError` where the service says no, and anything else where it is
    away; callers whose work must go on catch both.

    Args:
        uri: tracking URI.
        experiment: of the runs that models are linked to.
    """

    def __init__(self, uri: str, *, experiment: str = "style-bank") -> None:
        self.uri, self.experiment = absolute_uri(uri), experiment
        self._store = MlflowStore(self.uri)

    def claim(self, name: str, owner: str, *, description: str = "") -> None:
        """Make a registered model, or check that it is the owner's.

        Raises:
            RefusedError: the model belongs to another owner, whose alias must not be moved.
        """
        client = self._store.client
        with refusals():
            found = client.search_registered_models(f"name='{name}'", max_results=1)
            if not found:
                client.create_registered_model(name, {OWNER_TAG: owner}, description or None)
                return
            if description and not found[0].description:
                client.update_registered_model(name, description)
        holder = found[0].tags.get(OWNER_TAG)
        if holder != owner:
            raise RefusedError(
                f"registered model {name!r} belongs to {holder or 'nobody known'}, not to {owner}; "
                f"rename one of them, or set the model's tag {OWNER_TAG} where the owner has moved"
            )

    def versions(self, name: str) -> dict[str, str]:
        """Return the versions of a model that came from here: key -> MLflow's number."""
        with refusals():
            found = self._store.client.search_model_versions(f"name='{name}'")
        numbered = sorted(found, key=lambda item: int(item.version), reverse=True)
        keyed = [(item.tags.get(VERSION_TAG), str(item.version)) for item in numbered]
        return {key: number for key, number in keyed if key}

    def register(self, card: ModelCard) -> str:
        """Upload a model below its run, and make it the newest version.

        Returns:
            MLflow's number of the version.
        """
        with refusals():
            run_id = self._run(card)
            client, place = self._store.client, f"model/{card.key}"
            with tempfile.TemporaryDirectory() as folder:
                client.log_artifacts(run_id, str(_save(card, Path(folder))), place)
            root = client.get_run(run_id).info.artifact_uri
            made = client.create_model_version(
                card.name,
                f"{root}/{place}",
                run_id,
                tags={**card.tags, VERSION_TAG: card.key},
                description=card.description or None,
                await_creation_for=0,
            )
        return str(made.version)

    def alias(self, name: str, alias: str) -> str | None:
        """Return the number of the version that bears the alias, None if there is none."""
        with refusals():
            found = self._store.client.get_registered_model(name).aliases.get(alias)
        return None if found is None else str(found)

    def set_alias(self, name: str, alias: str, number: str) -> None:
        """Give the alias to a version, taking it from any other."""
        with refusals():
            self._store.client.set_registered_model_alias(name, alias, number)

    def _run(self, card: ModelCard) -> str:
        """Return the run that made the model, as it stands; one without any gets its own."""
        store = self._store
        found = store.find_run(store.experiment_id(self.experiment), card.run_key)
        if found:
            return found.info.run_id
        run_id = store.run_id(
            {
                "experiment": self.experiment,
                "key": card.run_key,
                "name": card.name,
                "tags": dict(card.tags),
                "parent": None,
                "time": int(time.time() * 1000),
            }
        )
        store.client.set_terminated(run_id)
        return run_id


def open_registry(uri: str | None, *, experiment: str = "style-bank") -> ModelRegistry | None:
    """Return the registry at a tracking URI; None for None, "" and "none"."""
    if uri in (None, "", "none"):
        return None
    return ModelRegistry(str(uri), experiment=experiment)


def _save(card: ModelCard, folder: Path) -> Path:
    """Write the model in MLflow's own form, and return its folder."""
    import mlflow.pyfunc
    import pandas as pd

    data = folder / "data"
    for name, content in card.files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    example = pd.DataFrame({name: list(rows) for name, rows in card.example.items()})
    # MLflow compares the names with a range, which pandas takes amiss in indices of texts.
    example.columns = example.columns.astype(object)
    mlflow.pyfunc.save_model(
        folder / "model",
        loader_module=card.loader,
        data_path=str(data),
        signature=_signature(card),
        input_example=example,
        pip_requirements=list(card.requirements),
        model_config=dict(card.config),
    )
    return folder / "model"


def _signature(card: ModelCard) -> Any:
    """Return what goes in and comes out.

    The inputs have no schema, since it would refuse arrays of pixels where files are usual; the
    example shows them.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import Schema

    columns = [_column(name, kind) for name, kind in card.outputs.items()]
    params: Any = infer_signature(params=dict(card.params)).params if card.params else None
    return ModelSignature(outputs=Schema(columns) if columns else None, params=params)


def _column(name: str, kind: str) -> Any:
    from mlflow.types import ColSpec
    from mlflow.types.schema import Array, DataType

    plain = kind.removesuffix("?")
    inner = DataType[plain.strip("[]")]
    listed = plain.startswith("[")
    return ColSpec(Array(inner) if listed else inner, name, required=plain == kind)
