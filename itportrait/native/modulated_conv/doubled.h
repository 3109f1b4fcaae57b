// Synthesis layers that double the size: a transposed convolution of stride 2 with 3 x 3 weights, then
// a filter of 4 x 4 pixels.
//
// Along each dimension an even output is x[i] w0 + x[i - 1] w2 and an odd one x[i] w1. Two neighboring
// even outputs take three products by F(2, 2), two odd ones two: 25 for a tile of 4 x 4 outputs and a
// pair of channels, where the sum as written takes 36. The large picture before the filter exists as a
// few rows that are still in the near caches when the filter reads them.
//
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (CVPR 2016), with the
// interpolation points 0, 1 and infinity.

#pragma once

#include <algorithm>

#include "winograd.h"

namespace doubled {

using namespace winograd;

constexpr int64_t FACTORS = 5, PRODUCTS = FACTORS * FACTORS;  // products of a tile, along one and both
constexpr int64_t WEIGHTS = 4, FILTER = 4, SIDE = 2;          // SIDE: pixels of the small picture
constexpr int WEIGHT_OF[FACTORS] = {0, 1, 2, 3, 3};

// Three taps to the four weights of the products.
struct Taps {
  static constexpr int64_t SIZE = WEIGHTS;
  static void transform(const Vector* in, Vector* out, int step) {
    out[0] = in[2 * step];
    out[step] = in[0] + in[2 * step];
    out[2 * step] = in[0];
    out[3 * step] = in[step];
  }
};

// From the small picture to the large one. Pixels -1, 0 and 1 of a tile become four values.
struct Forward {
  static constexpr int64_t READ = 3, VALUES = 4;
  static constexpr int VALUE_OF[FACTORS] = {0, 1, 2, 1, 3};
  static void transform(const Vector* in, Vector* out, int step) {
    const Vector d0 = in[0], d1 = in[step], d2 = in[2 * step];
    out[0] = d0 - d1;
    out[step] = d1;
    out[2 * step] = d1 - d2;
    out[3 * step] = d2;
  }
  static constexpr int64_t WRITTEN = 4;
  static void finish(const Vector* in, Vector* out, int step) {
    out[0] = in[0] + in[step];
    out[step] = in[3 * step];
    out[2 * step] = in[step] - in[2 * step];
    out[3 * step] = in[4 * step];
  }
};

// From gradients of the large picture to those of the small one. Pixels 0 to 4 become five values.
struct Backward {
  static constexpr int64_t READ = 5, VALUES = 5;
  static constexpr int VALUE_OF[FACTORS] = {0, 1, 2, 3, 4};
  static void transform(const Vector* in, Vector* out, int step) {
    const Vector even0 = in[0], even1 = in[2 * step], even2 = in[4 * step];
    const Vector odd0 = in[step], odd1 = in[3 * step];
    out[0] = even0 - even1;
    out[step] = even1;
    out[2 * step] = even1 - even2;
    out[3 * step] = odd0;
    out[4 * step] = odd1;
  }
  static constexpr int64_t WRITTEN = SIDE;
  static void finish(const Vector* in, Vector* out, int step) {
    out[0] = in[0] + in[step] + in[3 * step];
    out[step] = in[step] - in[2 * step] + in[4 * step];
  }
};

// Four rows of a filtered picture: out[m] = sum over k of smooth[k] * in[m - shift + k], along columns;
// row r reads `rows[r]` to `rows[r + 3]`, each of `width` pixels and zero beyond.
template <typename Emit>
inline void smooth_rows(const float* const* rows, int64_t width, int64_t channels,
                        const float* smooth, int64_t shift, int64_t columns, Emit emit) {
  constexpr int64_t inputs = 2 * FILTER - 1;
  for (int64_t o = 0; o < channels; o += LANES) {
    Vector sums[FILTER][FILTER];
    for (auto& row : sums)
      for (auto& sum : row) sum = splat(0);
    for (int64_t c = -shift; c < columns - shift + FILTER - 1; ++c) {
      const bool inside = c >= 0 && c < width;
      Vector u[inputs];
#pragma GCC unroll 7
      for (int64_t i = 0; i < inputs; ++i)
        u[i] = inside ? load(rows[i] + c * channels + o) : splat(0);
      const int64_t done = c + shift - (FILTER - 1);
#pragma GCC unroll 4
      for (int64_t r = 0; r < FILTER; ++r) {
#pragma GCC unroll 4
        for (int64_t j = 0; j < FILTER; ++j)
#pragma GCC unroll 4
          for (int64_t k = 0; k < FILTER; ++k)
            sums[r][j] += smooth[k * FILTER + FILTER - 1 - j] * u[r + k];
        if (done >= 0) emit(r, done, o, sums[r][0]);
#pragma GCC unroll 4
        for (int64_t j = 0; j + 1 < FILTER; ++j) sums[r][j] = sums[r][j + 1];
        sums[r][FILTER - 1] = splat(0);
      }
    }
  }
}

// Tiles of a strip: `height` rows of `across` tiles, from row `top` of the picture.
struct Strip {
  int64_t n, top, height, across;
  int64_t count() const { return height * across; }
};

// Multiply the tiles of a strip: `read(row, column, i, j, channel)` returns pixel (i, j) of a tile,
// `write(row, column, channel, values)` takes what the tile becomes, channel by channel.
template <typename Way, int VECTORS, typename Read, typename Write>
void multiply_strip(const Strip& strip, int64_t depth, const float* packed, int64_t columns,
                    std::vector<float>& patches, std::vector<float>& products, Read read,
                    Write write) {
  constexpr int64_t values = Way::VALUES, unit = VECTORS * LANES, read_side = Way::READ;
  constexpr int64_t written = Way::WRITTEN;
  const int64_t most = 1000 * 1024 / (values * values * depth * 4) / ROWS * ROWS;
  const int64_t rows = std::min(std::max(most, 4 * ROWS), 8 * ROWS);
  patches.resize(values * values * rows * depth);
  products.resize(PRODUCTS * rows * unit);
  for (int64_t first = 0; first < strip.count(); first += rows) {
    const int64_t count = std::min(rows, strip.count() - first);
    const int64_t used = (count + ROWS - 1) / ROWS * ROWS;
    for (int64_t r = 0; r < used; ++r)
      for (int64_t c = 0; c < depth; c += LANES) {
        Vector d[read_side * read_side], half[values * read_side], all[values * values];
        const int64_t row = (first + r) / strip.across, column = (first + r) % strip.across;
        for (int i = 0; i < read_side; ++i)
          for (int j = 0; j < read_side; ++j)
            d[i * read_side + j] = r < count ? read(row, column, i, j, c) : splat(0);
        for (int j = 0; j < read_side; ++j) Way::transform(d + j, half + j, read_side);
        for (int i = 0; i < values; ++i) Way::transform(half + i * read_side, all + i * values, 1);
        for (int64_t p = 0; p < values * values; ++p)
          store(patches.data() + (p * used + r) * depth + c, all[p]);
      }
    for (int64_t block = 0; block < columns / unit; ++block) {
      for (int64_t p = 0; p < PRODUCTS; ++p) {
        const int64_t a = p / FACTORS, b = p % FACTORS;
        const int64_t value = Way::VALUE_OF[a] * values + Way::VALUE_OF[b];
        const int64_t weight = WEIGHT_OF[a] * WEIGHTS + WEIGHT_OF[b];
        for (int64_t r = 0; r < used; r += ROWS)
          multiply<VECTORS>(patches.data() + (value * used + r) * depth, depth,
                            packed + (block * WEIGHTS * WEIGHTS + weight) * depth * unit,
                            products.data() + (p * used + r) * unit);
      }
      for (int64_t r = 0; r < count; ++r)
        for (int64_t v = 0; v < unit; v += LANES) {
          Vector m[PRODUCTS], half[written * FACTORS], out[written * written];
          for (int64_t p = 0; p < PRODUCTS; ++p)
            m[p] = load(products.data() + (p * used + r) * unit + v);
          for (int j = 0; j < FACTORS; ++j) Way::finish(m + j, half + j, FACTORS);
          for (int i = 0; i < written; ++i) Way::finish(half + FACTORS * i, out + written * i, 1);
          write((first + r) / strip.across, (first + r) % strip.across, block * unit + v, out);
        }
    }
  }
}

// Rows of tiles that a strip takes: enough tiles for the registers, and a strip for every thread.
inline int64_t strip_height(int64_t down, int64_t across, int64_t strips) {
  const int64_t filled = (4 * ROWS + across - 1) / across, share = (down + strips - 1) / strips;
  return std::max<int64_t>(1, std::min(filled, share));
}

// Rows of memory in a ring: `turn` makes the last ones the first.
struct Ring {
  std::vector<float> memory;
  std::vector<float*> rows;

