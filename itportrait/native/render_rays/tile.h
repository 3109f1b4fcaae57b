// Tiles of rays that read the planes together, and the threads that take one after another.
#pragma once

#include <atomic>
#include <cmath>
#include <thread>

#include "marching.h"

namespace rays {

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

inline int64_t tiles_of(const Scene& scene) { return (scene.count + TILE - 1) / TILE; }

struct Rays {
  const float *origins, *directions, *depths;  // [M][3], [M][3], [M][K]
};

// Rays whose number is a square are taken for those of a picture, row after row, and are met column
// after column: most often the camera stands upright, and the rays of a column are in one plane with
// the upright axis, so that they read the same texels of two planes.
template <int CV>
struct Tile {
  const Scene& scene;
  const Rays& all;
  const int64_t side;
  int64_t first = 0, size = 0;
  Texels<CV> texels[2];

  Tile(const Scene& given, const Rays& rays)
      : scene(given), all(rays), side(std::llround(std::sqrt(double(given.count)))),
        texels{Texels<CV>(given), Texels<CV>(given)} {}

  int64_t number(int64_t r) const {
    const int64_t at = first + r;
    return side * side == scene.count ? at % side * side + at / side : at;
  }
  const float* origin(int64_t r) const { return all.origins + 3 * number(r); }
  const float* direction(int64_t r) const { return all.directions + 3 * number(r); }
  const float* depths(int64_t r) const { return all.depths + scene.samples * number(r); }

  // Takes the next tile that no thread has taken.
  bool take(std::atomic<int64_t>& next) {
    first = next.fetch_add(1) * TILE;
    size = std::min(TILE, scene.count - first);
    return size > 0;
  }

  // Goes through the rays at sixteen depths after another:
  // work(ray, first sample, samples, texels, texels of the next call).
  template <bool SLOPES, typename Depths, typename Work>
  void sweep(int64_t samples, Depths depths, Work work) {
    const int64_t steps = size * ((samples + LANES - 1) / LANES);
    auto locate = [&](int64_t step) {
      const int64_t r = step % size, k = step / size * LANES;
      texels[step & 1].template locate<SLOPES>(origin(r), direction(r), depths(r) + k);
    };
    locate(0);
    for (int64_t step = 0; step < steps; ++step) {
      if (step + 1 < steps) locate(step + 1);
      const int64_t k = step / size * LANES;
      work(step % size, k, std::min(LANES, samples - k), texels[step & 1], texels[~step & 1]);
    }
  }
};

}  // namespace rays
