// Convolutions of 3 x 3 by Winograd's F(4 x 4, 3 x 3): an output tile of 4 x 4 pixels takes 36 products
// a pair of channels in place of 144. Pictures are [N, H, W, C]; channels are multiples of LANES.
//
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (CVPR 2016), with the
// interpolation points 0, 1, -1, 2, -2 and infinity.

#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../threads.h"

namespace winograd {

using sharing::parallel;

constexpr int64_t LANES = 16;
constexpr int64_t ROWS = 12;         // tiles whose sums are in registers at once
constexpr int64_t TAPS = 9, PLACES = 36, TILE = 4, PATCH = 6;
typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Vector splat(float value) { return Vector{} + value; }
inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }

// Ask for large pages of memory that is about to be written: with small ones a picture's first touch
// takes longer than its arithmetic.
inline void expect_writes(float* memory, int64_t count) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t page = 2 << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(memory + count) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

// The four linear maps, along one dimension; `step` is the distance of neighbors in `in` and `out`.

inline void transform_patch(const Vector* in, Vector* out, int step) {
  const Vector d0 = in[0], d1 = in[step], d2 = in[2 * step], d3 = in[3 * step], d4 = in[4 * step];
  const Vector d5 = in[5 * step];
  const Vector even4 = d4 - 4.0f * d2, odd4 = d3 - 4.0f * d1;
  const Vector even1 = d4 - d2, odd1 = 2.0f * (d3 - d1);
  out[0] = 4.0f * d0 - 5.0f * d2 + d4;
  out[step] = even4 + odd4;
  out[2 * step] = even4 - odd4;
  out[3 * step] = even1 + odd1;
  out[4 * step] = even1 - odd1;
  out[5 * step] = 4.0f * d1 - 5.0f * d3 + d5;
}

// Six values to the four of a tile.
inline void transform_products(const Vector* in, Vector* out, int step) {
  const Vector sum1 = in[step] + in[2 * step], difference1 = in[step] - in[2 * step];
  const Vector sum2 = in[3 * step] + in[4 * step], difference2 = in[3 * step] - in[4 * step];
  out[0] = in[0] + sum1 + sum2;
  out[step] = difference1 + 2.0f * difference2;
  out[2 * step] = sum1 + 4.0f * sum2;
  out[3 * step] = difference1 + 8.0f * difference2 + in[5 * step];
}

// The transpose of `transform_products`: gradients of a tile's four values to those of six.
inline void transform_tile(const Vector* in, Vector* out, int step) {
  const Vector g0 = in[0], g1 = in[step], g2 = in[2 * step], g3 = in[3 * step];
  out[0] = g0;
  out[step] = (g0 + g2) + (g1 + g3);
  out[2 * step] = (g0 + g2) - (g1 + g3);
  out[3 * step] = (g0 + 4.0f * g2) + (2.0f * g1 + 8.0f * g3);
  out[4 * step] = (g0 + 4.0f * g2) - (2.0f * g1 + 8.0f * g3);
  out[5 * step] = g3;
}

// Three taps to six values.
inline void transform_taps(const Vector* in, Vector* out, int step) {
  const Vector g0 = in[0], g1 = in[step], g2 = in[2 * step];
  out[0] = g0 * 0.25f;
  out[step] = (g0 + g2 + g1) * (-1.0f / 6);
  out[2 * step] = (g0 + g2 - g1) * (-1.0f / 6);
  out[3 * step] = (g0 + 4.0f * g2 + 2.0f * g1) * (1.0f / 24);
  out[4 * step] = (g0 + 4.0f * g2 - 2.0f * g1) * (1.0f / 24);
  out[5 * step] = g2;
}

// The transpose of `transform_taps`: gradients of six values to those of three taps.
inline void transform_gradient(const Vector* in, Vector* out, int step) {
  const Vector sum1 = in[step] + in[2 * step], difference1 = in[step] - in[2 * step];
  const Vector sum2 = in[3 * step] + in[4 * step], difference2 = in[3 * step] - in[4 * step];
  out[0] = 0.25f * in[0] - sum1 * (1.0f / 6) + sum2 * (1.0f / 24);
  out[step] = difference2 * (1.0f / 12) - difference1 * (1.0f / 6);
  out[2 * step] = (sum2 - sum1) * (1.0f / 6) + in[5 * step];
}

