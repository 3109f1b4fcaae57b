// Rays on the way forward: what they carry to the camera.
#pragma once

#include "decoder.h"
#include "refining.h"
#include "tile.h"

namespace rays {

struct Outputs {
  float *features, *alpha, *distance, *weights;  // [M][O], [M], [M], [M][K - 1] or null
};

// One ray of a tile. Rows of its arrays are samples: first the coarse ones, padded to sixteen, then
// the fine ones. A row is decoded once, to its hidden units, and only if light may reach it.
template <int CV, int HV, int OV>
struct Ray {
  static constexpr int64_t C = CV * LANES, H = HV * LANES, O = OV * LANES;
  static constexpr int64_t ROWS = LANES / std::max(OV, 1);  // that are shaded together
  const Scene& scene;
  const Layers& layers;
  const Refinement& refinement;
  const int64_t coarse, fine, samples, rows;
  const int64_t behind;  // row of the first fine sample
  const float *origin = nullptr, *along = nullptr;
  int64_t decoded = 0, reached = 0;  // coarse rows; samples by depth
  March march;
  Texels<CV> spare;
  std::vector<float> memory;
  std::vector<int32_t> order;  // rows of the samples that are rendered, by their depth
  float *hidden, *depth, *sigma, *share;

  Ray(const Scene& given, const Layers& decoder, const Refinement& refined)
      : scene(given), layers(decoder), refinement(refined), coarse(given.samples),
        fine(refined.count), samples(refined.samples(coarse)), rows(padded(coarse) + padded(fine)),
        behind(padded(coarse)), march(given, std::max(samples, coarse)), spare(given),
        memory(rows * (H + 3) + 3 * LANES), order(samples) {
    hidden = memory.data(), depth = hidden + rows * H;
    sigma = depth + rows + LANES, share = sigma + rows + LANES;
  }

  void begin(const float* from, const float* direction, const float* depths) {
    origin = from, along = direction, decoded = 0;
    std::copy(depths, depths + coarse, depth);
    std::fill(depth + coarse, depth + behind, depths[coarse - 1]);
    for (int64_t k = 0; k < std::min(coarse, samples); ++k) order[k] = k;
    std::copy(depth, depth + behind, march.depth);
    std::fill(march.depth + behind, march.depth + behind + LANES, depths[coarse - 1]);
    march.begin();
  }

  // Decodes up to sixteen rows, and asks for the texels that come next.
  void decode_rows(const float* planes, const Texels<CV>& here, const Texels<CV>& ahead,
                   int64_t row, int64_t count) {
    alignas(64) float features[LANES * C];
    here.gather(planes, count, features);
    const int64_t whole = (count + ROWS - 1) / ROWS * ROWS;
    std::fill(features + count * C, features + LANES * C, 0.0f);
    decode<CV, HV, false>(
        features, layers, whole, hidden + row * H, nullptr, sigma + row,
        [&](int64_t k, int64_t group) { ahead.template fetch<false>(planes, k, group); });
    if (!scene.masked) return;
    const Vector found = load(sigma + row);
    store(sigma + row, outside(scene, origin, along, depth + row) ? splat(EMPTY) : found);
  }

  // Weighs the coarse samples from k on.
  void look(const float* planes, const Texels<CV>& here, const Texels<CV>& ahead, int64_t k,
            int64_t count) {
    if (march.is_dark()) return;
    decode_rows(planes, here, ahead, k, count);
    decoded = k + count;
    store(march.sigma + k, load(sigma + k));
    march.template advance<false>(decoded);
  }

  // Draws fine samples and merges them with the coarse ones that are kept.
  void refine(Drawing& draw, const float* quantiles, float* depths) {
    march.finish(coarse);
    draw(depth, march.weight, coarse, quantiles, fine, depth + behind);
    std::fill(depth + behind + fine, depth + rows, depth[behind + fine - 1]);
    int64_t kept = 0, drawn = behind;
    for (int64_t k = 0; k < samples; ++k) {
      const bool old = kept < coarse && (drawn == behind + fine || depth[kept] <= depth[drawn]);
      order[k] = old ? kept : drawn++;
      if (old) kept += refinement.keep;
      march.depth[k] = depths[k] = depth[order[k]];
    }
    std::fill(march.depth + samples, march.depth + padded(samples) + LANES, depths[samples - 1]);
    march.begin();
    reached = 0;
  }

