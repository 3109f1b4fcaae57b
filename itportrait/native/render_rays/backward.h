// Rays on the way back: gradients of planes, decoder and rays. Every ray marches again.
#pragma once

#include "decoder.h"
#include "tile.h"

namespace rays {

// Gradients that a thread adds up; null where nobody asks for them.
struct Gradients {
  float *planes, *weight1, *bias1, *density, *density_bias, *weight2, *bias2;
};

// Gradients of what rays carry: [M][O], [M], [M], [M][K - 1] or null.
struct Given {
  const float *features, *alpha, *distance, *weights;
};

// sums[i][:] += left[k][i] * right[k][:] over sixteen samples k.
template <int LEFT, int V>
void add_outer(const float* left, const float* right, float* sums) {
  static_assert(LEFT % 4 == 0);
  for (int64_t i = 0; i < LEFT; i += 4) {
    Vector sum[4][V];
    for (int a = 0; a < 4; ++a)
      for (int v = 0; v < V; ++v) sum[a][v] = load(sums + ((i + a) * V + v) * LANES);
    for (int64_t k = 0; k < LANES; ++k)
      for (int a = 0; a < 4; ++a) {
        const Vector value = splat(left[k * LEFT + i + a]);
        for (int v = 0; v < V; ++v) sum[a][v] += value * load(right + (k * V + v) * LANES);
      }
    for (int a = 0; a < 4; ++a)
      for (int v = 0; v < V; ++v) store(sums + ((i + a) * V + v) * LANES, sum[a][v]);
  }
}

template <int V>
void add_rows(const float* values, float* sums) {
  for (int v = 0; v < V; ++v) {
    Vector sum = load(sums + v * LANES);
    for (int64_t k = 0; k < LANES; ++k) sum += load(values + (k * V + v) * LANES);
    store(sums + v * LANES, sum);
  }
}

// The marched samples of one ray: rows of the arrays, sixteen a chunk.
template <int CV, int HV, int OV>
struct Marched {
  static constexpr int64_t C = CV * LANES, H = HV * LANES, O = OV * LANES;
  const Scene& scene;
  const Layers& layers;
  const int64_t K, rows;
  int64_t reached = 0;  // number of samples from the front that light reaches
  const float* features = nullptr;
  March march;
  std::vector<float> memory;
  float *hidden, *slope;        // [rows][H, H]
  float *outer, *inner;         // [rows][O, H]: gradients before the sigmoid and the softplus
  float *empty, *along, *rise;  // [rows + LANES]: whether masked; gradients of share and sigma

  Marched(const Scene& given, const Layers& decoder)
      : scene(given), layers(decoder), K(given.samples), rows(padded(K)), march(given, K),
        memory(rows * (3 * H + O) + 3 * (rows + LANES)) {
    float* at = memory.data();
    auto take = [&](int64_t count) { return (at += count) - count; };
    hidden = take(rows * H), slope = take(rows * H);
    outer = take(rows * O), inner = take(rows * H);
    for (float** each : {&empty, &along, &rise}) *each = take(rows + LANES);
  }

  // Decodes samples from the front on, as long as light is left, and shares it among them.
  void go(const float* origin, const float* direction, const float* depths, const float* given) {
    features = given;
    std::copy(depths, depths + rows + LANES, march.depth);
    march.begin();
    for (reached = 0; reached < K && !march.is_dark();) {
      const int64_t k = reached, H16 = k * H;
      decode<CV, HV, true>(features + k * C, layers, std::min(LANES, K - k), hidden + H16,
                           slope + H16, march.sigma + k, [](int64_t, int64_t) {});
      if (scene.masked) {
        const Integers out = outside(scene, origin, direction, depths + k);
        const Vector found = load(march.sigma + k);
        store(march.sigma + k, out ? splat(EMPTY) : found);
        store(empty + k, out ? splat(1.0f) : Vector{});
      }
      reached = std::min(k + LANES, K);
      march.template advance<true>(reached);
    }
    march.finish(K);
  }

