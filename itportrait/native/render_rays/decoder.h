// The decoder: from the features of samples to hidden units, densities and colors.
#pragma once

#include <cstdint>

#include "../lanes.h"

namespace rays {

using namespace lanes;

// A sample's weights of layers: inputs along rows, outputs along lanes, and the other way round.
struct Layers {
  const float *weight1, *bias1, *density, *density_bias, *weight2, *bias2;
  const float *back1, *back2;
};

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

// Hidden units [count][H] and densities of samples, from features [16][C], rounded up to whole
// groups of rows; slopes too, if asked for. Calls between(first row, rows) ahead of each group.
template <int CV, int HV, bool SLOPES, typename Between>
void decode(const float* features, const Layers& layers, int64_t count, float* hidden, float* slope,
            float* sigma, Between between) {
  constexpr int ROWS = LANES / HV, C = CV * LANES, H = HV * LANES;
  for (int64_t first = 0; first < count; first += ROWS) {
    between(first, int64_t(ROWS));
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
}

// Colors of 16 / OV samples, from their hidden units [...][HV * LANES].
template <int HV, int OV>
__attribute__((always_inline)) inline void shade(const float* hidden, const Layers& layers,
                                                 Vector (&color)[LANES / OV][OV]) {
  product<HV * LANES, OV>(hidden, layers.weight2, layers.bias2, color);
  for (int k = 0; k < LANES / OV; ++k)
    for (int v = 0; v < OV; ++v) color[k][v] = sigmoid(color[k][v]);
}

}  // namespace rays
