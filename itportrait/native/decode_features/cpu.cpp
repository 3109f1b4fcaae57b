// Linear, softplus, linear, sigmoid for many points: see decode_features/reference.py.
// Sixteen points go through at once, one a lane: every product is a broadcast weight times a vector.

#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

#include "../lanes.h"
#include "../threads.h"

using namespace lanes;

namespace {

constexpr int64_t GROUP = 4;  // blocks of LANES points whose weight gradients are added at once
using Vectors = std::vector<Vector>;

struct Sizes {
  int64_t points, channels, hidden, outputs;
};

struct Layers {
  const float *weight1, *bias1, *weight2, *bias2;
};

// out[i] = bias[i] + sum over j of weight[i * row + j * column] * in[j]; four rows at a time hide
// the latency of the sums.
void product(const float* weight, int64_t row, int64_t column, const float* bias, const Vector* in,
             Vector* out, int64_t rows, int64_t columns) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    Vector a = splat(bias ? bias[i] : 0), b = splat(bias ? bias[i + 1] : 0);
    Vector c = splat(bias ? bias[i + 2] : 0), d = splat(bias ? bias[i + 3] : 0);
    const float* w = weight + i * row;
    for (int64_t j = 0; j < columns; ++j, w += column) {
      a += w[0] * in[j];
      b += w[row] * in[j];
      c += w[2 * row] * in[j];
      d += w[3 * row] * in[j];
    }
    out[i] = a;
    out[i + 1] = b;
    out[i + 2] = c;
    out[i + 3] = d;
  }
  for (; i < rows; ++i) {
    Vector a = splat(bias ? bias[i] : 0);
    for (int64_t j = 0; j < columns; ++j) a += weight[i * row + j * column] * in[j];
    out[i] = a;
  }
}

// Rows [count][width] of memory to lanes and back; lanes past `count` are zero.
void take(const float* rows, int64_t count, int64_t width, Vector* lanes) {
  float* out = reinterpret_cast<float*>(lanes);
  if (count < LANES) std::memset(out, 0, sizeof(Vector) * width);
  for (int64_t l = 0; l < count; ++l)
    for (int64_t k = 0; k < width; ++k) out[k * LANES + l] = rows[l * width + k];
}

void put(const Vector* lanes, int64_t count, int64_t width, float* rows) {
  const float* in = reinterpret_cast<const float*>(lanes);
  for (int64_t l = 0; l < count; ++l)
    for (int64_t k = 0; k < width; ++k) rows[l * width + k] = in[k * LANES + l];
}

int64_t blocks_of(int64_t points) { return (points + LANES - 1) / LANES; }

int64_t lanes_of(int64_t block, int64_t points) {
  const int64_t left = points - block * LANES;
  return left < LANES ? left : LANES;
}

// What backward passes add up over points; one a thread, summed over lanes at the end.
struct Sums {
  Vectors weight1, bias1, weight2, bias2;

  explicit Sums(const Sizes& s)
      : weight1(s.hidden * s.channels), bias1(s.hidden), weight2(s.outputs * s.hidden),
        bias2(s.outputs) {}
};

void add_outer(const Vector* left, const Vector* right, Vector* sums, int64_t rows,
               int64_t columns) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      Vector sum = sums[i * columns + j];
      for (int64_t g = 0; g < GROUP; ++g) sum += left[g * rows + i] * right[g * columns + j];
      sums[i * columns + j] = sum;
    }
}

void add_rows(const Vector* values, Vector* sums, int64_t rows) {
  for (int64_t g = 0; g < GROUP; ++g)
    for (int64_t i = 0; i < rows; ++i) sums[i] += values[g * rows + i];
}

void add_total(const Vectors& sums, float* out) {
  for (size_t i = 0; i < sums.size(); ++i)
    for (int64_t l = 0; l < LANES; ++l) out[i] += sums[i][l];
}

}  // namespace

