"""Triton kernels of `render_rays`: a program walks along a block of rays, front to back.

Nothing of a sample outlives it but its share of the sums, so memory does not grow with the samples.
The way back walks in the same direction: what lies behind an interval is the whole of a ray, which
the way forward left, less what has been passed.
"""

# pyright: reportOperatorIssue=false
# Triton compiles these functions: their numbers are not Python's.

from typing import Any, NamedTuple

import triton
import triton.language as tl

from itportrait.kernels.render_rays.pieces import (
    evaluate,
    interval,
    load_depth,
    load_layers,
    load_rays,
    outside,
    point_at,
    scatter,
    softplus,
)


class Outputs(NamedTuple):
    """Pointers to features `[N, M, C]`, alpha and distance `[N, M]`, weights `[N, M, K - 1]`.

    On the way back they are the gradients of these; `total` `[N, M]` is what all of a ray's weights
    give, each times its gradient.
    """

    features: Any
    alpha: Any
    distance: Any
    weights: Any
    total: Any


class Gradients(NamedTuple):
    """Pointers to gradients in float32: planes, decoder `[rows, W, size]`, rays `[N, M, 3]`."""

    texels: Any
    layers: Any
    origins: Any
    directions: Any


# fmt: off
@triton.jit
def render_forward(
    texels, rays, layers, space, out,
    C: tl.constexpr, H: tl.constexpr, COLORS: tl.constexpr, AXES: tl.constexpr,
    MASKED: tl.constexpr, WEIGHTS: tl.constexpr, PRECISION: tl.constexpr,
    RB: tl.constexpr, CB: tl.constexpr, HB: tl.constexpr, OB: tl.constexpr,
):
    # fmt: on
    """Composite a block of rays; arguments as the named tuples of `pieces` and `Outputs` say."""
    n = tl.program_id(1).to(tl.int64)
    index = tl.program_id(0) * RB + tl.arange(0, RB)
    inside, first = index < rays.count, n * rays.count + index
    texels += n * space.height * space.width * 3 * C
    ray = load_rays(rays, first, inside)
    net = load_layers(layers, n, C, H, COLORS, CB, HB, OB)
    depth0 = load_depth(rays, first, inside, 0)
    _found, _before, sigma0, color0 = evaluate(
        texels, ray, depth0, inside, net, space, AXES, MASKED, C, COLORS, PRECISION
    )
    passed = tl.full([RB], 1.0, tl.float32)
    alpha, distance = tl.zeros([RB], tl.float32), tl.zeros([RB], tl.float32)
    features = tl.zeros([RB, OB], tl.float32)
    for k in range(1, rays.samples):
        depth1 = load_depth(rays, first, inside, k)
        _found, _before, sigma1, color1 = evaluate(
            texels, ray, depth1, inside, net, space, AXES, MASKED, C, COLORS, PRECISION
        )
        weight, kept, _slope = interval(sigma0, sigma1, depth1 - depth0, passed, space.gain)
        passed *= kept + 1e-10
        alpha += weight
        distance += weight * 0.5 * (depth0 + depth1)
        features += (0.5 * weight)[:, None] * (color0 + color1)
        if WEIGHTS:
            tl.store(out.weights + first * (rays.samples - 1) + k - 1, weight, mask=inside)
        depth0, sigma0, color0 = depth1, sigma1, color1
    tl.store(out.alpha + first, alpha, mask=inside)
    tl.store(out.distance + first, distance, mask=inside)
    if COLORS > 0:
        o = tl.arange(0, OB)
        at = first[:, None] * COLORS + o[None, :]
        tl.store(out.features + at, features, mask=inside[:, None] & (o < COLORS)[None, :])


@triton.jit
def load_features(grads, first, inside, COLORS: tl.constexpr, OB: tl.constexpr):
    """Return the gradients of the features, `[RB, OB]`."""
    o = tl.arange(0, OB)
    mask = inside[:, None] & (o < COLORS)[None, :]
    return tl.load(grads.features + first[:, None] * COLORS + o[None, :], mask=mask, other=0.0)


