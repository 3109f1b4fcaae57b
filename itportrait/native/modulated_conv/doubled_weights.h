// Gradients of the weights of layers that double the size, from those of the large picture.
//
// They are sums over the tiles of `doubled.h`, of the four values of small pixels along each dimension
// times the gradients of the five products that these go into: 25 sums of outer products, two of which
// belong to the same weight along a dimension. Gradients of the picture before the filter exist as the
// four rows of a row of tiles.

#pragma once

#include "doubled.h"

namespace doubled {

// The transpose of `Forward::finish`: gradients of four pixels before the filter to those of products.
inline void spread_pixels(const Vector* in, Vector* out, int step) {
  out[0] = in[0];
  out[step] = in[0] + in[2 * step];
  out[2 * step] = -in[2 * step];
  out[3 * step] = in[step];
  out[4 * step] = in[3 * step];
}

// The transpose of `Taps::transform`: gradients of four weights to those of three taps.
inline void gather_weights(const Vector* in, Vector* out, int step) {
  out[0] = in[step] + in[2 * step];
  out[step] = in[3 * step];
  out[2 * step] = in[0] + in[step];
}

// Sums of one thread: strips are read into panels, and their outer products added to the sums.
struct WeightSums {
  static constexpr int64_t PLACES_IN = Forward::VALUES * Forward::VALUES;
  const Picture in, grad;
  const float *factors, *turned;
  std::vector<float> sums = std::vector<float>(WEIGHTS * WEIGHTS * in.channels * grad.channels, 0.0f);
  std::vector<float> nothing = std::vector<float>(grad.width * grad.channels, 0.0f);
  std::vector<float> values, products, large;

  void add(const Strip& strip) {
    values.resize(PLACES_IN * strip.count() * in.channels);
    products.resize(PRODUCTS * strip.count() * grad.channels);
    large.resize(4 * 4 * strip.across * grad.channels);
    for (int64_t row = 0; row < strip.height; ++row) {
      read_values(strip, row);
      read_gradients(strip, row);
    }
    const int64_t depth = in.channels, columns = grad.channels;
    for (int64_t p = 0; p < PRODUCTS; ++p) {
      const int64_t a = p / FACTORS, b = p % FACTORS;
      const int64_t value = Forward::VALUE_OF[a] * Forward::VALUES + Forward::VALUE_OF[b];
      const int64_t weight = WEIGHT_OF[a] * WEIGHTS + WEIGHT_OF[b];
      for (int64_t o = 0; o < columns; o += unit_of(columns))
        for (int64_t i = 0; i < depth; i += SUMMED)
          sum_block(values.data() + value * depth * strip.count(),
                    products.data() + p * columns * strip.count(), columns, strip.count(), i, o,
                    sums.data() + (weight * depth + i) * columns + o, columns);
    }
  }

  void read_values(const Strip& strip, int64_t row) {
    constexpr int64_t read = Forward::READ, count = Forward::VALUES;
    const Layout layout = Layout::of_panels(strip.count());
    const int64_t depth = in.channels;
    for (int64_t column = 0; column < strip.across; ++column)
      for (int64_t c = 0; c < depth; c += LANES) {
        const Vector factor = load(factors + strip.n * depth + c);
        Vector d[read * read], half[count * read], all[PLACES_IN];
        for (int i = 0; i < read; ++i)
          for (int j = 0; j < read; ++j) {
            const int64_t y = SIDE * (strip.top + row) - 1 + i, x = SIDE * column - 1 + j;
            const bool inside = y >= 0 && y < in.height && x >= 0 && x < in.width;
            d[i * read + j] = inside ? load(in.at(strip.n, y, x) + c) * factor : splat(0);
          }
        for (int j = 0; j < read; ++j) Forward::transform(d + j, half + j, read);
        for (int i = 0; i < count; ++i) Forward::transform(half + i * read, all + i * count, 1);
        const int64_t at = layout.at(row * strip.across + column, c);
        for (int64_t p = 0; p < PLACES_IN; ++p)
          store(values.data() + p * depth * strip.count() + at, all[p]);
      }
  }