struct Picture {
  float* data;
  int64_t height, width, channels;

  float* at(int64_t n, int64_t y, int64_t x) const {
    return data + ((n * height + y) * width + x) * channels;
  }
};

struct Tiles {
  int64_t down, across, count;

  Tiles(int64_t batch, int64_t height, int64_t width)
      : down((height + TILE - 1) / TILE), across((width + TILE - 1) / TILE),
        count(batch * down * across) {}
};

struct Place {
  int64_t n, y, x;

  Place(const Tiles& tiles, int64_t tile)
      : n(tile / (tiles.down * tiles.across)), y(tile / tiles.across % tiles.down * TILE),
        x(tile % tiles.across * TILE) {}
};

// Channels of one unit of columns: two vectors where that divides them, else one.
inline int64_t unit_of(int64_t columns) { return columns % (2 * LANES) ? LANES : 2 * LANES; }

// Weights [O][I][3][3] as a convolution reads them: of inputs, or turned for the way back to them.
struct Weights {
  const float* data;
  int64_t outputs, inputs;
  bool turned;

  int64_t depth() const { return turned ? outputs : inputs; }
  int64_t columns() const { return turned ? inputs : outputs; }

  // The nine taps of LANES columns.
  void taps(int64_t k, int64_t column, Vector* out) const {
    const int64_t step = turned ? TAPS : inputs * TAPS;
    const float* from = data + (turned ? k * inputs + column : column * inputs + k) * TAPS;
    float values[TAPS][LANES];
    for (int64_t lane = 0; lane < LANES; ++lane)
      for (int64_t tap = 0; tap < TAPS; ++tap)
        values[turned ? TAPS - 1 - tap : tap][lane] = from[lane * step + tap];
    for (int64_t tap = 0; tap < TAPS; ++tap) out[tap] = load(values[tap]);
  }
};

struct Taps {
  static constexpr int64_t SIZE = PATCH;
  static void transform(const Vector* in, Vector* out, int step) { transform_taps(in, out, step); }
};

// Transform weights along both dimensions: packed [columns / unit][SIZE * SIZE][depth][unit].
template <typename Map>
void pack_weights(const Weights& weights, float* packed, int64_t threads) {
  constexpr int64_t size = Map::SIZE, places = size * size;
  const int64_t unit = unit_of(weights.columns()), depth = weights.depth();
  parallel(weights.columns() / unit, threads, [=](int64_t begin, int64_t end, int64_t) {
    for (int64_t block = begin; block < end; ++block)
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t v = 0; v < unit; v += LANES) {
          Vector g[TAPS], rows[size * 3], out[places];
          weights.taps(k, block * unit + v, g);
          for (int c = 0; c < 3; ++c) Map::transform(g + c, rows + c, 3);
          for (int r = 0; r < size; ++r) Map::transform(rows + 3 * r, out + size * r, 1);
          for (int64_t p = 0; p < places; ++p)
            store(packed + ((block * places + p) * depth + k) * unit + v, out[p]);
        }
  });
}

// The transpose of transforming weights: 36 sums of LANES pairs of channels to nine taps.
inline void unpack_taps(const float* sums, int64_t place_step, float* taps, int64_t tap_step) {
  Vector g[PLACES], rows[3 * PATCH], out[TAPS];
  for (int64_t p = 0; p < PLACES; ++p) g[p] = load(sums + p * place_step);
  for (int c = 0; c < PATCH; ++c) transform_gradient(g + c, rows + c, PATCH);
  for (int r = 0; r < 3; ++r) transform_gradient(rows + PATCH * r, out + 3 * r, 1);
  for (int64_t tap = 0; tap < TAPS; ++tap) store(taps + tap * tap_step, out[tap]);
}

