// Volume rendering of tri-planes, forward and backward: see reference.py for the definition.
// A tile of rays reads the planes together, depth after depth, because neighbors meet the same
// texels. Backward passes march every ray again: nothing of its samples is stored.

#include <atomic>
#include <thread>

#include "ray.h"

using namespace rays;

namespace {

constexpr int64_t TILE = 16;  // rays

template <typename Work>
void parallel(int64_t tiles, int64_t threads, Work work) {
  std::atomic<int64_t> next{0};
  auto run = [&](int64_t thread) { work(thread, next); };
  std::vector<std::thread> pool;
  for (int64_t t = 1; t < std::min(threads, tiles); ++t) pool.emplace_back(run, t);
  run(0);
  for (auto& thread : pool) thread.join();
}

struct Rays {
  const float *origins, *directions, *depths;  // [M][3], [M][3], [M][K]
};

// The samples of a tile of rays: where they are in the planes, and their features.
template <int CV>
struct Tile {
  static constexpr int64_t C = CV * LANES;
  const Scene& scene;
  const Rays& all;
  const int64_t rows;
  int64_t first = 0, size = 0;
  Texels<CV> texels;
  std::vector<float> depths, features;  // [TILE][rows + LANES], [TILE][rows][C]

  Tile(const Scene& given, const Rays& rays)
      : scene(given), all(rays), rows(padded(given.samples)), texels(given),
        depths(TILE * (rows + LANES)), features(TILE * rows * C) {}

  const float* origin(int64_t r) const { return all.origins + 3 * (first + r); }
  const float* direction(int64_t r) const { return all.directions + 3 * (first + r); }
  float* depth(int64_t r) { return depths.data() + r * (rows + LANES); }
  float* feature(int64_t r, int64_t k = 0) { return features.data() + (r * rows + k) * C; }

  // Takes the next tile that no thread has taken.
  bool take(std::atomic<int64_t>& next) {
    first = next.fetch_add(1) * TILE;
    size = std::min(TILE, scene.count - first);
    if (size <= 0) return false;
    const int64_t K = scene.samples;
    for (int64_t r = 0; r < size; ++r) {
      const float* from = all.depths + K * (first + r);
      std::copy(from, from + K, depth(r));
      std::fill(depth(r) + K, depth(r) + rows + LANES, from[K - 1]);
    }
    return true;
  }

  // Goes through the rays at sixteen depths after another: work(ray, first sample, samples).
  template <bool SLOPES, typename Work>
  void sweep(Work work) {
    for (int64_t k = 0; k < scene.samples; k += LANES)
      for (int64_t r = 0; r < size; ++r) {
        texels.template locate<SLOPES>(origin(r), direction(r), depth(r) + k);
        work(r, k, std::min(LANES, scene.samples - k));
      }
  }

  void gather(const float* planes) {
    sweep<false>([&](int64_t r, int64_t k, int64_t count) {
      texels.gather(planes, count, feature(r, k));
    });
  }
};

struct Outputs {
  float *features, *alpha, *distance, *weights;  // [M][O], [M], [M], [M][K - 1] or null
};

template <int CV, int HV, int OV>
void forward(const float* planes, const Rays& rays, const Scene& scene, const Layers& layers,
             const Outputs& out, int64_t threads) {
  const int64_t K = scene.samples, O = OV * LANES;
  parallel((scene.count + TILE - 1) / TILE, threads, [&](int64_t, std::atomic<int64_t>& next) {
    Tile<CV> tile(scene, rays);
    Ray<CV, HV, OV> ray(scene);
    while (tile.take(next)) {
      tile.gather(planes);
      for (int64_t r = 0; r < tile.size; ++r) {
        const int64_t m = tile.first + r;
        ray.begin(tile.origin(r), tile.direction(r), tile.depth(r), tile.feature(r));
        ray.template march<false>(layers);
        float alpha = 0, distance = 0;
        for (int64_t k = 0; k < K - 1; ++k) {
          alpha += ray.weight[k];
          distance += ray.weight[k] * 0.5f * (ray.depth[k] + ray.depth[k + 1]);
        }
        out.alpha[m] = alpha, out.distance[m] = distance;
        if (out.weights) std::copy(ray.weight, ray.weight + K - 1, out.weights + (K - 1) * m);
        if constexpr (OV > 0) {
          Vector sum[OV] = {};
          for (int64_t k = 0; k < ray.reached; k += LANES / OV) {
            if (!ray.is_lit(k, LANES / OV)) continue;
            ray.shade(layers, k);
            for (int64_t i = k; i < k + LANES / OV; ++i)
              for (int v = 0; v < OV; ++v)
                sum[v] += ray.share[i] * load(ray.colors + i * O + v * LANES);
          }
          for (int v = 0; v < OV; ++v) store(out.features + O * m + v * LANES, sum[v]);
        }
      }
    }
  });
}

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

template <int CV, int HV, int OV>
struct Backward {
  static constexpr int64_t C = CV * LANES, H = HV * LANES, O = OV * LANES;
  Ray<CV, HV, OV> ray;
  const Layers& layers;
  std::vector<float> memory, along, rise;
  float *outer, *inner;  // [rows][O, H]: gradients before the sigmoid and the softplus