  Ring(int64_t count, int64_t size) : memory(count * size), rows(count) {
    for (int64_t r = 0; r < count; ++r) rows[r] = memory.data() + r * size;
  }
  void turn(int64_t by) { std::rotate(rows.begin(), rows.begin() + by, rows.end()); }
  void clear() { std::fill(memory.begin(), memory.end(), 0.0f); }
};

// Visit the strips of all pictures, thread by thread: `begin(n)` starts a picture, or one that another
// thread has begun; `visit(strip, emitted)` then gets its strips from top to bottom. The strip above a
// thread's first one is visited too, with `emitted` false, for what the next one needs of it.
template <typename Make>
void visit_strips(int64_t batch, int64_t down, int64_t across, int64_t threads, Make make) {
  const int64_t height = strip_height(down, across, std::max<int64_t>(1, threads / batch));
  const int64_t strips = (down + height - 1) / height;
  parallel(batch * strips, threads, [=](int64_t begin, int64_t end, int64_t thread) {
    auto visitor = make(height, thread);
    for (int64_t s = begin; s < end; ++s) {
      const int64_t n = s / strips, first = s % strips;
      if (s == begin || first == 0) visitor.start();
      for (int64_t t = s == begin && first ? first - 1 : first; t <= first; ++t) {
        const int64_t top = t * height;
        visitor.visit(Strip{n, top, std::min(height, down - top), across}, t == first);
      }
    }
  });
}

// Forward: rows of the large picture before the filter, three of them kept for the next strip.
template <int VECTORS, typename Finish>
struct ForwardStrips {
  const Picture in;
  const float *factors, *packed, *smooth;
  int64_t columns, height, thread;
  Finish finish;
  int64_t width = 4 * (in.width / SIDE + 1);
  Ring ring{4 * height + 3, width * columns};
  std::vector<float> patches, products;