// How transformed values of one of the 36 places lie in memory: [rows][depth], or [depth / LANES]
// panels of [rows][LANES], which products over the rows read in one run.
struct Layout {
  int64_t row, panel;

  static Layout of_rows(int64_t depth) { return {depth, LANES}; }
  static Layout of_panels(int64_t rows) { return {LANES, rows * LANES}; }
  int64_t at(int64_t r, int64_t c) const { return r * row + c / LANES * panel; }
};

// The patches of `count` tiles, transformed: out [36], each `rows * depth` values in a layout; rows
// past the tiles are zero.
inline void gather_patches(const Picture& in, const Tiles& tiles, int64_t first, int64_t count,
                           int64_t rows, const float* factors, float* out, const Layout& layout) {
  const int64_t depth = in.channels;
  for (int64_t r = 0; r < rows; ++r) {
    if (r >= count) {
      for (int64_t p = 0; p < PLACES; ++p)
        for (int64_t c = 0; c < depth; c += LANES)
          store(out + p * rows * depth + layout.at(r, c), splat(0));
      continue;
    }
    const Place place(tiles, first + r);
    for (int64_t c = 0; c < depth; c += LANES) {
      const Vector factor = factors ? load(factors + place.n * depth + c) : splat(1);
      Vector d[PLACES], half[PLACES];
      for (int i = 0; i < PATCH; ++i)
        for (int j = 0; j < PATCH; ++j) {
          const int64_t y = place.y - 1 + i, x = place.x - 1 + j;
          const bool inside = y >= 0 && y < in.height && x >= 0 && x < in.width;
          d[i * PATCH + j] = inside ? load(in.at(place.n, y, x) + c) * factor : splat(0);
        }
      for (int j = 0; j < PATCH; ++j) transform_patch(d + j, half + j, PATCH);
      for (int i = 0; i < PATCH; ++i) transform_patch(half + PATCH * i, d + PATCH * i, 1);
      for (int64_t p = 0; p < PLACES; ++p)
        store(out + p * rows * depth + layout.at(r, c), d[p]);
    }
  }
}

// The tiles of gradients, transformed: out [36][depth / LANES][rows][LANES].
inline void gather_tiles(const Picture& in, const Tiles& tiles, int64_t first, int64_t count,
                         int64_t rows, float* out) {
  const int64_t depth = in.channels;
  const Layout layout = Layout::of_panels(rows);
  for (int64_t r = 0; r < count; ++r) {
    const Place place(tiles, first + r);
    for (int64_t c = 0; c < depth; c += LANES) {
      Vector d[TILE * TILE], half[PATCH * TILE], all[PLACES];
      for (int i = 0; i < TILE; ++i)
        for (int j = 0; j < TILE; ++j) {
          const bool inside = place.y + i < in.height && place.x + j < in.width;
          d[i * TILE + j] =
              inside ? load(in.at(place.n, place.y + i, place.x + j) + c) : splat(0);
        }
      for (int j = 0; j < TILE; ++j) transform_tile(d + j, half + j, TILE);
      for (int i = 0; i < PATCH; ++i) transform_tile(half + TILE * i, all + PATCH * i, 1);
      for (int64_t p = 0; p < PLACES; ++p)
        store(out + p * rows * depth + layout.at(r, c), all[p]);
    }
  }
}

// out[r][0..VECTORS) = sum over k of left[r][k] * right[k][0..VECTORS), for ROWS rows.
template <int VECTORS>
inline void multiply(const float* left, int64_t depth, const float* right, float* out) {
  Vector sums[ROWS][VECTORS];
#pragma GCC unroll 12
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) sums[r][v] = splat(0);
  for (int64_t k = 0; k < depth; ++k) {
    Vector b[VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) b[v] = load(right + (k * VECTORS + v) * LANES);
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; ++r) {
      const float a = left[r * depth + k];
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; ++v) sums[r][v] += a * b[v];
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) store(out + (r * VECTORS + v) * LANES, sums[r][v]);
}

