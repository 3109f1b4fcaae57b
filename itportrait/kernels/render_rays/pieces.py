"""What the Triton kernels of `render_rays` are made of: rays, planes, decoder, marching.

RB rays are computed at once. C channels, H hidden units and COLORS colors are padded to powers of
two: CB, HB and OB. AXES holds the six axes of the planes in base 4.
"""

# pyright: reportGeneralTypeIssues=false, reportOperatorIssue=false
# Triton compiles these functions: their loops and numbers are not Python's.

from typing import Any, NamedTuple

import triton
import triton.language as tl


class Rays(NamedTuple):
    """Pointers to origins and directions `[N, M, 3]` and depths `[N, M, K]`; numbers M and K."""

    origins: Any
    directions: Any
    depths: Any
    count: Any
    samples: Any


class Layers(NamedTuple):
    """Pointers to weights and biases of both layers, `[W, ...]`."""

    weight1: Any
    bias1: Any
    weight2: Any
    bias2: Any
    own: Any
    """1 where each sample of the batch has weights of its own, else 0."""


class Space(NamedTuple):
    """Numbers of the planes `[N, H, W, 3, C]` and of what they mean."""

    height: Any
    width: Any
    side: Any
    """Of the cube that the planes cover."""
    gain: Any
    """Factor on the density."""


@triton.jit
def cells(point, PLANE: tl.constexpr, space, AXES: tl.constexpr):
    """Return column and row of the texel before each point in a plane, and how far behind it is."""
    x, y, z = point
    u = x if (AXES >> (4 * PLANE)) & 3 == 0 else (y if (AXES >> (4 * PLANE)) & 3 == 1 else z)
    v = (
        x
        if (AXES >> (4 * PLANE + 2)) & 3 == 0
        else (y if (AXES >> (4 * PLANE + 2)) & 3 == 1 else z)
    )
    # All that is outside is alike; bounds keep its texels' numbers within those of integers.
    u = tl.minimum(tl.maximum(((u + 1) * space.width - 1) * 0.5, -2.0), space.width + 1.0)
    v = tl.minimum(tl.maximum(((v + 1) * space.height - 1) * 0.5, -2.0), space.height + 1.0)
    left, top = tl.floor(u), tl.floor(v)
    return left.to(tl.int32), u - left, top.to(tl.int32), v - top


@triton.jit
def sample(texels, point, inside, space, AXES: tl.constexpr, C: tl.constexpr, CB: tl.constexpr):
    """Return the mean features `[RB, CB]` at points whose coordinates are in [-1, 1]."""
    channel = tl.arange(0, CB)
    total = tl.zeros([inside.shape[0], CB], tl.float32)
    for plane in tl.static_range(3):
        left, right, top, down = cells(point, plane, space, AXES)
        for corner in tl.static_range(4):
            column, row = left + corner % 2, top + corner // 2
            share_x = right if corner % 2 == 1 else 1 - right
            share_y = down if corner // 2 == 1 else 1 - down
            exists = (column >= 0) & (column < space.width) & (row >= 0) & (row < space.height)
            at = ((row * space.width + column) * 3 + plane)[:, None] * C + channel[None, :]
            mask = (exists & inside)[:, None] & (channel < C)[None, :]
            texel = tl.load(texels + at, mask=mask, other=0.0).to(tl.float32)
            total += (share_x * share_y)[:, None] * texel
    return total / 3


@triton.jit
def scatter(
    texels,
    grad_texels,
    point,
    grad,
    inside,
    space,
    AXES: tl.constexpr,
    C: tl.constexpr,
    PLANES: tl.constexpr,
    POINTS: tl.constexpr,
):
    """Add gradients of mean features `[RB, CB]` to the planes; return those of the points."""
    channel = tl.arange(0, grad.shape[1])
    grad = grad / 3
    zero = tl.zeros([inside.shape[0]], tl.float32)
    grads = (zero, zero, zero)
    for plane in tl.static_range(3):
        left, right, top, down = cells(point, plane, space, AXES)
        along, across = zero, zero
        for corner in tl.static_range(4):
            column, row = left + corner % 2, top + corner // 2
            share_x = right if corner % 2 == 1 else 1 - right
            share_y = down if corner // 2 == 1 else 1 - down
            exists = (column >= 0) & (column < space.width) & (row >= 0) & (row < space.height)
            at = ((row * space.width + column) * 3 + plane)[:, None] * C + channel[None, :]
            mask = (exists & inside)[:, None] & (channel < C)[None, :]
            if PLANES:
                part = (share_x * share_y)[:, None] * grad
                tl.atomic_add(grad_texels + at, part, mask=mask, sem="relaxed")
            if POINTS:
                texel = tl.load(texels + at, mask=mask, other=0.0).to(tl.float32)
                found = tl.sum(texel * grad, axis=1)
                along += found * share_y if corner % 2 == 1 else -found * share_y
                across += found * share_x if corner // 2 == 1 else -found * share_x
        if POINTS:
            grads = add_axis(grads, along * (space.width * 0.5), (AXES >> (4 * plane)) & 3)
            grads = add_axis(grads, across * (space.height * 0.5), (AXES >> (4 * plane + 2)) & 3)
    return grads