  void start() { ring.clear(); }

  void visit(const Strip& strip, bool emitted) {
    multiply_strip<Forward, VECTORS>(
        strip, in.channels, packed, columns, patches, products,
        [&](int64_t row, int64_t column, int i, int j, int64_t c) {
          const int64_t y = SIDE * (strip.top + row) - 1 + i, x = SIDE * column - 1 + j;
          if (y < 0 || y >= in.height || x < 0 || x >= in.width) return splat(0);
          return load(in.at(strip.n, y, x) + c) * load(factors + strip.n * in.channels + c);
        },
        [&](int64_t row, int64_t column, int64_t c, const Vector* out) {
          for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j)
              store(ring.rows[3 + 4 * row + i] + (4 * column + j) * columns + c, out[4 * i + j]);
        });
    for (int64_t row = 0; emitted && row < strip.height; ++row)
      smooth_rows(ring.rows.data() + 4 * row, width, columns, smooth, 1, 2 * in.width,
                  [&](int64_t r, int64_t x, int64_t c, Vector value) {
                    const int64_t y = 4 * (strip.top + row) - 2 + r;
                    if (y >= 0 && y < 2 * in.height) finish(strip.n, y, x, c, value, thread);
                  });
    ring.turn(4 * strip.height);
  }
};

// Convolve `in` and hand every vector of a pixel of the large picture to `finish`, as `convolve` does.
template <int VECTORS, typename Finish>
void enlarge_units(const Picture& in, const float* factors, const float* packed,
                   const float* smooth, int64_t columns, int64_t batch, int64_t threads,
                   Finish finish) {
  // One row of tiles more than the picture has: its last even row reads the last pixel alone.
  visit_strips(batch, in.height / SIDE + 1, in.width / SIDE + 1, threads,
               [=](int64_t height, int64_t thread) {
                 return ForwardStrips<VECTORS, Finish>{in,      factors, packed, smooth,
                                                       columns, height,  thread, finish};
               });
}

