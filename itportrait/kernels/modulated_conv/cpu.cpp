// A synthesis layer with 3 x 3 weights, whole: styles, convolution, scale, noise, bias, activation.

#include "winograd.h"

using namespace winograd;

namespace {

Vector smaller(Vector a, Vector b) { return a < b ? a : b; }
Vector larger(Vector a, Vector b) { return a > b ? a : b; }

}  // namespace

extern "C" void modulated_conv_pack(const float* taps, const float* mix, float* packed,
                                    int64_t depth, int64_t outputs, int64_t phases,
                                    int64_t threads) {
  pack_taps(taps, mix, packed, depth, outputs, phases, threads);
}

// x [N, H, W, I], styles [N, I], packed for I x (phases * O); scale and bias [N, O]; noise
// [noises, H', W'] or none; out [N, H', W', O].
extern "C" void modulated_conv_forward(const float* x, const float* styles, const float* packed,
                                       const float* scale, const float* bias, const float* noise,
                                       float* out, int64_t batch, int64_t height, int64_t width,
                                       int64_t inputs, int64_t outputs, int64_t phases,
                                       int64_t noises, float slope, float gain, float clamp,
                                       int64_t threads) {
  const Picture in{const_cast<float*>(x), height, width, inputs, 1};
  const Picture target{out, height, width, outputs, phases};
  const int64_t plane = height * width * phases;
  convolve(in, styles, packed, phases * outputs, batch, threads,
           [=](int64_t n, int64_t y, int64_t x, int64_t channel, Vector value, int64_t) {
             const int64_t phase = channel / outputs, o = channel % outputs;
             float* to = target.at(n, y, x, phase) + o;
             value = value * load(scale + n * outputs + o) + load(bias + n * outputs + o);
             if (noise) {
               const int64_t pixel = (to - out - o) / outputs;
               value += noise[noises == 1 ? pixel - n * plane : pixel];
             }
             value = larger(value * gain, value * (gain * slope));
             if (clamp >= 0) value = smaller(larger(value, splat(-clamp)), splat(clamp));
             store(to, value);
           });
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
  const float above = 1 / gain, below = 1 / (gain * slope);
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

// grad_z [N, H', W', O] with the packed transposed taps -> grad_x [N, H, W, I], and grad_styles
// [N, I], the sums over pixels of the gradient of x * styles times x.
extern "C" void modulated_conv_backward_input(const float* grad_z, const float* packed,
                                              const float* x, const float* styles, float* grad_x,
                                              float* grad_styles, int64_t batch, int64_t height,
                                              int64_t width, int64_t inputs, int64_t outputs,
                                              int64_t phases, int64_t threads) {
  const Picture in{const_cast<float*>(grad_z), height, width, outputs, phases};
  std::vector<float> sums((threads > 1 ? threads : 1) * batch * inputs, 0.0f);
  float* all = sums.data();
  convolve(in, nullptr, packed, inputs, batch, threads,
           [=](int64_t n, int64_t y, int64_t column, int64_t i, Vector value, int64_t thread) {
             const int64_t at = ((n * height + y) * width + column) * inputs + i;
             float* sum = all + (thread * batch + n) * inputs + i;
             store(sum, load(sum) + value * load(x + at));
             if (grad_x) store(grad_x + at, value * load(styles + n * inputs + i));
           });
  for (size_t k = 0; k < sums.size(); ++k) grad_styles[k % (batch * inputs)] += sums[k];
}

// x, styles and grad_z -> gradients of the taps [9][I][phases * O].
extern "C" void modulated_conv_backward_taps(const float* x, const float* styles,
                                             const float* grad_z, float* grad_taps, int64_t batch,
                                             int64_t height, int64_t width, int64_t inputs,
                                             int64_t outputs, int64_t phases, int64_t threads) {
  const Picture in{const_cast<float*>(x), height, width, inputs, 1};
  const Picture out{const_cast<float*>(grad_z), height, width, outputs, phases};
  sum_outer(in, styles, out, grad_taps, batch, threads);
}