@triton.jit
def add_axis(vectors, value, AXIS: tl.constexpr):
    """Add a value to one coordinate of vectors."""
    x, y, z = vectors
    if AXIS == 0:
        x += value
    if AXIS == 1:
        y += value
    if AXIS == 2:
        z += value
    return x, y, z


@triton.jit
def softplus(x):
    """Return `log(1 + exp(x))`."""
    return tl.maximum(x, 0.0) + tl.log(1 + tl.exp(-tl.abs(x)))


@triton.jit
def load_rays(rays, first, inside):
    """Return origins and directions of rays, six times `[RB]`."""
    at = first * 3
    ox = tl.load(rays.origins + at, mask=inside, other=0.0).to(tl.float32)
    oy = tl.load(rays.origins + at + 1, mask=inside, other=0.0).to(tl.float32)
    oz = tl.load(rays.origins + at + 2, mask=inside, other=0.0).to(tl.float32)
    dx = tl.load(rays.directions + at, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(rays.directions + at + 1, mask=inside, other=0.0).to(tl.float32)
    dz = tl.load(rays.directions + at + 2, mask=inside, other=0.0).to(tl.float32)
    return ox, oy, oz, dx, dy, dz


@triton.jit
def load_depth(rays, first, inside, index):
    """Return one depth of each ray, `[RB]`."""
    return tl.load(rays.depths + first * rays.samples + index, mask=inside, other=0.0).to(
        tl.float32
    )


@triton.jit
def load_layers(
    layers,
    n,
    C: tl.constexpr,
    H: tl.constexpr,
    COLORS: tl.constexpr,
    CB: tl.constexpr,
    HB: tl.constexpr,
    OB: tl.constexpr,
):
    """Return the first layer `[CB, HB]`, `[HB]`, the density's row, and the colors' likewise."""
    c, h, o = tl.arange(0, CB), tl.arange(0, HB), tl.arange(0, OB)
    own = n * layers.own
    weight1, bias1 = layers.weight1 + own * (H * C), layers.bias1 + own * H
    weight2, bias2 = layers.weight2 + own * ((1 + COLORS) * H), layers.bias2 + own * (1 + COLORS)
    inner = (c < C)[:, None] & (h < H)[None, :]
    outer = (h < H)[:, None] & (o < COLORS)[None, :]
    first = tl.load(weight1 + h[None, :] * C + c[:, None], mask=inner, other=0.0)
    first_bias = tl.load(bias1 + h, mask=h < H, other=0.0)
    density = tl.load(weight2 + h, mask=h < H, other=0.0)
    color = tl.load(weight2 + (1 + o)[None, :] * H + h[:, None], mask=outer, other=0.0)
    color_bias = tl.load(bias2 + 1 + o, mask=o < COLORS, other=0.0)
    return first, first_bias, density, tl.load(bias2), color, color_bias


@triton.jit
def point_at(ray, depth, space):
    """Return the point of rays at a depth, its coordinates in [-1, 1] within the cube."""
    ox, oy, oz, dx, dy, dz = ray
    scale = 2 / space.side
    return (ox + depth * dx) * scale, (oy + depth * dy) * scale, (oz + depth * dz) * scale


@triton.jit
def outside(ray, depth, space):
    """Return where rays are outside of the cube at a depth."""
    ox, oy, oz, dx, dy, dz = ray
    x, y, z = tl.abs(ox + depth * dx), tl.abs(oy + depth * dy), tl.abs(oz + depth * dz)
    return tl.maximum(tl.maximum(x, y), z) > space.side / 2


@triton.jit
def evaluate(
    texels,
    ray,
    depth,
    inside,
    layers,
    space,
    AXES: tl.constexpr,
    MASKED: tl.constexpr,
    C: tl.constexpr,
    COLORS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Return features, hidden units before their softplus, density and colors at a depth."""
    first, first_bias, density, density_bias, color, color_bias = layers
    found = sample(texels, point_at(ray, depth, space), inside, space, AXES, C, first.shape[0])
    before = tl.dot(found, first, input_precision=PRECISION) + first_bias[None, :]
    hidden = softplus(before)
    sigma = tl.sum(hidden * density[None, :], axis=1) + density_bias
    if MASKED:
        sigma = tl.where(outside(ray, depth, space), -30.0, sigma)
    shade = tl.zeros([depth.shape[0], color.shape[1]], tl.float32)
    if COLORS > 0:
        shade = tl.sigmoid(tl.dot(hidden, color, input_precision=PRECISION) + color_bias[None, :])
    return found, before, sigma, shade


@triton.jit
def interval(sigma0, sigma1, span, passed, gain):
    """Return an interval's weight, the share of light that it keeps, and the density's slope."""
    middle = 0.5 * (sigma0 + sigma1) - 1
    kept = tl.exp(-gain * softplus(middle) * span)
    return (1 - kept) * passed, kept, gain * tl.sigmoid(middle)
