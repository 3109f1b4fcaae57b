// Sixteen points of a ray in three planes: the texels around them, read and written.
// Texels are [N, H, W, 3, C]: the channels of a texel of one plane are one run of memory.
#pragma once

#include "../lanes.h"

namespace rays {

using namespace lanes;

struct Scene {
  int64_t count, samples, height, width;
  int64_t axes[6];
  float side, gain;
  bool masked;
};

template <int CV>
struct Texels {
  static constexpr int64_t C = CV * LANES;
  const Scene& scene;
  alignas(64) int32_t corner[12][LANES];  // offsets in floats
  alignas(64) float share[12][LANES];     // of the mean over planes
  alignas(64) float share_x[12][LANES];   // slopes of the shares
  alignas(64) float share_y[12][LANES];
  Vector depth;

  explicit Texels(const Scene& given) : scene(given) {}

  // Finds what surrounds points at sixteen depths along a ray; slopes too, if asked for.
  template <bool SLOPES>
  void locate(const float* origin, const float* along, const float* depths) {
    depth = load(depths);
    const float scale = 2 / scene.side;
    for (int p = 0; p < 3; ++p) {
      const int64_t ax = scene.axes[2 * p], ay = scene.axes[2 * p + 1];
      locate_in_plane<SLOPES>(p, (origin[ax] + depth * along[ax]) * scale,
                              (origin[ay] + depth * along[ay]) * scale);
    }
  }

  template <bool SLOPES>
  void locate_in_plane(int plane, Vector x, Vector y) {
    const float w = scene.width, h = scene.height;
    Vector u = ((x + 1.0f) * w - 1.0f) * 0.5f, v = ((y + 1.0f) * h - 1.0f) * 0.5f;
    // All that is outside is alike; bounds keep the texels' numbers within those of integers.
    u = u < -2.0f ? splat(-2.0f) : u, u = u > w + 1 ? splat(w + 1) : u;
    v = v < -2.0f ? splat(-2.0f) : v, v = v > h + 1 ? splat(h + 1) : v;
    const Integers column = __builtin_convertvector(u + 2.0f, Integers) - 2;
    const Integers row = __builtin_convertvector(v + 2.0f, Integers) - 2;
    const Vector fu = u - __builtin_convertvector(column, Vector);
    const Vector fv = v - __builtin_convertvector(row, Vector);
    for (int i = 0; i < 4; ++i) {
      const bool east = i & 1, south = i >> 1;
      const Integers c = column + int32_t(east), r = row + int32_t(south);
      const Integers inside =
          (c >= 0) & (c < int32_t(scene.width)) & (r >= 0) & (r < int32_t(scene.height));
      const Vector wu = east ? fu : 1.0f - fu, wv = south ? fv : 1.0f - fv;
      const Integers texel = ((r * int32_t(scene.width) + c) * 3 + plane) * int32_t(C);
      const int at = plane * 4 + i;
      *reinterpret_cast<Integers*>(corner[at]) = inside ? texel : Integers{};
      store(share[at], inside ? wu * wv * (1.0f / 3) : Vector{});
      if (!SLOPES) continue;
      store(share_x[at], inside ? (east ? wv : -wv) * (w * 0.5f / 3) : Vector{});
      store(share_y[at], inside ? (south ? wu : -wu) * (h * 0.5f / 3) : Vector{});
    }
  }

  // Writes the mean features [count][C] of the first points.
  void gather(const float* __restrict texels, int64_t count, float* __restrict features) const {
    for (int64_t k = 0; k < count; ++k) {
      Vector sum[CV] = {};
      for (int i = 0; i < 12; ++i) {
        const float* texel = texels + corner[i][k];
        const Vector weight = splat(share[i][k]);
        for (int c = 0; c < CV; ++c) sum[c] += weight * load(texel + c * LANES);
      }
      for (int c = 0; c < CV; ++c) store(features + k * C + c * LANES, sum[c]);
    }
  }

  // Asks for the texels around points, which are soon to be read, or written as well.
  template <bool WRITTEN>
  void fetch(const float* texels, int64_t first, int64_t count) const {
    for (int64_t k = first; k < first + count; ++k)
      for (int i = 0; i < 12; ++i)
        for (int c = 0; c < CV; ++c)
          __builtin_prefetch(texels + corner[i][k] + c * LANES, WRITTEN, 3);
  }

  // Adds gradients [C] of the features of a point to the texels around it.
  void scatter(float* texels, const float* grad, int64_t k) const {
    Vector value[CV];
    for (int c = 0; c < CV; ++c) value[c] = load(grad + c * LANES);
    for (int i = 0; i < 12; ++i) {
      float* texel = texels + corner[i][k];
      const Vector weight = splat(share[i][k]);
      for (int c = 0; c < CV; ++c)
        store(texel + c * LANES, load(texel + c * LANES) + weight * value[c]);
    }
  }

  // Adds gradients that move the origin and the direction of the ray.
  void move(const float* texels, const float* grad, int64_t k, float* origin,
            float* direction) const {
    const float scale = 2 / scene.side;
    for (int p = 0; p < 3; ++p) {
      float dx = 0, dy = 0;
      for (int i = 4 * p; i < 4 * p + 4; ++i) {
        Vector dot{};
        for (int c = 0; c < CV; ++c)
          dot += load(texels + corner[i][k] + c * LANES) * load(grad + c * LANES);
        dx += total(dot) * share_x[i][k], dy += total(dot) * share_y[i][k];
      }
      const int64_t ax = scene.axes[2 * p], ay = scene.axes[2 * p + 1];
      origin[ax] += dx * scale, direction[ax] += dx * scale * depth[k];
      origin[ay] += dy * scale, direction[ay] += dy * scale * depth[k];
    }
  }
};

}  // namespace rays
