"""Operations worth native code: one folder each, a definition and its faster implementations."""

from itportrait.ops.dispatch import Op


def all_ops() -> list[Op]:
    """Return the operations of the generator, in the order in which a render meets them."""
    from itportrait.ops.bias_act import BIAS_ACT
    from itportrait.ops.decode_features import DECODE_FEATURES
    from itportrait.ops.modulated_conv import MODULATED_CONV
    from itportrait.ops.render_rays import RENDER_RAYS, RENDER_REFINED
    from itportrait.ops.sample_planes import SAMPLE_PLANES
    from itportrait.ops.upfirdn2d import UPFIRDN2D

    rays = [RENDER_RAYS, RENDER_REFINED]
    return [MODULATED_CONV, UPFIRDN2D, BIAS_ACT, *rays, SAMPLE_PLANES, DECODE_FEATURES]


__all__ = ["Op", "all_ops"]