@triton.jit
def interval_gradient(
    grads,
    first,
    inside,
    k,
    grad_features,
    colors,
    step,
    passed,
    behind,
    rays,
    space,
    WEIGHTS: tl.constexpr,
):
    """Return an interval's weight, the gradient of its middle density, and the walk behind it.

    `colors` is the sum of those at both ends, `step` their densities and depths. `passed` is the
    light that comes so far, `behind` what is left of the ray's total.
    """
    sigma0, sigma1, depth0, depth1 = step
    span = depth1 - depth0
    weight, kept, slope = interval(sigma0, sigma1, span, passed, space.gain)
    grad = 0.5 * tl.sum(grad_features * colors, axis=1)
    grad += tl.load(grads.alpha + first, mask=inside, other=0.0)
    middle = 0.5 * (depth0 + depth1)
    grad += tl.load(grads.distance + first, mask=inside, other=0.0) * middle
    if WEIGHTS:
        last = rays.samples - 1
        at = grads.weights + first * last + tl.minimum(k, last) - 1
        grad += tl.load(at, mask=inside, other=0.0)
    behind -= grad * weight
    ratio = kept / (kept + 1e-10)
    grad_sigma = span * slope * (grad * passed * kept - behind * ratio)
    return weight, grad_sigma, passed * (kept + 1e-10), behind


@triton.jit
def decoder_gradient(
    found, before, shade, grad_sigma, grad_color, net, sums, COLORS: tl.constexpr,
    LAYERS: tl.constexpr, PRECISION: tl.constexpr
):
    """Return the gradient of features `[RB, CB]`, and the sums of the layers' gradients."""
    first, _, density, _, color, _ = net
    slope = tl.sigmoid(before)
    grad_hidden = grad_sigma[:, None] * density[None, :]
    if COLORS > 0:
        grad_out = grad_color * shade * (1 - shade)
        grad_hidden = tl.dot(grad_out, tl.trans(color), grad_hidden, input_precision=PRECISION)
    grad_before = grad_hidden * slope
    if LAYERS:
        sum1, bias1, sum_density, bias_density, sum_color, bias_color = sums
        hidden = softplus(before)
        sum1 = tl.dot(tl.trans(found), grad_before, sum1, input_precision=PRECISION)
        bias1 += tl.sum(grad_before, axis=0)
        sum_density += tl.sum(hidden * grad_sigma[:, None], axis=0)
        bias_density += grad_sigma
        if COLORS > 0:
            sum_color = tl.dot(tl.trans(hidden), grad_out, sum_color, input_precision=PRECISION)
            bias_color += tl.sum(grad_out, axis=0)
        sums = (sum1, bias1, sum_density, bias_density, sum_color, bias_color)
    return tl.dot(grad_before, tl.trans(first), input_precision=PRECISION), sums


@triton.jit
def add_layers(
    pointer,
    sums,
    C: tl.constexpr,
    H: tl.constexpr,
    COLORS: tl.constexpr,
    CB: tl.constexpr,
    HB: tl.constexpr,
    OB: tl.constexpr,
):
    """Add a program's gradients of the decoder to one row of those of all programs."""
    sum1, bias1, sum_density, bias_density, sum_color, bias_color = sums
    c, h, o = tl.arange(0, CB), tl.arange(0, HB), tl.arange(0, OB)
    inner = (c < C)[:, None] & (h < H)[None, :]
    outer = (h < H)[:, None] & (o < COLORS)[None, :]
    tl.atomic_add(pointer + h[None, :] * C + c[:, None], sum1, mask=inner, sem="relaxed")
    pointer += H * C
    tl.atomic_add(pointer + h, bias1, mask=h < H, sem="relaxed")
    pointer += H
    tl.atomic_add(pointer + h, sum_density, mask=h < H, sem="relaxed")
    if COLORS > 0:
        at = pointer + (1 + o)[None, :] * H + h[:, None]
        tl.atomic_add(at, sum_color, mask=outer, sem="relaxed")
    pointer += (1 + COLORS) * H
    tl.atomic_add(pointer, tl.sum(bias_density, axis=0), sem="relaxed")
    if COLORS > 0:
        tl.atomic_add(pointer + 1 + o, bias_color, mask=o < COLORS, sem="relaxed")


@triton.jit
def no_sums(RB: tl.constexpr, CB: tl.constexpr, HB: tl.constexpr, OB: tl.constexpr):
    """Return zeros for the sums of the decoder's gradients: both layers, density's row apart."""
    rows, hidden = tl.zeros([RB], tl.float32), tl.zeros([HB], tl.float32)
    first, color = tl.zeros([CB, HB], tl.float32), tl.zeros([HB, OB], tl.float32)
    return first, hidden, hidden, rows, color, tl.zeros([OB], tl.float32)