  // Pixels past the end of the picture before the filter meet values that are zero.
  void read_gradients(const Strip& strip, int64_t row) {
    const Layout layout = Layout::of_panels(strip.count());
    const int64_t columns = grad.channels, width = 4 * strip.across;
    const float* rows[2 * FILTER - 1];
    for (int64_t i = 0; i < 2 * FILTER - 1; ++i) {
      const int64_t y = 4 * (strip.top + row) - 2 + i;
      rows[i] = y < 0 || y >= grad.height ? nothing.data() : grad.at(strip.n, y, 0);
    }
    smooth_rows(rows, grad.width, columns, turned, 2, width,
                [&](int64_t r, int64_t x, int64_t c, Vector value) {
                  store(large.data() + (r * width + x) * columns + c, value);
                });
    for (int64_t column = 0; column < strip.across; ++column)
      for (int64_t c = 0; c < columns; c += LANES) {
        Vector h[4 * 4], half[FACTORS * 4], all[PRODUCTS];
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j)
            h[4 * i + j] = load(large.data() + (i * width + 4 * column + j) * columns + c);
        for (int j = 0; j < 4; ++j) spread_pixels(h + j, half + j, 4);
        for (int i = 0; i < FACTORS; ++i) spread_pixels(half + 4 * i, all + FACTORS * i, 1);
        const int64_t at = layout.at(row * strip.across + column, c);
        for (int64_t p = 0; p < PRODUCTS; ++p)
          store(products.data() + p * columns * strip.count() + at, all[p]);
      }
  }

  void finish(float* grad_taps) const {
    const int64_t size = in.channels * grad.channels;
    for (int64_t k = 0; k < size; k += LANES) {
      Vector g[WEIGHTS * WEIGHTS], half[3 * WEIGHTS], out[TAPS];
      for (int64_t p = 0; p < WEIGHTS * WEIGHTS; ++p) g[p] = load(sums.data() + p * size + k);
      for (int c = 0; c < WEIGHTS; ++c) gather_weights(g + c, half + c, WEIGHTS);
      for (int r = 0; r < 3; ++r) gather_weights(half + WEIGHTS * r, out + 3 * r, 1);
      for (int64_t tap = 0; tap < TAPS; ++tap) store(grad_taps + tap * size + k, out[tap]);
    }
  }
};

// Gradients of the taps [9][channels of in][channels of grad], `grad` before scale.
inline void sum_doubled(const Picture& in, const float* factors, const Picture& grad,
                        const float* smooth, float* grad_taps, int64_t batch, int64_t threads) {
  float turned[FILTER * FILTER];
  for (int64_t k = 0; k < FILTER * FILTER; ++k) turned[k] = smooth[FILTER * FILTER - 1 - k];
  const int64_t down = in.height / SIDE + 1, across = in.width / SIDE + 1;
  const int64_t height = std::min(down, (SUMMED_TILES + across - 1) / across);
  const int64_t strips = (down + height - 1) / height, all = batch * strips;
  const int64_t workers = std::max<int64_t>(1, std::min(threads, all));
  std::vector<WeightSums> made;
  for (int64_t w = 0; w < workers; ++w) made.push_back(WeightSums{in, grad, factors, turned});
  parallel(all, workers, [&](int64_t begin, int64_t end, int64_t thread) {
    for (int64_t s = begin; s < end; ++s) {
      const int64_t top = s % strips * height;
      made[thread].add(Strip{s / strips, top, std::min(height, down - top), across});
    }
  });
  for (int64_t w = 1; w < workers; ++w)
    for (size_t k = 0; k < made[0].sums.size(); ++k) made[0].sums[k] += made[w].sums[k];
  made[0].finish(grad_taps);
}

}  // namespace doubled