// Tiles that one pass takes: their patches stay in the second cache, and the taps are read once.
inline int64_t rows_of(int64_t depth) {
  const int64_t most = 1400 * 1024 / (PLACES * depth * 4) / ROWS * ROWS;
  return most < ROWS ? ROWS : (most > 8 * ROWS ? 8 * ROWS : most);
}

// Convolve `in` and hand every vector of an output pixel to `finish(n, y, x, channel, value, thread)`.
template <int VECTORS, typename Finish>
void convolve_units(const Picture& in, const float* factors, const float* packed, int64_t columns,
                    int64_t batch, int64_t threads, Finish finish) {
  const Tiles tiles(batch, in.height, in.width);
  const int64_t depth = in.channels, rows = rows_of(depth), unit = VECTORS * LANES;
  const int64_t chunks = (tiles.count + rows - 1) / rows;
  parallel(chunks, threads, [=](int64_t begin, int64_t end, int64_t thread) {
    std::vector<float> patches(PLACES * rows * depth), products(PLACES * rows * unit);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * rows;
      const int64_t count = tiles.count - first < rows ? tiles.count - first : rows;
      const int64_t used = (count + ROWS - 1) / ROWS * ROWS;
      gather_patches(in, tiles, first, count, used, factors, patches.data(),
                     Layout::of_rows(depth));
      for (int64_t block = 0; block < columns / unit; ++block) {
        for (int64_t p = 0; p < PLACES; ++p)
          for (int64_t r = 0; r < used; r += ROWS)
            multiply<VECTORS>(patches.data() + (p * used + r) * depth, depth,
                              packed + (block * PLACES + p) * depth * unit,
                              products.data() + (p * used + r) * unit);
        for (int64_t r = 0; r < count; ++r) {
          const Place place(tiles, first + r);
          for (int64_t v = 0; v < unit; v += LANES) {
            Vector m[PLACES], half[TILE * PATCH], out[TILE * TILE];
            for (int64_t p = 0; p < PLACES; ++p) m[p] = load(products.data() + (p * used + r) * unit + v);
            for (int j = 0; j < PATCH; ++j) transform_products(m + j, half + j, PATCH);
            for (int i = 0; i < TILE; ++i) transform_products(half + PATCH * i, out + TILE * i, 1);
            for (int i = 0; i < TILE && place.y + i < in.height; ++i)
              for (int j = 0; j < TILE && place.x + j < in.width; ++j)
                finish(place.n, place.y + i, place.x + j, block * unit + v, out[i * TILE + j], thread);
          }
        }
      }
    }
  });
}

template <typename Finish>
void convolve(const Picture& in, const float* factors, const float* packed, int64_t columns,
              int64_t batch, int64_t threads, Finish finish) {
  if (unit_of(columns) == LANES)
    convolve_units<1>(in, factors, packed, columns, batch, threads, finish);
  else
    convolve_units<2>(in, factors, packed, columns, batch, threads, finish);
}

// sums[i][0..VECTORS) += sum over k of left[k][i] * right[0..VECTORS)[k], for 8 rows i.
template <int VECTORS>
inline void accumulate(const float* left, const float* right, int64_t right_panel, int64_t depth,
                       float* sums, int64_t sums_step) {
  constexpr int rows = 8;
  Vector s[rows][VECTORS];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) s[r][v] = load(sums + r * sums_step + v * LANES);
  for (int64_t k = 0; k < depth; ++k) {
    Vector b[VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) b[v] = load(right + v * right_panel + k * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const float a = left[k * LANES + r];
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; ++v) s[r][v] += a * b[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) store(sums + r * sums_step + v * LANES, s[r][v]);
}

constexpr int64_t SUMMED = 8;  // rows that `accumulate` takes

// Tiles that one pass over all sums takes. Sums are far more than the second cache holds; three panels
// of so many tiles fit into the first one.
constexpr int64_t SUMMED_TILES = 144;

