"""From a published EG3D checkpoint to a bundle, once and safely."""

import tempfile
from pathlib import Path

from itportrait.bundle.spec import BundleSpec, ClipSpec, PerceptionSpec, hash_files, write_bundle
from itportrait.errors import CheckpointError, InvalidArgumentError, OutputError
from itportrait.generator import GeneratorConfig, TriPlaneGenerator, ffhq512_config
from itportrait.generator.io import (
    GENERATOR_FILE,
    MODEL_FILE,
    build_generator,
    save_generator,
)
from itportrait.geometry.planes import PLANE_AXES, PlaneAxes
from itportrait.weights.checkpoints import StoredCheckpoint, open_checkpoint
from itportrait.weights.stored import StoredTensor

EG3D_LICENSE = (
    "Converted from a foreign checkpoint; its owner's terms apply. Published EG3D weights carry "
    "the NVIDIA Source Code License: non-commercial use only."
)

FFHQ_PERCEPTION = PerceptionSpec(
    clips=(
        ClipSpec(kind="open_clip", name="ViT-B-32"),
        ClipSpec(kind="open_clip", name="ViT-B-16"),
    ),
    perceptual="lpips_vgg",
)


def import_eg3d(
    path: str | Path,
    out_dir: str | Path,
    *,
    plane_axes: PlaneAxes = "eg3d",
    name: str = "ffhq512",
    config: GeneratorConfig | None = None,
) -> BundleSpec:
    """Convert a published checkpoint into a bundle folder without running any of its code.

    Args:
        path: a `*.pkl` of EG3D, a torch file with `G_ema`, or a plain state dict.
        out_dir: gets `generator.safetensors` and `model.json`; perception models are named there
            and put in by the user.
        plane_axes: with which the checkpoint was trained.
        name: of the bundle.
        config: of the generator, for files that do not say (a plain state dict); by default they
            are taken for ffhq512-128.

    Returns:
        What was written.

    Raises:
        MissingModelError: no such file.
        UnsafeCheckpointError: the file would run code; names what it asks for. Nothing was run.
        CheckpointError: the file is truncated, tensors are missing or misshapen (named), it was
            trained with other plane axes, or built with arguments that are not supported.
        OutputError: the folder cannot be written.

    Whatever is raised, the folder is as it was before.
    """
    with open_checkpoint(path) as stored:
        if stored.plane_axes is not None:
            _check_axes(stored.plane_axes, plane_axes)
        settings = _config_of(stored, plane_axes, config)
        model = build_generator(TriPlaneGenerator, settings, stored.tensors)
    return _write(model, Path(out_dir), name)


def _write(model: TriPlaneGenerator, out_dir: Path, name: str) -> BundleSpec:
    """Put a whole bundle in place of what the folder had; until then nothing in it changes."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        others = hash_files(out_dir)
        with tempfile.TemporaryDirectory(prefix=".import-", suffix=".tmp", dir=out_dir) as staging:
            save_generator(model, staging)
            spec = write_bundle(
                staging, name=name, family="eg3d", license=EG3D_LICENSE, perception=FFHQ_PERCEPTION
            )
            staged = Path(staging)
            files = {**others, **spec.files}
            spec = spec.model_copy(update={"files": dict(sorted(files.items()))})
            (staged / MODEL_FILE).write_text(spec.to_text())
            for file in (GENERATOR_FILE, MODEL_FILE):
                (staged / file).replace(out_dir / file)
    except OSError as error:
        raise OutputError(f"cannot write the bundle to {out_dir}: {error}") from error
    return spec


def _config_of(
    stored: StoredCheckpoint, plane_axes: PlaneAxes, config: GeneratorConfig | None
) -> GeneratorConfig:
    if config is not None or stored.init_kwargs is None:
        return (config or ffhq512_config()).model_copy(update={"plane_axes": plane_axes})
    attributes, kwargs = stored.attributes, dict(stored.init_kwargs)
    # Training changes these two on the object; what it was constructed with is out of date.
    if attributes.get("rendering_kwargs"):
        kwargs["rendering_kwargs"] = attributes["rendering_kwargs"]
    try:
        return GeneratorConfig.from_eg3d(
            kwargs,
            neural_rendering_resolution=attributes.get("neural_rendering_resolution", 64),
            plane_axes=plane_axes,
        )
    except InvalidArgumentError as error:
        raise CheckpointError(f"its arguments are not supported: {error}") from error


def _check_axes(stored: StoredTensor, plane_axes: PlaneAxes) -> None:
    """Compare the renderer's own planes `[3, 3, 3]`, whose rows are axes, with what was asked."""
    if stored.shape != (3, 3, 3):
        raise CheckpointError(f"plane_axes of shape {list(stored.shape)}, expected [3, 3, 3]")
    planes = stored.read().float()
    if not planes.isfinite().all() or (planes.det() == 0).any():
        raise CheckpointError("plane_axes are no axes: they do not span the space")
    columns = planes.inverse()[:, :, :2].abs().argmax(1)
    found = tuple((int(a), int(b)) for a, b in columns)
    if found == PLANE_AXES[plane_axes]:
        return
    known = next((key for key, axes in PLANE_AXES.items() if axes == found), None)
    named = ", ".join("".join("xyz"[i] for i in plane) for plane in found)
    remedy = f"import it with plane_axes={known!r}" if known else "these are not supported"
    raise CheckpointError(f"the checkpoint was trained with planes {named}; {remedy}")