template <typename Finish>
void enlarge(const Picture& in, const float* factors, const float* packed, const float* smooth,
             int64_t columns, int64_t batch, int64_t threads, Finish finish) {
  if (unit_of(columns) == LANES)
    enlarge_units<1>(in, factors, packed, smooth, columns, batch, threads, finish);
  else
    enlarge_units<2>(in, factors, packed, smooth, columns, batch, threads, finish);
}

// The way back: gradients of the rows before the filter, the last of them kept for the next strip.
template <int VECTORS, typename Finish>
struct BackwardStrips {
  const Picture grad;
  const float *packed, *turned;
  int64_t columns, height, thread;
  Finish finish;
  int64_t width = 4 * ((grad.width / 2 + SIDE - 1) / SIDE) + 1;
  Ring ring{4 * height + 1, width * grad.channels};
  std::vector<float> nothing = std::vector<float>(grad.width * grad.channels, 0.0f);
  std::vector<float> patches, products;

  void start() { ring.clear(); }

  // Gradients of rows 4 top + 1 to 4 top + 4 go into a row of tiles; each reads two rows above it.
  void smooth_back(int64_t n, int64_t top, float* const* to) {
    const float* rows[2 * FILTER - 1];
    for (int64_t i = 0; i < 2 * FILTER - 1; ++i) {
      const int64_t y = 4 * top - 1 + i;
      rows[i] = y < 0 || y >= grad.height ? nothing.data() : grad.at(n, y, 0);
    }
    smooth_rows(rows, grad.width, grad.channels, turned, 2, width,
                [&](int64_t r, int64_t x, int64_t c, Vector value) {
                  store(to[r] + x * grad.channels + c, value);
                });
  }

  void visit(const Strip& strip, bool emitted) {
    if (strip.top == 0) {  // its first row, which no strip above has left
      smooth_back(strip.n, -1, ring.rows.data() + 1);
      std::swap(ring.rows[0], ring.rows[4]);
    }
    for (int64_t row = 0; row < strip.height; ++row)
      smooth_back(strip.n, strip.top + row, ring.rows.data() + 4 * row + 1);
    if (emitted)
      multiply_strip<Backward, VECTORS>(
          strip, grad.channels, packed, columns, patches, products,
          [&](int64_t row, int64_t column, int i, int j, int64_t c) {
            return load(ring.rows[4 * row + i] + (4 * column + j) * grad.channels + c);
          },
          [&](int64_t row, int64_t column, int64_t c, const Vector* out) {
            for (int i = 0; i < SIDE; ++i)
              for (int j = 0; j < SIDE; ++j) {
                const int64_t y = SIDE * (strip.top + row) + i, x = SIDE * column + j;
                if (y < grad.height / 2 && x < grad.width / 2)
                  finish(strip.n, y, x, c, out[SIDE * i + j], thread);
              }
          });
    ring.turn(4 * strip.height);
  }
};

template <int VECTORS, typename Finish>
void reduce_units(const Picture& grad, const float* packed, const float* smooth, int64_t columns,
                  int64_t batch, int64_t threads, Finish finish) {
  float turned[FILTER * FILTER];
  for (int64_t k = 0; k < FILTER * FILTER; ++k) turned[k] = smooth[FILTER * FILTER - 1 - k];
  const float* filter = turned;
  const int64_t down = (grad.height / 2 + SIDE - 1) / SIDE;
  visit_strips(batch, down, (grad.width / 2 + SIDE - 1) / SIDE, threads,
               [=](int64_t height, int64_t thread) {
                 return BackwardStrips<VECTORS, Finish>{grad,    packed, filter, columns,
                                                        height,  thread, finish};
               });
}

// From gradients of the large picture, before scale, to those of the small one, before the styles.
template <typename Finish>
void reduce(const Picture& grad, const float* packed, const float* smooth, int64_t columns,
            int64_t batch, int64_t threads, Finish finish) {
  if (unit_of(columns) == LANES)
    reduce_units<1>(grad, packed, smooth, columns, batch, threads, finish);
  else
    reduce_units<2>(grad, packed, smooth, columns, batch, threads, finish);
}

}  // namespace doubled
