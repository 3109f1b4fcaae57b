"""Scale, bias, leaky ReLU, gain and clamp in one go."""

from itportrait.ops.bias_act.op import BIAS_ACT, bias_act

__all__ = ["BIAS_ACT", "bias_act"]
