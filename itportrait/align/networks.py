"""Networks that settings of the stage ask for, looked for before any work."""

from itportrait.align.config import AlignConfig
from itportrait.bundle.model_id import read_spec
from itportrait.errors import MissingModelError
from itportrait.published.store import find_weights

FACE_MESH = "face-mesh"
"""Name of the published network that finds dense points."""


def require_networks(config: AlignConfig, bundle: str) -> None:
    """Refuse settings that ask for a network which this machine or the bundle lacks.

    Args:
        config: how photos are aligned.
        bundle: name, folder or URI of the models.

    Raises:
        MissingModelError: names the setting, and what to do.
    """
    require_encoder(config, bundle)
    require_face_mesh(config)


def require_encoder(config: AlignConfig, bundle: str) -> None:
    """Refuse settings that ask for an encoder which the bundle lacks; see `require_networks`."""
    if config.encoder_camera_distance:
        spec = read_spec(bundle)
        if spec.perception.encoder_path is None:
            raise no_encoder(spec.name)


def require_face_mesh(config: AlignConfig) -> None:
    """Refuse dense points where this machine lacks their network; see `require_networks`."""
    if config.camera_points == "dense":
        try:
            find_weights(FACE_MESH)
        except MissingModelError as error:
            raise MissingModelError(f"align.camera_points is dense, and {error}") from None


def no_encoder(bundle: str) -> MissingModelError:
    """Return the error of a bundle that cannot give cameras."""
    return MissingModelError(
        f"{bundle} has no encoder to read cameras with; leave align.encoder_camera_distance at 0"
    )