  // Gradients of densities, `rise`, and of colors before their sigmoid, `outer`.
  void composite(const float* given, float alpha, float distance, const float* weights) {
    std::fill(along, along + rows + LANES, 0.0f);
    std::fill(rise, rise + rows + LANES, 0.0f);
    if constexpr (OV > 0) tint(given);
    float behind = 0;  // of all that light reaches behind an interval
    for (int64_t k = reached - 2; k >= 0; --k) {
      float grad = alpha + distance * 0.5f * (march.depth[k] + march.depth[k + 1]) +
                   0.5f * (along[k] + along[k + 1]);
      if (weights) grad += weights[k];
      const float kept = march.kept[k];
      const float optical = kept * (march.passed[k] * grad - behind / (kept + 1e-10f));
      behind += march.weight[k] * grad;
      rise[k] += 0.5f * optical * march.rate[k];
      rise[k + 1] += 0.5f * optical * march.rate[k];
    }
    if (!scene.masked) return;
    for (int64_t k = 0; k < reached; ++k)
      if (empty[k] > 0) rise[k] = 0;
  }

  void tint(const float* given) {
    constexpr int64_t ROWS = LANES / (OV ? OV : 1);
    for (int64_t first = 0; first < reached; first += ROWS) {
      Vector color[ROWS][OV] = {};
      if (is_lit(march.share + first, ROWS)) shade<HV, OV>(hidden + first * H, layers, color);
      for (int64_t k = 0; k < ROWS; ++k) {
        const float share = march.share[first + k];
        Vector dot{};
        for (int v = 0; v < OV; ++v) {
          const Vector grad = load(given + v * LANES), part = grad * color[k][v];
          dot += part;
          store(outer + (first + k) * O + v * LANES, share * part * (1.0f - color[k][v]));
        }
        along[first + k] = total(dot);
      }
    }
  }

  // Whether gradients of sixteen samples are more than nothing beside those of others.
  bool matters(int64_t chunk) const {
    float most = 0;
    for (int64_t k = std::max(chunk - 1, int64_t(0)); k < chunk + LANES && k < reached - 1; ++k)
      most = std::max(most, march.passed[k] * march.rate[k]);
    return most > NOTHING || is_lit(march.share + chunk, LANES);
  }

  // Gradients of hidden units before their softplus, `inner`.
  void undecode(int64_t chunk) {
    constexpr int64_t ROWS = LANES / HV;
    for (int64_t first = chunk; first < chunk + LANES; first += ROWS) {
      Vector sum[ROWS][HV] = {};
      if constexpr (OV > 0)
        product<O, HV>(outer + first * O, layers.back2, nullptr, sum);
      for (int64_t k = 0; k < ROWS; ++k)
        for (int v = 0; v < HV; ++v) {
          const int64_t at = (first + k) * H + v * LANES;
          const Vector all = sum[k][v] + rise[first + k] * load(layers.density + v * LANES);
          // Samples behind the last that light reaches have slopes of an earlier ray.
          store(inner + at, first + k < reached ? all * load(slope + at) : Vector{});
        }
    }
  }

  // Writes gradients of features in the place of the features.
  void replace(int64_t chunk, float* at) const {
    constexpr int64_t ROWS = LANES / CV;
    for (int64_t first = chunk; first < chunk + LANES; first += ROWS) {
      Vector sum[ROWS][CV];
      product<H, CV>(inner + first * H, layers.back1, nullptr, sum);
      for (int64_t k = 0; k < ROWS; ++k)
        for (int c = 0; c < CV; ++c) store(at + (first + k) * C + c * LANES, sum[k][c]);
    }
  }

