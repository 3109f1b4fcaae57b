// A synthesis layer with 3 x 3 weights, whole: styles, convolution, scale, noise, bias, activation.

#include "doubled.h"
#include "doubled_weights.h"

using namespace winograd;

namespace {

Vector smaller(Vector a, Vector b) { return a < b ? a : b; }
Vector larger(Vector a, Vector b) { return a > b ? a : b; }

}  // namespace

// Weights [O, I, 3, 3] -> packed as the convolutions read them; `turned` for those of the way back.
extern "C" void modulated_conv_pack(const float* weights, float* packed, int64_t outputs,
                                    int64_t inputs, int64_t up, int64_t turned, int64_t threads) {
  const Weights given{weights, outputs, inputs, turned != 0};
  expect_writes(packed, (up == 1 ? PLACES : doubled::WEIGHTS * doubled::WEIGHTS) * outputs * inputs);
  if (up == 1)
    pack_weights<Taps>(given, packed, threads);
  else
    pack_weights<doubled::Taps>(given, packed, threads);
}

// x [N, H, W, I], styles [N, I], packed weights; scale and bias [N, O]; noise [noises, H', W'] or none;
// out [N, H', W', O]. With `smooth`, the filter of 4 x 4, the layer doubles the size.
extern "C" void modulated_conv_forward(const float* x, const float* styles, const float* packed,
                                       const float* smooth, const float* scale, const float* bias,
                                       const float* noise, float* out, int64_t batch,
                                       int64_t height, int64_t width, int64_t inputs,
                                       int64_t outputs, int64_t noises, float slope, float gain,
                                       float clamp, int64_t threads) {
  const Picture in{const_cast<float*>(x), height, width, inputs};
  const int64_t across = smooth ? 2 * width : width, plane = (smooth ? 2 * height : height) * across;
  expect_writes(out, batch * plane * outputs);
  const auto finish = [=](int64_t n, int64_t y, int64_t x, int64_t o, Vector value, int64_t) {
    const int64_t place = y * across + x;
    value = value * load(scale + n * outputs + o) + load(bias + n * outputs + o);
    if (noise) value += noise[noises == 1 ? place : n * plane + place];
    value = larger(value * gain, value * (gain * slope));
    if (clamp >= 0) value = smaller(larger(value, splat(-clamp)), splat(clamp));
    store(out + (n * plane + place) * outputs + o, value);
  };
  if (smooth)
    doubled::enlarge(in, styles, packed, smooth, outputs, batch, threads, finish);
  else
    convolve(in, styles, packed, outputs, batch, threads, finish);
}

// From gradients of the output to those before scale: grad_z [N, H', W', O]; and the sums over
// pixels for bias and scale [N, O], over channels for noise [N, H', W'].
extern "C" void modulated_conv_activation(const float* y, const float* grad, const float* scale,
                                          const float* bias, const float* noise, float* grad_z,
                                          float* grad_scale, float* grad_bias, float* grad_noise,
                                          int64_t batch, int64_t pixels, int64_t outputs,
                                          int64_t noises, float slope, float gain, float clamp,
                                          int64_t threads) {
  const int64_t rows = batch * outputs, workers = threads > 1 ? threads : 1;
  std::vector<float> sums(workers * 2 * rows, 0.0f);  // one part a thread, added in order
  float* all = sums.data();
  expect_writes(grad_z, batch * pixels * outputs);
  // Where the slope is 0, what an output was before the activation is lost, and has no gradient.
  const float above = 1 / gain, below = slope ? 1 / (gain * slope) : 0;
  parallel(batch * pixels, threads, [=](int64_t begin, int64_t end, int64_t thread) {
    float *biases = all + thread * 2 * rows, *scales = biases + rows;
    for (int64_t m = begin; m < end; ++m) {
      const int64_t n = m / pixels;
      const float added = noise ? noise[noises == 1 ? m - n * pixels : m] : 0;
      Vector total = splat(0);
      for (int64_t o = 0; o < outputs; o += LANES) {
        const int64_t at = m * outputs + o, row = n * outputs + o;
        const Vector value = load(y + at);
        Vector g = load(grad + at);
        if (clamp >= 0) g = (value < clamp) & (value > -clamp) ? g : splat(0);
        g *= value > 0.0f ? splat(gain) : splat(gain * slope);
        const Vector plain = value * (value > 0.0f ? splat(above) : splat(below));
        const Vector product = plain - added - load(bias + row);
        store(biases + row, load(biases + row) + g);
        store(scales + row, load(scales + row) + g * product);
        store(grad_z + at, g * load(scale + row));
        total += g;
      }
      if (!grad_noise) continue;
      float sum = 0;
      for (int64_t l = 0; l < LANES; ++l) sum += total[l];
      grad_noise[m] = sum;
    }
  });
  for (int64_t w = 0; w < workers; ++w)
    for (int64_t i = 0; i < rows; ++i) {
      grad_bias[i] += all[w * 2 * rows + i];
      grad_scale[i] += all[(w * 2 + 1) * rows + i] / scale[i];
    }
}

// grad_z [N, H', W', O] with the packed turned weights -> grad_x [N, H, W, I], and grad_styles
// [N, I], the sums over pixels of the gradient of x * styles times x.
extern "C" void modulated_conv_backward_input(const float* grad_z, const float* packed,
                                              const float* smooth, const float* x,
                                              const float* styles, float* grad_x,
                                              float* grad_styles, int64_t batch, int64_t height,
                                              int64_t width, int64_t inputs, int64_t outputs,
                                              int64_t threads) {
  const int64_t side = smooth ? 2 : 1;
  if (grad_x) expect_writes(grad_x, batch * height * width * inputs);
  const Picture grad{const_cast<float*>(grad_z), side * height, side * width, outputs};
  std::vector<float> sums((threads > 1 ? threads : 1) * batch * inputs, 0.0f);
  float* all = sums.data();
  const auto finish = [=](int64_t n, int64_t y, int64_t column, int64_t i, Vector value,
                          int64_t thread) {
    const int64_t at = ((n * height + y) * width + column) * inputs + i;
    float* sum = all + (thread * batch + n) * inputs + i;
    store(sum, load(sum) + value * load(x + at));
    if (grad_x) store(grad_x + at, value * load(styles + n * inputs + i));
  };
  if (smooth)
    doubled::reduce(grad, packed, smooth, inputs, batch, threads, finish);
  else
    convolve(grad, nullptr, packed, inputs, batch, threads, finish);
  for (size_t k = 0; k < sums.size(); ++k) grad_styles[k % (batch * inputs)] += sums[k];
}

// x, styles and grad_z -> gradients of the taps [9][I][O].
extern "C" void modulated_conv_backward_taps(const float* x, const float* styles,
                                             const float* grad_z, const float* smooth,
                                             float* grad_taps, int64_t batch, int64_t height,
                                             int64_t width, int64_t inputs, int64_t outputs,
                                             int64_t threads) {
  const int64_t side = smooth ? 2 : 1;
  const Picture in{const_cast<float*>(x), height, width, inputs};
  const Picture out{const_cast<float*>(grad_z), side * height, side * width, outputs};
  if (smooth)
    doubled::sum_doubled(in, styles, out, smooth, grad_taps, batch, threads);
  else
    sum_outer(in, styles, out, grad_taps, batch, threads);
}
