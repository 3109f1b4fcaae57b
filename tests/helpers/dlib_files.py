"""Networks as dlib writes them, made by hand: small ones of the same kinds of layers."""

import math

import numpy as np


def integer(value):
    """Return a whole number: count of bytes and sign, then the bytes."""
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def real(value):
    """Return a real number: mantissa and power of two, both whole."""
    if value == 0:
        return integer(0) + integer(0)
    fraction, power = math.frexp(value)
    return integer(round(fraction * 2**24)) + integer(power - 24)


def text(value):
    return integer(len(value)) + value.encode()


def shape(*sizes):
    return integer(1) + b"".join(integer(size) for size in sizes)


def tensor(values, *sizes):
    values = np.asarray(values, np.float32).ravel()
    sizes = sizes or ((len(values), 1, 1, 1) if len(values) else (0, 0, 0, 0))
    return integer(2) + b"".join(integer(size) for size in sizes) + values.tobytes()


def layer(name, content=b"", *, first=False):
    after = b"110" + tensor([]) * 3 + (integer(1) if first else b"")
    return text(name) + content + after


def convolution(rng, inputs, outputs, side=3, halved=False, first=False):
    """Return a convolution and the factors and addends that follow it, and what they are."""
    stride, padding = (2, 0) if halved else (1, side // 2)
    weight = rng.normal(0, 1 / side / inputs**0.5, (outputs, inputs, side, side))
    bias, factor, addend = rng.normal(0, 0.1, (3, outputs)).astype(np.float32)
    sizes = (outputs, side, side, stride, stride, padding, padding)
    con = tensor([*weight.ravel(), *bias]) + b"".join(integer(size) for size in sizes)
    con += shape(outputs, inputs, side, side) + shape(1, outputs, 1, 1)
    con += real(1.0) + real(1.0) + real(1.0) + real(0.0)
    affine = tensor([*(1 + factor), *addend]) + shape(1, outputs, 1, 1) * 2 + integer(0)
    parts = [layer("con_4", con, first=first), layer("affine_", affine)]
    return parts, (weight.astype(np.float32), bias, 1 + factor, addend)


def pool(name, *sizes):
    return layer(name, b"".join(integer(size) for size in sizes))


def small_network(widths=(4, 6), depths=(1, 1), numbers=128, seed=0):
    """Return a file of the published kind with fewer filters, and its convolutions in order."""
    rng = np.random.default_rng(seed)
    parts, convolutions = [], []

    def add(*arguments, **options):
        bytes_of, values = convolution(rng, *arguments, **options)
        parts.extend(bytes_of)
        convolutions.append(values)

    add(3, widths[0], 7, halved=True, first=True)
    parts += [layer("relu_"), pool("max_pool_2", 3, 3, 2, 2, 0, 0)]
    inputs = widths[0]
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for number in range(depth):
            halved = stage > 0 and number == 0
            parts.append(None)
            add(inputs, width, halved=halved)
            parts.append(layer("relu_"))
            add(width, width)
            if halved:
                parts += [None, None, pool("avg_pool_2", 2, 2, 2, 2, 0, 0)]
            parts += [layer("add_prev_"), layer("relu_")]
            inputs = width
    head = rng.normal(0, 1, (inputs, numbers)).astype(np.float32)
    weights = integer(numbers) + integer(inputs) + tensor(head, inputs, numbers, 1, 1)
    weights += shape(inputs, numbers, 1, 1) + shape(0, 0, 0, 0) + integer(1) + real(1.0) * 4
    parts += [pool("avg_pool_2", 0, 0, 1, 1, 0, 0), layer("fc_2", weights)]
    return whole(parts), convolutions, head


def whole(parts, size=150):
    """Return a file of layers; None is a mark."""
    kinds = [1 if part is None else 2 for part in parts]
    kinds[0] = 3
    file = integer(1) + text("loss_metric_2") + real(0.04) + real(0.6)
    file += b"".join(integer(kind) for kind in reversed(kinds))
    file += text("input_rgb_image_sized") + real(122.782) + real(117.001) + real(104.298)
    file += integer(size) + integer(size)
    return file + b"".join(part for part in parts if part is not None)