  void learn(const Gradients& into, int64_t chunk) {
    const float *units = hidden + chunk * H, *up = inner + chunk * H;
    const int64_t end = chunk + LANES, dark = std::clamp(reached, chunk, end);
    std::fill(rise + dark, rise + end, 0.0f);
    if constexpr (OV > 0) {
      std::fill(outer + dark * O, outer + end * O, 0.0f);
      add_outer<O, HV>(outer + chunk * O, units, into.weight2);
      add_rows<OV>(outer + chunk * O, into.bias2);
    }
    add_outer<H, CV>(up, features + chunk * C, into.weight1);
    add_rows<HV>(up, into.bias1);
    for (int64_t k = 0; k < LANES; ++k) {
      *into.density_bias += rise[chunk + k];
      for (int v = 0; v < HV; ++v) {
        float* sum = into.density + v * LANES;
        store(sum, load(sum) + rise[chunk + k] * load(units + k * H + v * LANES));
      }
    }
  }
};

// Depths and features of the samples of a tile; gradients take the place of features.
template <int CV>
struct Store {
  const int64_t rows;
  std::vector<float> depths, features;  // [TILE][rows + LANES], [TILE][rows][CV * LANES]

  explicit Store(int64_t samples)
      : rows(padded(samples)), depths(TILE * (rows + LANES)),
        features(TILE * rows * CV * LANES) {}

  float* depth(int64_t r) { return depths.data() + r * (rows + LANES); }
  float* feature(int64_t r, int64_t k = 0) { return features.data() + (r * rows + k) * CV * LANES; }

  void fill(const Tile<CV>& tile, int64_t samples) {
    for (int64_t r = 0; r < tile.size; ++r) {
      std::copy(tile.depths(r), tile.depths(r) + samples, depth(r));
      std::fill(depth(r) + samples, depth(r) + rows + LANES, tile.depths(r)[samples - 1]);
    }
  }
};

template <int CV, int HV, int OV>
void backward(const float* planes, const Rays& rays, const Scene& scene, const Layers& layers,
              const Given& given, const Gradients* gradients, float* grad_origins,
              float* grad_directions, int64_t threads) {
  const int64_t K = scene.samples, O = OV * LANES;
  parallel(tiles_of(scene), threads, [&](int64_t t, std::atomic<int64_t>& next) {
    Tile<CV> tile(scene, rays);
    Store<CV> kept(K);
    Marched<CV, HV, OV> ray(scene, layers);
    const Gradients& into = gradients[t];
    std::vector<char> moved(TILE * kept.rows / LANES);  // chunks that have gradients
    auto depths = [&](int64_t r) { return kept.depth(r); };
    auto gather = [&](int64_t r, int64_t k, int64_t count, auto& here, auto& ahead) {
      here.gather(planes, count, kept.feature(r, k));
    };
    auto spread = [&](int64_t r, int64_t chunk, int64_t count, auto& here, auto& ahead) {
      if (!moved[(r * kept.rows + chunk) / LANES]) return;
      const int64_t m = 3 * tile.number(r);
      for (int64_t k = 0; k < count; ++k) {
        const float* grad = kept.feature(r, chunk + k);
        if (into.planes) here.scatter(into.planes, grad, k);
        if (grad_origins) here.move(planes, grad, k, grad_origins + m, grad_directions + m);
      }
    };
    while (tile.take(next)) {
      kept.fill(tile, K);
      tile.template sweep<false>(K, depths, gather);
      for (int64_t r = 0; r < tile.size; ++r) {
        const int64_t m = tile.number(r);
        ray.go(tile.origin(r), tile.direction(r), kept.depth(r), kept.feature(r));
        ray.composite(given.features + O * m, given.alpha[m], given.distance[m],
                      given.weights ? given.weights + (K - 1) * m : nullptr);
        for (int64_t chunk = 0; chunk < K; chunk += LANES) {
          char& moves = moved[(r * kept.rows + chunk) / LANES];
          moves = chunk < ray.reached && ray.matters(chunk);
          if (!moves) continue;
          ray.undecode(chunk);
          if (into.weight1) ray.learn(into, chunk);
          if (into.planes || grad_origins) ray.replace(chunk, kept.feature(r));
        }
      }
      if (grad_origins)
        tile.template sweep<true>(K, depths, spread);
      else if (into.planes)
        tile.template sweep<false>(K, depths, spread);
    }
  });
}

}  // namespace rays