  Backward(const Scene& scene, const Layers& given)
      : ray(scene), layers(given), memory(ray.rows * (O + H)), along(ray.rows + 1),
        rise(ray.rows + 1) {
    outer = memory.data(), inner = outer + ray.rows * O;
  }

  // Gradients of densities, `rise`, and of colors before their sigmoid, `outer`.
  void composite(const float* features, float alpha, float distance, const float* weights) {
    std::fill(along.begin(), along.end(), 0.0f);
    std::fill(rise.begin(), rise.end(), 0.0f);
    if constexpr (OV > 0) tint(features);
    float behind = 0;  // of all that light reaches behind an interval
    for (int64_t k = ray.reached - 2; k >= 0; --k) {
      float grad = alpha + distance * 0.5f * (ray.depth[k] + ray.depth[k + 1]) +
                   0.5f * (along[k] + along[k + 1]);
      if (weights) grad += weights[k];
      const float kept = ray.kept[k];
      const float optical = kept * (ray.passed[k] * grad - behind / (kept + 1e-10f));
      behind += ray.weight[k] * grad;
      rise[k] += 0.5f * optical * ray.rate[k];
      rise[k + 1] += 0.5f * optical * ray.rate[k];
    }
    if (!ray.scene.masked) return;
    for (int64_t k = 0; k < ray.reached; ++k)
      if (ray.outside[k] > 0) rise[k] = 0;
  }

  void tint(const float* features) {
    constexpr int64_t ROWS = LANES / (OV ? OV : 1);
    for (int64_t first = 0; first < ray.reached; first += ROWS) {
      const bool lit = ray.is_lit(first, ROWS);
      if (lit) ray.shade(layers, first);
      for (int64_t k = first; k < first + ROWS; ++k) {
        Vector dot{};
        for (int v = 0; v < OV; ++v) {
          const Vector grad = load(features + v * LANES);
          const Vector color = lit ? load(ray.colors + k * O + v * LANES) : Vector{};
          dot += grad * color;
          store(outer + k * O + v * LANES, ray.share[k] * grad * color * (1.0f - color));
        }
        along[k] = total(dot);
      }
    }
  }

  // Whether gradients of sixteen samples are more than nothing beside those of others.
  bool matters(int64_t chunk) const {
    float most = 0;
    for (int64_t k = std::max(chunk - 1, int64_t(0)); k < chunk + LANES && k < ray.reached - 1; ++k)
      most = std::max(most, ray.passed[k] * ray.rate[k]);
    return most > NOTHING || ray.is_lit(chunk, LANES);
  }

