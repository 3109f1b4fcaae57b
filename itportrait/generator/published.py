"""From the arguments of the published EG3D constructor to ours."""

from typing import Any

from itportrait.errors import InvalidArgumentError

_SUPERRESOLUTION = {
    "SuperresolutionHybrid8XDC": "8XDC",
    "SuperresolutionHybrid4X": "4X",
    "SuperresolutionHybrid2X": "2X",
}
_REQUIRED = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "rendering_kwargs")
_REQUIRED_RENDERING = (
    "depth_resolution",
    "depth_resolution_importance",
    "ray_start",
    "ray_end",
    "box_warp",
)
_SUPERRESOLUTION_CLAMP = 256.0


def settings_from_eg3d(init_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Translate published constructor arguments into settings of `GeneratorConfig`.

    Training-only arguments (density regularization and the like) are passed over; an argument that
    changes what the generator computes and that is not supported is an error.

    Raises:
        InvalidArgumentError: names what is missing or unsupported.
    """
    missing = [name for name in _REQUIRED if name not in init_kwargs]
    if missing:
        raise InvalidArgumentError(
            "init_kwargs", expected=f"with {', '.join(missing)}", actual=sorted(init_kwargs)
        )
    rendering = init_kwargs["rendering_kwargs"]
    mapping = init_kwargs.get("mapping_kwargs", {})
    for name, value in (("rendering_kwargs", rendering), ("mapping_kwargs", mapping)):
        _require(name, isinstance(value, dict), type(value).__name__, "a dictionary")
    absent = [name for name in _REQUIRED_RENDERING if name not in rendering]
    module = str(rendering.get("superresolution_module", "")).rsplit(".", 1)[-1]
    _require("superresolution_module", module in _SUPERRESOLUTION, module, list(_SUPERRESOLUTION))
    _require("c_dim", init_kwargs["c_dim"] == 25, init_kwargs["c_dim"], 25)
    _require("img_channels", init_kwargs["img_channels"] == 3, init_kwargs["img_channels"], 3)
    _require("rendering_kwargs", not absent, sorted(rendering), f"with {', '.join(absent)}")
    clamp_mode = rendering.get("clamp_mode", "softplus")
    _require("clamp_mode", clamp_mode == "softplus", clamp_mode, "softplus")
    embedding = mapping.get("embed_features")
    _require("embed_features", embedding in (None, init_kwargs["w_dim"]), embedding, "w_dim")
    half_layers = init_kwargs.get("sr_num_fp16_res", 0)
    _require("sr_num_fp16_res", isinstance(half_layers, int), half_layers, "a whole number")
    return {
        "z_dim": init_kwargs["z_dim"],
        "w_dim": init_kwargs["w_dim"],
        "image_resolution": init_kwargs["img_resolution"],
        "mapping_layers": mapping.get("num_layers", 8),
        "mapping_hidden": mapping.get("layer_features"),
        "mapping_lr_mult": mapping.get("lr_multiplier", 0.01),
        # Published code reads 0 where the key is absent: the mapping then ignores the camera.
        "camera_scale": rendering.get("c_scale", 0.0),
        "camera_conditioning_zero": rendering.get("c_gen_conditioning_zero", False),
        "channel_base": init_kwargs.get("channel_base", 32768),
        "channel_max": init_kwargs.get("channel_max", 512),
        "conv_clamp": init_kwargs.get("conv_clamp"),
        "decoder_lr_mult": rendering.get("decoder_lr_mul", 1.0),
        "superresolution": _SUPERRESOLUTION[module],
        "superresolution_noise": rendering.get("superresolution_noise_mode", "none"),
        "superresolution_antialias": rendering.get("sr_antialias", True),
        "superresolution_half": half_layers > 0,
        "rendering": {
            "depth_resolution": rendering["depth_resolution"],
            "depth_resolution_importance": rendering["depth_resolution_importance"],
            "ray_start": rendering["ray_start"],
            "ray_end": rendering["ray_end"],
            "box_warp": rendering["box_warp"],
            "disparity_space_sampling": rendering.get("disparity_space_sampling", False),
            "white_back": rendering.get("white_back", False),
        },
    }


def _require(name: str, holds: bool, actual: object, expected: object) -> None:
    if not holds:
        raise InvalidArgumentError(
            f"init_kwargs {name}", expected=str(expected), actual=str(actual)[:200]
        )
