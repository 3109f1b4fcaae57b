"""Scale, bias, leaky ReLU, gain and clamp in one go."""

from itportrait.ops.bias_act.op import bias_act

__all__ = ["bias_act"]