  // Gradients of hidden units before their softplus, `inner`.
  void decode(int64_t chunk) {
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
          store(inner + at, first + k < ray.reached ? all * load(ray.slope + at) : Vector{});
        }
    }
  }

  // Writes gradients of features in the place of the features.
  void replace(int64_t chunk, float* features) const {
    constexpr int64_t ROWS = LANES / CV;
    for (int64_t first = chunk; first < chunk + LANES; first += ROWS) {
      Vector sum[ROWS][CV];
      product<H, CV>(inner + first * H, layers.back1, nullptr, sum);
      for (int64_t k = 0; k < ROWS; ++k)
        for (int c = 0; c < CV; ++c) store(features + (first + k) * C + c * LANES, sum[k][c]);
    }
  }

  void learn(const Gradients& into, int64_t chunk) {
    const float *units = ray.hidden + chunk * H, *up = inner + chunk * H;
    const int64_t end = chunk + LANES, dark = std::clamp(ray.reached, chunk, end);
    std::fill(rise.begin() + dark, rise.begin() + end, 0.0f);
    if constexpr (OV > 0) {
      std::fill(outer + dark * O, outer + end * O, 0.0f);
      add_outer<O, HV>(outer + chunk * O, units, into.weight2);
      add_rows<OV>(outer + chunk * O, into.bias2);
    }
    add_outer<H, CV>(up, ray.features + chunk * C, into.weight1);
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

template <int CV, int HV, int OV>
void backward(const float* planes, const Rays& rays, const Scene& scene, const Layers& layers,
              const Given& given, const Gradients* gradients, float* grad_origins,
              float* grad_directions, int64_t threads) {
  const int64_t K = scene.samples, O = OV * LANES;
  parallel((scene.count + TILE - 1) / TILE, threads, [&](int64_t t, std::atomic<int64_t>& next) {
    Tile<CV> tile(scene, rays);
    Backward<CV, HV, OV> back(scene, layers);
    auto& ray = back.ray;
    const Gradients& into = gradients[t];
    std::vector<char> moved(TILE * tile.rows / LANES);  // chunks that have gradients
    while (tile.take(next)) {
      tile.gather(planes);
      for (int64_t r = 0; r < tile.size; ++r) {
        const int64_t m = tile.first + r;
        ray.begin(tile.origin(r), tile.direction(r), tile.depth(r), tile.feature(r));
        ray.template march<true>(layers);
        back.composite(given.features + O * m, given.alpha[m], given.distance[m],
                       given.weights ? given.weights + (K - 1) * m : nullptr);
        for (int64_t chunk = 0; chunk < K; chunk += LANES) {
          char& moves = moved[(r * tile.rows + chunk) / LANES];
          moves = chunk < ray.reached && back.matters(chunk);
          if (!moves) continue;
          back.decode(chunk);
          if (into.weight1) back.learn(into, chunk);
          if (into.planes || grad_origins) back.replace(chunk, tile.feature(r));
        }
      }
      if (!into.planes && !grad_origins) continue;
      auto spread = [&](int64_t r, int64_t chunk, int64_t count) {
        if (!moved[(r * tile.rows + chunk) / LANES]) return;
        for (int64_t k = 0; k < count; ++k) {
          const float* grad = tile.feature(r, chunk + k);
          const int64_t m = 3 * (tile.first + r);
          if (into.planes) tile.texels.scatter(into.planes, grad, k);
          if (grad_origins)
            tile.texels.move(planes, grad, k, grad_origins + m, grad_directions + m);
        }
      };
      grad_origins ? tile.template sweep<true>(spread) : tile.template sweep<false>(spread);
    }
  });
}

}  // namespace

#define WITH_SIZES(FUNCTION, ...)                                                       \
  do {                                                                                  \
    if (channels == 32 && hidden == 64 && colors == 32) FUNCTION<2, 4, 2>(__VA_ARGS__); \
    if (channels == 32 && hidden == 64 && colors == 0) FUNCTION<2, 4, 0>(__VA_ARGS__);  \
    if (channels == 16 && hidden == 32 && colors == 16) FUNCTION<1, 2, 1>(__VA_ARGS__); \
    if (channels == 16 && hidden == 32 && colors == 0) FUNCTION<1, 2, 0>(__VA_ARGS__);  \
  } while (0)

extern "C" void render_rays_forward(const float* planes, const Rays* rays, const Scene* scene,
                                    const Layers* layers, const Outputs* out, int64_t channels,
                                    int64_t hidden, int64_t colors, int64_t threads) {
  WITH_SIZES(forward, planes, *rays, *scene, *layers, *out, threads);
}

extern "C" void render_rays_backward(const float* planes, const Rays* rays, const Scene* scene,
                                     const Layers* layers, const Given* given,
                                     const Gradients* gradients, float* grad_origins,
                                     float* grad_directions, int64_t channels, int64_t hidden,
                                     int64_t colors, int64_t threads) {
  WITH_SIZES(backward, planes, *rays, *scene, *layers, *given, gradients, grad_origins,
             grad_directions, threads);
}