extern "C" void decode_features_forward(const float* features, const float* weight1,
                                        const float* bias1, const float* weight2,
                                        const float* bias2, float* sigma, float* color,
                                        int64_t points, int64_t channels, int64_t hidden,
                                        int64_t outputs, int64_t threads) {
  sharing::parallel(blocks_of(points), threads, [=](int64_t begin, int64_t end, int64_t) {
    Vectors in(channels), mid(hidden), out(outputs);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * LANES, count = lanes_of(block, points);
      take(features + first * channels, count, channels, in.data());
      product(weight1, channels, 1, bias1, in.data(), mid.data(), hidden, channels);
      for (auto& value : mid) value = softplus(value);
      product(weight2, hidden, 1, bias2, mid.data(), out.data(), outputs, hidden);
      put(out.data(), count, 1, sigma + first);
      for (int64_t k = 1; k < outputs; ++k) out[k] = sigmoid(out[k]);
      put(out.data() + 1, count, outputs - 1, color + first * (outputs - 1));
    }
  });
}

extern "C" void decode_features_backward(
    const float* features, const float* weight1, const float* bias1, const float* weight2,
    const float* bias2, const float* color, const float* grad_sigma, const float* grad_color,
    float* grad_features, float* grad_weight1, float* grad_bias1, float* grad_weight2,
    float* grad_bias2, int64_t points, int64_t channels, int64_t hidden, int64_t outputs,
    int64_t threads) {
  (void)bias2;
  const Sizes sizes{points, channels, hidden, outputs};
  std::mutex lock;
  sharing::parallel(blocks_of(points), threads, [&, sizes](int64_t begin, int64_t end, int64_t) {
    Vectors ins(GROUP * channels), mids(GROUP * hidden), outs(GROUP * outputs);
    Vectors backs(GROUP * hidden), slope(hidden), shade(outputs), result(channels);
    Sums sums(sizes);
    for (int64_t group = begin; group < end; group += GROUP) {
      for (int64_t g = 0; g < GROUP; ++g) {
        Vector *in = &ins[g * channels], *mid = &mids[g * hidden];
        Vector *out = &outs[g * outputs], *back = &backs[g * hidden];
        if (group + g >= end) {  // adds nothing to the sums
          for (int64_t k = 0; k < outputs; ++k) out[k] = splat(0);
          for (int64_t j = 0; j < hidden; ++j) back[j] = splat(0);
          continue;
        }
        const int64_t first = (group + g) * LANES, count = lanes_of(group + g, points);
        take(features + first * channels, count, channels, in);
        product(weight1, channels, 1, bias1, in, mid, hidden, channels);
        for (int64_t j = 0; j < hidden; ++j) mid[j] = softplus(mid[j], slope[j]);
        take(grad_sigma + first, count, 1, out);
        take(grad_color + first * (outputs - 1), count, outputs - 1, out + 1);
        take(color + first * (outputs - 1), count, outputs - 1, shade.data() + 1);
        for (int64_t k = 1; k < outputs; ++k) out[k] *= shade[k] * (1.0f - shade[k]);
        product(weight2, 1, hidden, nullptr, out, back, hidden, outputs);
        for (int64_t j = 0; j < hidden; ++j) back[j] *= slope[j];
        if (!grad_features) continue;
        product(weight1, 1, channels, nullptr, back, result.data(), channels, hidden);
        put(result.data(), count, channels, grad_features + first * channels);
      }
      if (!grad_weight1) continue;
      add_outer(outs.data(), mids.data(), sums.weight2.data(), outputs, hidden);
      add_outer(backs.data(), ins.data(), sums.weight1.data(), hidden, channels);
      add_rows(outs.data(), sums.bias2.data(), outputs);
      add_rows(backs.data(), sums.bias1.data(), hidden);
    }
    if (!grad_weight1) return;
    const std::lock_guard<std::mutex> guard(lock);
    add_total(sums.weight1, grad_weight1);
    add_total(sums.bias1, grad_bias1);
    add_total(sums.weight2, grad_weight2);
    add_total(sums.bias2, grad_bias2);
  });
}