  // Weighs all samples up to the fine ones from k on.
  void look_closely(const float* planes, const Texels<CV>& here, const Texels<CV>& ahead, int64_t k,
                    int64_t count) {
    if (march.is_dark()) return;
    decode_rows(planes, here, ahead, behind + k, count);
    const int64_t known = behind + k + count;
    for (; reached < samples && order[reached] < known; ++reached) {
      const int64_t row = order[reached];
      if (row >= decoded && row < behind) {  // the coarse pass had no light left here
        march.template advance<false>(reached);
        if (march.is_dark()) return;
        while (decoded <= row) catch_up(planes);  // coarse rows that are rendered may lie far apart
      }
      march.sigma[reached] = sigma[row];
    }
    march.template advance<false>(reached);
  }

  // Decodes the next coarse rows that were left out.
  void catch_up(const float* planes) {
    const int64_t count = std::min(LANES, coarse - decoded);
    spare.template locate<false>(origin, along, depth + decoded);
    decode_rows(planes, spare, spare, decoded, count);
    decoded += count;
  }

  // Writes what the ray carries: number m of all.
  void finish(const Outputs& out, int64_t m) {
    march.finish(samples);
    float alpha = 0, distance = 0;
    for (int64_t k = 0; k < samples - 1; ++k) {
      alpha += march.weight[k];
      distance += march.weight[k] * 0.5f * (march.depth[k] + march.depth[k + 1]);
    }
    out.alpha[m] = alpha, out.distance[m] = distance;
    if (out.weights)
      std::copy(march.weight, march.weight + samples - 1, out.weights + (samples - 1) * m);
    if constexpr (OV > 0) {
      std::fill(share, share + rows, 0.0f);
      for (int64_t k = 0; k < samples; ++k) share[order[k]] = march.share[k];
      Vector sum[OV] = {};
      for (int64_t row = 0; row < rows; row += ROWS) {
        if (!is_lit(share + row, ROWS)) continue;
        Vector color[ROWS][OV];
        shade<HV, OV>(hidden + row * H, layers, color);
        for (int64_t k = 0; k < ROWS; ++k)
          for (int v = 0; v < OV; ++v) sum[v] += share[row + k] * color[k][v];
      }
      for (int v = 0; v < OV; ++v) store(out.features + O * m + v * LANES, sum[v]);
    }
  }
};

template <int CV, int HV, int OV>
void forward(const float* planes, const Rays& all, const Scene& scene, const Layers& layers,
             const Refinement& refinement, const Outputs& out, int64_t threads) {
  parallel(tiles_of(scene), threads, [&](int64_t, std::atomic<int64_t>& next) {
    Tile<CV> tile(scene, all);
    Drawing draw;
    std::vector<Ray<CV, HV, OV>> rays;
    rays.reserve(TILE);  // rays point into themselves
    for (int64_t r = 0; r < TILE; ++r) rays.emplace_back(scene, layers, refinement);
    while (tile.take(next)) {
      for (int64_t r = 0; r < tile.size; ++r)
        rays[r].begin(tile.origin(r), tile.direction(r), tile.depths(r));
      tile.template sweep<false>(
          scene.samples, [&](int64_t r) { return rays[r].depth; },
          [&](int64_t r, int64_t k, int64_t count, auto& here, auto& ahead) {
            rays[r].look(planes, here, ahead, k, count);
          });
      if (refinement.count) {
        for (int64_t r = 0; r < tile.size; ++r) {
          const int64_t m = tile.number(r);
          rays[r].refine(draw, refinement.quantiles + refinement.stride * m,
                         refinement.depths + rays[r].samples * m);
        }
        tile.template sweep<false>(
            refinement.count, [&](int64_t r) { return rays[r].depth + rays[r].behind; },
            [&](int64_t r, int64_t k, int64_t count, auto& here, auto& ahead) {
              rays[r].look_closely(planes, here, ahead, k, count);
            });
      }
      for (int64_t r = 0; r < tile.size; ++r) rays[r].finish(out, tile.number(r));
    }
  });
}

}  // namespace rays
