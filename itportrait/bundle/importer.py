"""From a published EG3D checkpoint to a bundle, once and safely."""

from pathlib import Path

import torch
from torch import Tensor

from itportrait.bundle.spec import BundleSpec, ClipSpec, PerceptionSpec, write_bundle
from itportrait.errors import CheckpointError
from itportrait.generator import GeneratorConfig, TriPlaneGenerator, ffhq512_config
from itportrait.generator.io import load_state, save_generator
from itportrait.geometry.planes import PLANE_AXES, PlaneAxes
from itportrait.io.checkpoints import Checkpoint, read_checkpoint

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
        CheckpointError: the file is truncated, tensors are missing or misshapen (named), or it was
            trained with other plane axes.
        InvalidArgumentError: it was built with arguments that are not supported.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.plane_axes is not None:
        _check_axes(checkpoint.plane_axes, plane_axes)
    model = TriPlaneGenerator(_config_of(checkpoint, plane_axes, config))
    load_state(model, checkpoint.state, source=str(path))
    save_generator(model, out_dir)
    return write_bundle(
        out_dir, name=name, family="eg3d", license=EG3D_LICENSE, perception=FFHQ_PERCEPTION
    )


def _config_of(
    checkpoint: Checkpoint, plane_axes: PlaneAxes, config: GeneratorConfig | None
) -> GeneratorConfig:
    if config is not None or checkpoint.init_kwargs is None:
        return (config or ffhq512_config()).model_copy(update={"plane_axes": plane_axes})
    attributes = checkpoint.attributes
    kwargs = dict(checkpoint.init_kwargs)
    # Training changes these two on the object; what it was constructed with is out of date.
    kwargs["rendering_kwargs"] = attributes.get("rendering_kwargs") or kwargs["rendering_kwargs"]
    return GeneratorConfig.from_eg3d(
        kwargs,
        neural_rendering_resolution=attributes.get("neural_rendering_resolution", 64),
        plane_axes=plane_axes,
    )


def _check_axes(planes: Tensor, plane_axes: PlaneAxes) -> None:
    """Compare the renderer's own planes `[3, 3, 3]`, whose rows are axes, with what was asked."""
    if planes.shape != (3, 3, 3):
        raise CheckpointError(f"plane_axes of shape {list(planes.shape)}, expected [3, 3, 3]")
    columns = torch.linalg.inv(planes.float())[:, :, :2].abs().argmax(1)
    found = tuple((int(a), int(b)) for a, b in columns)
    if found == PLANE_AXES[plane_axes]:
        return
    known = next((key for key, axes in PLANE_AXES.items() if axes == found), None)
    named = ", ".join("".join("xyz"[i] for i in plane) for plane in found)
    remedy = f"import it with plane_axes={known!r}" if known else "these are not supported"
    raise CheckpointError(f"the checkpoint was trained with planes {named}; {remedy}")
