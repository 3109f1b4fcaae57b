"""A style domain as one callable, from photos to stylized views; registered models load it.

A saved model holds the style, the settings and the *name* of the base model, not its weights: the
base is loaded from its own place, once a process for all domains, and another base is refused.
MLflow imports this module by its name, which saved models keep: where it moves, its old name must
lead here, as `itportrait.distributed.portrait_model` does.
"""

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from itportrait.align.config import AlignConfig
from itportrait.config import Settings
from itportrait.documents import parse_object
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.image import encode
from itportrait.invert.config import InvertConfig
from itportrait.records import AlignedRecord, Source, Status, StylizedRecord
from itportrait.styles.names import STYLE_FILE
from itportrait.stylize.config import StylizeConfig

if TYPE_CHECKING:
    from itportrait.bundle import Bundle
    from itportrait.styles import Style

ABOUT = "about.json"
IMAGE = "image"
"""Column (or key) of the portraits where a table is given."""
OUTPUTS = {
    "status": "string",
    "error_type": "string?",
    "error_message": "string?",
    "views": "[binary]",
    "yaw_deg": "[double]",
    "pitch_deg": "[double]",
    "domain": "string",
    "version": "string",
}
"""Columns of what `PortraitModel.predict` returns, with their types, as `ModelCard.outputs` names
them."""


class ModelSettings(Settings):
    """Settings of a saved model; its style lies in a file of its own."""

    domain: str
    """Name of the style domain."""
    version: str
    """Version of the domain in the bank."""
    base: str = "mini"
    """URI of the base model's bundle."""
    base_model_id: str
    """Identity that the base model's bundle must have."""
    spec: dict[str, Any] = Field(default_factory=dict)
    """Specification of the domain."""
    align: AlignConfig = AlignConfig()
    """How photos become crops and cameras."""
    invert: InvertConfig = InvertConfig()
    """How portraits become codes of the generator."""
    stylize: StylizeConfig = StylizeConfig(metrics=False)
    """How codes become stylized views."""

    def params(self) -> dict[str, Any]:
        """Return the parameters of `predict` with their defaults."""
        pitches = [pitch_deg for _, pitch_deg in self.stylize.views_deg]
        return {
            "method": self.invert.method,
            "steps": self.invert.steps,
            "strength": self.stylize.strength,
            "yaw_deg": [yaw_deg for yaw_deg, _ in self.stylize.views_deg],
            # One for all where they are equal, so that other yaws can be given alone.
            "pitch_deg": (pitches if len(set(pitches)) > 1 else pitches[:1]) or [0.0],
        }