// Sums at one place of SUMMED channels of the patches from i, and a unit of `columns` from o, over
// `count` tiles in panels.
inline void sum_block(const float* patches, const float* grads, int64_t columns, int64_t count,
                      int64_t i, int64_t o, float* sums, int64_t step) {
  const float* left = patches + i / LANES * LANES * count + i % LANES;
  const float* right = grads + o * count;
  if (unit_of(columns) == LANES)
    accumulate<1>(left, right, count * LANES, count, sums, step);
  else
    accumulate<2>(left, right, count * LANES, count, sums, step);
}

// `sum_outer` of a picture of few tiles: sums of a block of channels stay in the first cache.
inline void sum_few(const Picture& in, const float* factors, const Picture& out, const Tiles& tiles,
                    float* grad_taps, int64_t threads) {
  const int64_t depth = in.channels, columns = out.channels, unit = unit_of(columns);
  const int64_t count = tiles.count;
  std::vector<float> patches(PLACES * count * depth), grads(PLACES * count * columns);
  gather_patches(in, tiles, 0, count, count, factors, patches.data(), Layout::of_panels(count));
  gather_tiles(out, tiles, 0, count, count, grads.data());
  parallel(columns / unit, threads, [&](int64_t begin, int64_t end, int64_t) {
    std::vector<float> sums(PLACES * SUMMED * unit);
    for (int64_t o = begin * unit; o < end * unit; o += unit)
      for (int64_t i = 0; i < depth; i += SUMMED) {
        std::fill(sums.begin(), sums.end(), 0.0f);
        for (int64_t p = 0; p < PLACES; ++p)
          sum_block(patches.data() + p * depth * count, grads.data() + p * columns * count, columns,
                    count, i, o, sums.data() + p * SUMMED * unit, unit);
        for (int64_t k = 0; k < SUMMED; ++k)
          for (int64_t v = 0; v < unit; v += LANES)
            unpack_taps(sums.data() + k * unit + v, SUMMED * unit,
                        grad_taps + (i + k) * columns + o + v, depth * columns);
      }
  });
}

// Gradients of the taps [9][depth of in][depth of out]: outer products of patches and tiles, summed.
inline void sum_outer(const Picture& in, const float* factors, const Picture& out, float* grad_taps,
                      int64_t batch, int64_t threads) {
  const Tiles tiles(batch, in.height, in.width);
  if (tiles.count <= SUMMED_TILES) return sum_few(in, factors, out, tiles, grad_taps, threads);
  const int64_t depth = in.channels, columns = out.channels, unit = unit_of(columns);
  const int64_t rows = SUMMED_TILES, chunks = (tiles.count + rows - 1) / rows;
  const int64_t workers = threads < 1 ? 1 : (threads < chunks ? threads : chunks);
  const int64_t size = PLACES * depth * columns;
  std::vector<std::vector<float>> sums(workers);
  parallel(chunks, workers, [&](int64_t begin, int64_t end, int64_t thread) {
    std::vector<float>& own = sums[thread];
    own.assign(size, 0.0f);
    std::vector<float> patches(PLACES * rows * depth), grads(PLACES * rows * columns);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * rows;
      const int64_t count = tiles.count - first < rows ? tiles.count - first : rows;
      gather_patches(in, tiles, first, count, count, factors, patches.data(),
                     Layout::of_panels(count));
      gather_tiles(out, tiles, first, count, count, grads.data());
      for (int64_t p = 0; p < PLACES; ++p)
        for (int64_t o = 0; o < columns; o += unit)
          for (int64_t i = 0; i < depth; i += SUMMED)
            sum_block(patches.data() + p * depth * count, grads.data() + p * columns * count,
                      columns, count, i, o, own.data() + (p * depth + i) * columns + o, columns);
    }
  });
  for (int64_t w = 1; w < workers; ++w)
    for (int64_t k = 0; k < size; ++k) sums[0][k] += sums[w][k];
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t v = 0; v < columns; v += LANES)
      unpack_taps(sums[0].data() + k * columns + v, depth * columns,
                  grad_taps + k * columns + v, depth * columns);
}

}  // namespace winograd
