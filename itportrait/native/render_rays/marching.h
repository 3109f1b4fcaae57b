// Marching along one ray: from densities at sorted samples to weights. See marching.py.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "texels.h"

namespace rays {

constexpr float NOTHING = 1e-9f;  // a share of light that no sum of shares in float32 shows
constexpr float EMPTY = -30.0f;   // a density before the softplus that is nothing after it

inline int64_t padded(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

// Whether points at sixteen depths lie outside of the cube.
inline Integers outside(const Scene& scene, const float* origin, const float* along,
                        const float* depths) {
  Vector far{};
  for (int a = 0; a < 3; ++a) {
    const Vector x = origin[a] + load(depths) * along[a], size = x < 0.0f ? -x : x;
    far = size > far ? size : far;
  }
  return far > scene.side / 2;
}

// Entry k of weight, passed, kept and rate is of the interval between samples k and k + 1.
struct March {
  const float gain;
  int64_t weighed = 0;  // intervals
  float light = 1;      // what is left behind them
  std::vector<float> memory;
  float *depth, *sigma, *weight, *share, *passed, *kept, *rate;

  March(const Scene& scene, int64_t most) : gain(scene.gain) {
    const int64_t length = padded(most) + 2 * LANES;
    memory.resize(7 * length);
    float* at = memory.data();
    for (float** each : {&depth, &sigma, &weight, &share, &passed, &kept, &rate})
      *each = at, at += length;
  }

  bool is_dark() const { return light <= NOTHING; }

  void begin() { weighed = 0, light = 1; }

  // Weighs all intervals between the first samples that have not been weighed; rates too, if asked.
  template <bool RATES>
  void advance(int64_t samples) {
    for (int64_t k = weighed; k < samples - 1; k += LANES) {
      const Vector middle = 0.5f * (load(sigma + k) + load(sigma + k + 1)) - 1.0f;
      const Vector span = load(depth + k + 1) - load(depth + k);
      Vector rise;
      const Vector density = gain * (RATES ? softplus(middle, rise) : softplus(middle));
      store(kept + k, exp_negative(-density * span));
      if (RATES) store(rate + k, gain * rise * span);
    }
    for (int64_t k = weighed; k < samples - 1; ++k) {
      passed[k] = light;
      weight[k] = (1 - kept[k]) * light;
      light *= kept[k] + 1e-10f;
    }
    weighed = std::max(weighed, samples - 1);
  }

  // Leaves nothing for the intervals that were not weighed, and shares light among the samples.
  void finish(int64_t samples) {
    const int64_t rows = padded(samples);
    std::fill(weight + weighed, weight + rows, 0.0f);
    share[0] = 0.5f * weight[0];
    for (int64_t k = 1; k < rows; ++k) share[k] = 0.5f * (weight[k - 1] + weight[k]);
  }
};

// Whether any of the shares is more than nothing.
inline bool is_lit(const float* shares, int64_t count) {
  float most = 0;
  for (int64_t k = 0; k < count; ++k) most = std::max(most, shares[k]);
  return most > NOTHING;
}

}  // namespace rays