class PortraitModel:
    """Stylizes portraits in one domain.

    Args:
        settings: of the saved model.
        bundle: the base model.
        style: of the domain.

    Raises:
        InvalidArgumentError: the style belongs to another base model.
    """

    def __init__(self, settings: ModelSettings, bundle: "Bundle", style: "Style") -> None:
        from itportrait.align import Aligner

        style.check_base(bundle.model_id)
        self.settings, self.bundle, self.style = settings, bundle, style
        one_face = settings.align.model_copy(update={"faces": "largest"})
        self.aligner = Aligner.of_bundle(one_face, bundle)
        self._built: tuple | None = None

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Stylize portraits; one that cannot be is a row that says why, and the others go on.

        Args:
            model_input: one portrait or several: an encoded photo (bytes, or base64 text as JSON
                carries it), which is aligned first; or an aligned picture, uint8 `[S, S, 3]`
                (several: `[N, S, S, 3]`). Also a table with a column `image` of these.
            params: `method` of inversion (`pti` also tunes the generator to the portraits that
                `invert.tune` names) and its `steps`, `strength` of the style, `yaw_deg` of the
                views that follow the portrait's own, and their `pitch_deg` (as many, or one for
                all).

        Returns:
            A pandas table, a row a portrait in order: `status` (`ok`, `rejected`, `failed`),
            `error_type`, `error_message`, `views` (list of PNG bytes, the portrait's own view
            first), `yaw_deg` and `pitch_deg` (of each view, in degrees; positive yaw shows the
            head from the right of the picture, positive pitch from below), `domain`, `version`.

        Raises:
            InvalidArgumentError: what is given is no portrait, or a parameter is out of range.
        """
        import pandas as pd

        inverter, stylizer = self._stages(self.settings.params() | dict(params or {}))
        items = enumerate(as_portraits(model_input))
        aligned = [self._align(item, index) for index, item in items]
        inverted = inverter.invert(aligned)
        rows = stylizer.stylize(aligned, inverted, self.settings.domain)
        return pd.DataFrame([_row(row) for row in rows], columns=list(OUTPUTS))

    def _stages(self, params: Mapping[str, Any]) -> tuple:
        """Return inverter and stylizer; those of the last call where nothing else is asked."""
        from itportrait.invert import Inverter
        from itportrait.stylize import Stylizer

        # The fields themselves: a dump is for fingerprints and leaves out what other methods read.
        chosen = {"method": params["method"], "steps": params["steps"]}
        invert = dict(self.settings.invert) | chosen
        stylize = self.settings.stylize.model_dump() | {
            "strength": params["strength"],
            "views_deg": _views_deg(params["yaw_deg"], params["pitch_deg"]),
        }
        configs = (
            InvertConfig.parse(invert, source="params"),
            StylizeConfig.parse(stylize, source="params"),
        )
        if self._built is None or self._built[0] != configs:
            domain, version = self.settings.domain, self.settings.version
            stylizer = Stylizer(
                configs[1], self.bundle, {domain: self.style}, versions={domain: version}
            )
            self._built = (configs, (Inverter(configs[0], self.bundle), stylizer))
        return self._built[1]

    def _align(self, item: bytes | np.ndarray, index: int) -> AlignedRecord:
        """Return the aligned record of a portrait.

        In a picture that is aligned already only the camera is sought; where no face is found in it
        (a painting, a mask) the search starts from the front, as the inversion refines it.
        """
        from itportrait.geometry.camera import frontal_camera

        source = Source(uri=f"portrait {index}")
        if isinstance(item, bytes):
            return self.aligner.align(dataclasses.replace(source, data=item))[0]
        crop = np.array([0.0, 0.0, len(item)])
        source = dataclasses.replace(source, data=encode(item), crop=crop)
        row = self.aligner.align(source)[0]
        if row.status is Status.OK:
            return row
        camera = frontal_camera(self.bundle.orbit)[0].numpy()
        return self.aligner.align(dataclasses.replace(source, camera=camera))[0]


def as_portraits(model_input: Any) -> list[bytes | np.ndarray]:
    """Return portraits in any of the forms of `PortraitModel.predict` as bytes or aligned pixels.

    Raises:
        InvalidArgumentError: it is none of them; names the first one that is not.
    """
    if hasattr(model_input, "columns"):
        names = list(model_input.columns)
        if IMAGE not in names and len(names) != 1:
            raise InvalidArgumentError(
                "model_input", expected=f"a table with a column {IMAGE!r}", actual=names
            )
        model_input = list(model_input[IMAGE if IMAGE in names else names[0]])
    elif isinstance(model_input, Mapping):
        if IMAGE not in model_input:
            raise InvalidArgumentError(
                "model_input", expected=f"a mapping with {IMAGE!r}", actual=sorted(model_input)
            )
        model_input = model_input[IMAGE]
    if isinstance(model_input, np.ndarray) and model_input.dtype != np.uint8:
        model_input = model_input.reshape(-1).tolist()  # bytes or texts; numbers are refused below
    single = isinstance(model_input, bytes | bytearray | str) or (
        isinstance(model_input, np.ndarray) and model_input.ndim < 4
    )
    items: Sequence = [model_input] if single else list(model_input)
    return [_portrait(item, index) for index, item in enumerate(items)]


def _portrait(item: Any, index: int) -> bytes | np.ndarray:
    if isinstance(item, bytes | bytearray):
        return bytes(item)
    if isinstance(item, str):
        try:
            return base64.b64decode("".join(item.split()), validate=True)
        except ValueError:
            return item.encode()  # no picture either: a row that says so
    if (
        isinstance(item, np.ndarray)
        and item.dtype == np.uint8
        and item.ndim == 3
        and item.shape[0] == item.shape[1]
        and item.shape[2] == 3
    ):
        return item
    actual = f"{item.dtype} {list(item.shape)}" if isinstance(item, np.ndarray) else type(item)
    raise InvalidArgumentError(
        f"portrait {index}",
        expected="an encoded photo, its base64 text, or an aligned uint8 [S, S, 3]",
        actual=actual,
        remedy="of a file give what is in it: Path(name).read_bytes()",
    )


def _views_deg(yaw_deg: Sequence[float], pitch_deg: Sequence[float]) -> list[tuple[float, float]]:
    """Return yaw and pitch of each view.

    Raises:
        InvalidArgumentError: there are neither as many pitches as yaws, nor one for all.
    """
    yaws, pitches = list(map(float, yaw_deg)), list(map(float, pitch_deg))
    if len(pitches) == 1:
        pitches *= len(yaws)
    if len(pitches) != len(yaws):
        raise InvalidArgumentError(
            "params: pitch_deg",
            expected=f"{len(yaws)} numbers, as many as yaw_deg, or one for all",
            actual=len(pitches),
            remedy="give yaw_deg and pitch_deg together",
        )
    return list(zip(yaws, pitches, strict=True))


def _plain(angles_deg: np.ndarray | None) -> list[float]:
    """Return angles `[views]` as people have given them, which float32 holds to 5 decimals."""
    return [] if angles_deg is None else [round(float(angle), 4) for angle in angles_deg]


def _row(record: StylizedRecord) -> dict[str, Any]:
    return {
        "status": str(record.status),
        "error_type": record.error.type if record.error else None,
        "error_message": record.error.message if record.error else None,
        "views": [encode(view) for view in record.pixels],
        "yaw_deg": _plain(record.yaw_deg),
        "pitch_deg": _plain(record.pitch_deg),
        "domain": record.domain,
        "version": record.version,
    }


def load_portrait_model(
    folder: str | Path, *, bundle: str | None = None, device: str = "auto"
) -> PortraitModel:
    """Load a saved model.

    Args:
        folder: has its files.
        bundle: URI of the base model; None: where it was when the model was saved.
        device: torch device; `auto`: cuda where there is one.

    Raises:
        MissingModelError: the base model is not there.
        InvalidArgumentError: it is another one.
        CheckpointError: the style cannot be read.
    """
    from itportrait.bundle.devices import torch_device
    from itportrait.bundle.warm import warm_bundle
    from itportrait.styles import load_style

    folder = Path(folder)
    source = str(folder / ABOUT)
    data = parse_object((folder / ABOUT).read_bytes(), source, finite=True)
    settings = ModelSettings.parse(data, source=source)
    style = load_style(folder / STYLE_FILE)
    try:
        models = warm_bundle(bundle or settings.base, str(torch_device(device)))
    except MissingModelError as error:
        raise MissingModelError(
            f"domain {settings.domain!r} needs the base model {settings.base_model_id}: {error}; "
            "or say where it is: load_model(…, model_config={'bundle': URI})"
        ) from error
    return PortraitModel(settings, models, style)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PortraitModel:
    """Load for MLflow; `model_config` has `bundle` and `device`."""
    config = dict(model_config or {})
    return load_portrait_model(
        path, bundle=config.get("bundle"), device=config.get("device") or "auto"
    )
