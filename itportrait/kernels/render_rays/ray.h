// One ray: from the features of its samples to densities, weights and colors. See reference.py.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "texels.h"

namespace rays {

constexpr float NOTHING = 1e-9f;  // a share of light that no sum of shares in float32 shows
constexpr float EMPTY = -30.0f;   // a density before the softplus that is nothing after it

// A sample's weights of layers: inputs along rows, outputs along lanes, and the other way round.
struct Layers {
  const float *weight1, *bias1, *density, *density_bias, *weight2, *bias2;
  const float *back1, *back2;
};

inline int64_t padded(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

// sum[k] = bias + in[k] * weight for 16 / V rows k: weight [IN][V * LANES], in [...][IN].
template <int IN, int V>
__attribute__((always_inline)) inline void product(const float* in, const float* weight,
                                                   const float* bias, Vector (&sum)[LANES / V][V]) {
  constexpr int ROWS = LANES / V;
  for (int k = 0; k < ROWS; ++k)
    for (int v = 0; v < V; ++v) sum[k][v] = bias ? load(bias + v * LANES) : Vector{};
  for (int64_t i = 0; i < IN; ++i) {
    Vector row[V];
    for (int v = 0; v < V; ++v) row[v] = load(weight + (i * V + v) * LANES);
    for (int k = 0; k < ROWS; ++k) {
      const Vector value = splat(in[k * IN + i]);
      for (int v = 0; v < V; ++v) sum[k][v] += value * row[v];
    }
  }
}

// Rows of the arrays are samples, sixteen a chunk. C channels, H hidden units, O colors.
template <int CV, int HV, int OV>
struct Ray {
  static constexpr int64_t C = CV * LANES, H = HV * LANES, O = OV * LANES;
  const Scene& scene;
  const int64_t K, rows;
  int64_t reached = 0;  // number of samples from the front that light reaches
  const float* features = nullptr;
  const float* depth = nullptr;
  std::vector<float> memory;
  float *hidden, *slope, *colors;                                 // [rows][H, H, O]
  float *outside, *sigma, *share, *weight, *passed, *kept, *rate;  // [rows + LANES]

  explicit Ray(const Scene& given) : scene(given), K(given.samples), rows(padded(K)) {
    memory.resize(rows * (2 * H + O) + 7 * (rows + LANES));
    float* at = memory.data();
    auto take = [&](int64_t count) { return (at += count) - count; };
    hidden = take(rows * H), slope = take(rows * H), colors = take(rows * O);
    for (float** each : {&outside, &sigma, &share, &weight, &passed, &kept, &rate})
      *each = take(rows + LANES);
  }

  // Takes the features [rows][C] and depths [rows + LANES] of a ray.
  void begin(const float* origin, const float* along, const float* at, const float* given) {
    depth = at, features = given;
    if (!scene.masked) return;
    for (int64_t k = 0; k < rows; k += LANES) {
      Vector far{};
      for (int a = 0; a < 3; ++a) {
        const Vector x = origin[a] + load(depth + k) * along[a], size = x < 0.0f ? -x : x;
        far = size > far ? size : far;
      }
      store(outside + k, far > scene.side / 2 ? splat(1.0f) : Vector{});
    }
  }

  template <bool SLOPES>
  void evaluate(const Layers& layers, int64_t chunk) {
    constexpr int ROWS = LANES / HV;
    for (int64_t first = chunk; first < chunk + LANES && first < K; first += ROWS) {
      Vector sum[ROWS][HV];
      product<C, HV>(features + first * C, layers.weight1, layers.bias1, sum);
      for (int64_t k = 0; k < ROWS; ++k) {
        Vector dot{}, rise{};
        for (int v = 0; v < HV; ++v) {
          const int64_t at = (first + k) * H + v * LANES;
          const Vector unit = SLOPES ? softplus(sum[k][v], rise) : softplus(sum[k][v]);
          if (SLOPES) store(slope + at, rise);
          store(hidden + at, unit);
          dot += unit * load(layers.density + v * LANES);
        }
        sigma[first + k] = total(dot) + *layers.density_bias;
      }
    }
    if (!scene.masked) return;
    const Vector found = load(sigma + chunk);
    store(sigma + chunk, load(outside + chunk) > 0.0f ? splat(EMPTY) : found);
  }

  // Weighs the intervals that begin at samples from `from` up to `to`; returns the light left.
  float weigh(int64_t from, int64_t to, float light) {
    for (int64_t k = from; k < to; k += LANES) {
      const Vector middle = 0.5f * (load(sigma + k) + load(sigma + k + 1)) - 1.0f;
      const Vector span = load(depth + k + 1) - load(depth + k);
      Vector rise;
      const Vector density = scene.gain * softplus(middle, rise);
      store(kept + k, exp_negative(-density * span));
      store(rate + k, scene.gain * rise * span);
    }
    for (int64_t k = from; k < to; ++k) {
      passed[k] = light;
      weight[k] = (1 - kept[k]) * light;
      light *= kept[k] + 1e-10f;
    }
    return light;
  }

  // Evaluates densities from the front on, as long as light is left, and shares it among samples.
  template <bool SLOPES>
  void march(const Layers& layers) {
    float light = 1;
    for (reached = 0; reached < K && light > NOTHING;) {
      evaluate<SLOPES>(layers, reached);
      const int64_t end = std::min(reached + LANES, K);
      light = weigh(std::max(reached - 1, int64_t(0)), end - 1, light);
      reached = end;
    }
    std::fill(weight + reached - 1, weight + rows, 0.0f);
    share[0] = 0.5f * weight[0];
    for (int64_t k = 1; k < rows; ++k) share[k] = 0.5f * (weight[k - 1] + weight[k]);
  }

  bool is_lit(int64_t first, int64_t count) const {
    float most = 0;
    for (int64_t k = first; k < first + count; ++k) most = std::max(most, share[k]);
    return most > NOTHING;
  }

  // Colors of 16 / OV samples.
  void shade(const Layers& layers, int64_t first) {
    if constexpr (OV > 0) {
      Vector sum[LANES / OV][OV];
      product<H, OV>(hidden + first * H, layers.weight2, layers.bias2, sum);
      for (int64_t k = 0; k < LANES / OV; ++k)
        for (int v = 0; v < OV; ++v) store(colors + (first + k) * O + v * LANES, sigmoid(sum[k][v]));
    }
  }
};

}  // namespace rays
