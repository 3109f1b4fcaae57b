"""Differences of pixels: of color, and of structure apart from color."""

from torch import Tensor

from itportrait.errors import InvalidArgumentError

_LUMA = (0.299, 0.587, 0.114)


def _difference(image: Tensor, target: Tensor) -> Tensor:
    """Return `image - target`; one target may stand for all."""
    if image.shape[1:] != target.shape[1:]:
        raise InvalidArgumentError(
            "target",
            expected=f"pictures of shape {list(image.shape[1:])}",
            actual=list(target.shape[1:]),
            remedy="resize one of them",
        )
    return image - target


def l2_loss(image: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of each pair of pictures, `[N]`.

    Args:
        image: `[N, C, H, W]`.
        target: the same shape, or `[1, C, H, W]`.

    Raises:
        InvalidArgumentError: shapes differ.
    """
    return _difference(image, target).square().mean((1, 2, 3))


def l1_loss(image: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of each pair of pictures, or of feature maps, `[N]`.

    Args:
        image: `[N, C, H, W]`.
        target: the same shape, or `[1, C, H, W]`.

    Raises:
        InvalidArgumentError: shapes differ.
    """
    return _difference(image, target).abs().mean((1, 2, 3))


def luma(image: Tensor) -> Tensor:
    """Return BT.601 luma `[N, 1, H, W]` of RGB `[N, 3, H, W]`, in the same range."""
    red, green, blue = (channel * weight for channel, weight in zip(image.unbind(1), _LUMA))
    return (red + green + blue).unsqueeze(1)


def structure_loss(image: Tensor, target: Tensor) -> Tensor:
    """Compare two pictures up to brightness, contrast and color: 1 - correlation of their luma.

    A drawing and a photo of the same face in the same pose come close in it, although no color
    agrees; hence its use when a photo-realistic twin of a style image is sought.

    Args:
        image: `[N, 3, H, W]` in [-1, 1].
        target: the same shape, or `[1, 3, H, W]`.

    Returns:
        `[N]` in [0, 2].
    """

    def normalized(picture: Tensor) -> Tensor:
        flat = luma(picture).flatten(1)
        flat = flat - flat.mean(1, keepdim=True)
        return flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-6)

    return 1 - (normalized(image) * normalized(target)).sum(1)