@triton.jit
def add_points(sums, grads, depth):
    """Add gradients of points at a depth to those of origins and directions."""
    gx, gy, gz, tx, ty, tz = sums
    x, y, z = grads
    return gx + x, gy + y, gz + z, tx + depth * x, ty + depth * y, tz + depth * z


# fmt: off
@triton.jit
def render_backward(
    texels, rays, layers, space, grads, into,
    C: tl.constexpr, H: tl.constexpr, COLORS: tl.constexpr, AXES: tl.constexpr,
    MASKED: tl.constexpr, WEIGHTS: tl.constexpr, PRECISION: tl.constexpr,
    PLANES: tl.constexpr, LAYERS: tl.constexpr, RAYS: tl.constexpr, ROWS: tl.constexpr,
    RB: tl.constexpr, CB: tl.constexpr, HB: tl.constexpr, OB: tl.constexpr,
):
    # fmt: on
    """Walk along a block of rays again and add what every sample gives to the gradients."""
    n = tl.program_id(1).to(tl.int64)
    index = tl.program_id(0) * RB + tl.arange(0, RB)
    inside, first = index < rays.count, n * rays.count + index
    here = n * space.height * space.width * 3 * C
    ray, net = load_rays(rays, first, inside), load_layers(layers, n, C, H, COLORS, CB, HB, OB)
    grad_features = load_features(grads, first, inside, COLORS, OB)
    passed, zero = tl.full([RB], 1.0, tl.float32), tl.zeros([RB], tl.float32)
    behind = tl.load(grads.total + first, mask=inside, other=0.0)
    weight0, grad_middle0, moved = zero, zero, (zero, zero, zero, zero, zero, zero)
    sums = no_sums(RB, CB, HB, OB)
    depth0 = load_depth(rays, first, inside, 0)
    found0, before0, sigma0, color0 = evaluate(
        texels + here, ray, depth0, inside, net, space, AXES, MASKED, C, COLORS, PRECISION
    )
    for k in range(1, rays.samples + 1):
        # After the last sample an interval without length closes the ray.
        depth1 = load_depth(rays, first, inside, tl.minimum(k, rays.samples - 1))
        found1, before1, sigma1, color1 = evaluate(
            texels + here, ray, depth1, inside, net, space, AXES, MASKED, C, COLORS, PRECISION
        )
        step, colors = (sigma0, sigma1, depth0, depth1), color0 + color1
        weight1, grad_middle1, passed, behind = interval_gradient(
            grads, first, inside, k, grad_features, colors, step, passed, behind, rays, space,
            WEIGHTS,
        )  # fmt: skip
        grad_sigma = 0.5 * (grad_middle0 + grad_middle1)
        if MASKED:
            grad_sigma = tl.where(outside(ray, depth0, space), 0.0, grad_sigma)
        grad_color = (0.5 * (weight0 + weight1))[:, None] * grad_features
        grad_found, sums = decoder_gradient(
            found0, before0, color0, grad_sigma, grad_color, net, sums, COLORS, LAYERS, PRECISION
        )
        if PLANES or RAYS:
            point = point_at(ray, depth0, space)
            moves = scatter(
                texels + here, into.texels + here, point, grad_found, inside, space, AXES, C,
                PLANES, RAYS,
            )  # fmt: skip
            moved = add_points(moved, moves, depth0)
        weight0, grad_middle0, depth0 = weight1, grad_middle1, depth1
        found0, before0, sigma0, color0 = found1, before1, sigma1, color1
    if LAYERS:
        sets = 1 + layers.own * (tl.num_programs(1) - 1)
        row = (tl.program_id(0) % ROWS) * sets + n * layers.own
        size = H * C + H + (1 + COLORS) * (H + 1)
        add_layers(into.layers + row * size, sums, C, H, COLORS, CB, HB, OB)
    if RAYS:
        gx, gy, gz, tx, ty, tz = moved
        store_points(into.origins, first, inside, gx, gy, gz, 2 / space.side)
        store_points(into.directions, first, inside, tx, ty, tz, 2 / space.side)


@triton.jit
def store_points(pointer, first, inside, x, y, z, factor):
    """Store vectors `[RB, 3]`, times a factor."""
    tl.store(pointer + first * 3, x * factor, mask=inside)
    tl.store(pointer + first * 3 + 1, y * factor, mask=inside)
    tl.store(pointer + first * 3 + 2, z * factor, mask=inside)
