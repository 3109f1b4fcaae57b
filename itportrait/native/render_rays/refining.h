// Depths where the coarse pass found weight, by its inverse cumulative distribution: see
// refining.py.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace rays {

struct Refinement {
  const float* quantiles;  // [M][count], or [count] for all rays where the stride is 0
  int64_t stride, count;
  int64_t keep;   // every keep-th coarse sample is rendered with the fine ones
  float* depths;  // [M][K]: of all samples that are rendered, ascending

  int64_t samples(int64_t coarse) const { return (coarse + keep - 1) / keep + count; }
};

struct Drawing {
  std::vector<float> cumulated, quantiles;

  // Writes the fine depths, ascending, from coarse depths and the weights between them.
  void operator()(const float* depths, const float* weights, int64_t coarse, const float* given,
                  int64_t count, float* fine) {
    const int64_t steps = accumulate(weights, coarse - 1);
    quantiles.assign(given, given + count);
    if (!std::is_sorted(given, given + count)) std::sort(quantiles.begin(), quantiles.end());
    auto middle = [&](int64_t k) { return 0.5f * (depths[k + 1] + depths[k]); };
    int64_t upper = 0;
    for (int64_t i = 0; i < count; ++i) {
      const float u = quantiles[i];
      while (upper < steps && cumulated[upper] <= u) ++upper;
      const int64_t low = std::max(upper - 1, int64_t(0)), high = std::min(upper, steps - 1);
      const float span = cumulated[high] - cumulated[low], start = middle(low);
      fine[i] = start + (u - cumulated[low]) / (span < 1e-5f ? 1.0f : span) * (middle(high) - start);
      if (i) fine[i] = std::max(fine[i], fine[i - 1]);  // rounding may lose the order
    }
  }

 private:
  // Smooths the weights and adds them up; returns the length of the sums.
  int64_t accumulate(const float* weights, int64_t count) {
    const int64_t bins = std::max(count - 2, int64_t(0));
    cumulated.resize(bins + 1);
    double total = 0, sum = 0;
    for (int64_t i = 0; i < bins; ++i) {
      const float before = std::max(weights[i], weights[i + 1]);
      const float behind = std::max(weights[i + 1], weights[i + 2]);
      total += cumulated[i + 1] = 0.5f * (before + behind) + 0.01f + 1e-5f;
    }
    cumulated[0] = 0;
    for (int64_t i = 1; i <= bins; ++i) cumulated[i] = sum += cumulated[i] / total;
    return bins + 1;
  }
};

}  // namespace rays
