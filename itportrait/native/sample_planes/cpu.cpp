// Mean of the bilinear samples of three planes: see ops/sample_planes/reference.py.
// Texels are [N, H, W, 3, C]: the channels of a texel of one plane are one run of memory.

#include <cmath>
#include <cstdint>

#include "../threads.h"

using sharing::parallel;

namespace {

struct Sizes {
  int64_t batch, points, channels, height, width;
};

struct Corners {
  int64_t offset[4];  // of the texel, in floats; -1 outside
  float weight[4];
  float dx[4], dy[4];  // of the weight, per unit of the plane's coordinates
};

Corners find_corners(const Sizes& s, float x, float y) {
  Corners c;
  const float column = ((x + 1) * s.width - 1) * 0.5f, row = ((y + 1) * s.height - 1) * 0.5f;
  const float column0 = std::floor(column), row0 = std::floor(row);
  const float fx = column - column0, fy = row - row0;
  const float wx[2] = {1 - fx, fx}, wy[2] = {1 - fy, fy};
  const float sx[2] = {-0.5f * s.width, 0.5f * s.width}, sy[2] = {-0.5f * s.height, 0.5f * s.height};
  for (int i = 0; i < 4; ++i) {
    const int right = i & 1, below = i >> 1;
    // Compared as floats: points far outside would overflow an integer.
    const float cx = column0 + right, cy = row0 + below;
    const bool inside = cx >= 0 && cx < s.width && cy >= 0 && cy < s.height;
    c.offset[i] = inside ? (int64_t(cy) * s.width + int64_t(cx)) * 3 * s.channels : -1;
    c.weight[i] = wx[right] * wy[below];
    c.dx[i] = sx[right] * wy[below];
    c.dy[i] = wx[right] * sy[below];
  }
  return c;
}

// FIXED > 0 is the number of channels, known to the compiler; 0 reads it from the sizes.
template <int FIXED>
void forward(const float* texels, const float* points, float* out, const Sizes s,
             const int64_t* axes, int64_t threads) {
  const int64_t channels = FIXED ? FIXED : s.channels;
  const int64_t image = s.height * s.width * 3 * channels;
  parallel(s.batch * s.points, threads, [=](int64_t begin, int64_t end, int64_t) {
    for (int64_t m = begin; m < end; ++m) {
      const float* base = texels + (m / s.points) * image;
      float* __restrict target = out + m * channels;
      for (int64_t k = 0; k < channels; ++k) target[k] = 0;
      for (int p = 0; p < 3; ++p) {
        const Corners c =
            find_corners(s, points[m * 3 + axes[2 * p]], points[m * 3 + axes[2 * p + 1]]);
        for (int i = 0; i < 4; ++i) {
          if (c.offset[i] < 0) continue;
          const float* __restrict texel = base + c.offset[i] + p * channels;
          const float weight = c.weight[i] * (1.0f / 3);
          for (int64_t k = 0; k < channels; ++k) target[k] += weight * texel[k];
        }
      }
    }
  });
}

// One (sample, plane) is one unit of work: no two threads write to the same texel.
template <int FIXED>
void backward_texels(const float* points, const float* grad, float* grad_texels, const Sizes s,
                     const int64_t* axes, int64_t threads) {
  const int64_t channels = FIXED ? FIXED : s.channels;
  const int64_t image = s.height * s.width * 3 * channels;
  parallel(s.batch * 3, threads, [=](int64_t begin, int64_t end, int64_t) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t n = unit / 3, p = unit % 3;
      float* base = grad_texels + n * image + p * channels;
      for (int64_t m = n * s.points; m < (n + 1) * s.points; ++m) {
        const Corners c =
            find_corners(s, points[m * 3 + axes[2 * p]], points[m * 3 + axes[2 * p + 1]]);
        const float* __restrict g = grad + m * channels;
        for (int i = 0; i < 4; ++i) {
          if (c.offset[i] < 0) continue;
          const float weight = c.weight[i] * (1.0f / 3);
          float* __restrict texel = base + c.offset[i];
          for (int64_t k = 0; k < channels; ++k) texel[k] += weight * g[k];
        }
      }
    }
  });
}

template <int FIXED>
void backward_points(const float* texels, const float* points, const float* grad,
                     float* grad_points, const Sizes s, const int64_t* axes, int64_t threads) {
  const int64_t channels = FIXED ? FIXED : s.channels;
  const int64_t image = s.height * s.width * 3 * channels;
  parallel(s.batch * s.points, threads, [=](int64_t begin, int64_t end, int64_t) {
    for (int64_t m = begin; m < end; ++m) {
      const float* base = texels + (m / s.points) * image;
      const float* __restrict g = grad + m * channels;
      float* target = grad_points + m * 3;
      target[0] = target[1] = target[2] = 0;
      for (int p = 0; p < 3; ++p) {
        const int64_t ax = axes[2 * p], ay = axes[2 * p + 1];
        const Corners c = find_corners(s, points[m * 3 + ax], points[m * 3 + ay]);
        for (int i = 0; i < 4; ++i) {
          if (c.offset[i] < 0) continue;
          const float* __restrict texel = base + c.offset[i] + p * channels;
          float dot = 0;
          for (int64_t k = 0; k < channels; ++k) dot += g[k] * texel[k];
          target[ax] += dot * c.dx[i] * (1.0f / 3);
          target[ay] += dot * c.dy[i] * (1.0f / 3);
        }
      }
    }
  });
}

}  // namespace

#define WITH_CHANNELS(FUNCTION, ...)              \
  switch (sizes.channels) {                       \
    case 16: FUNCTION<16>(__VA_ARGS__); break;    \
    case 32: FUNCTION<32>(__VA_ARGS__); break;    \
    default: FUNCTION<0>(__VA_ARGS__);            \
  }

extern "C" void sample_planes_forward(const float* texels, const float* points, float* out,
                                      int64_t batch, int64_t count, int64_t channels,
                                      int64_t height, int64_t width, const int64_t* axes,
                                      int64_t threads) {
  const Sizes sizes{batch, count, channels, height, width};
  WITH_CHANNELS(forward, texels, points, out, sizes, axes, threads)
}

extern "C" void sample_planes_backward(const float* texels, const float* points, const float* grad,
                                       float* grad_texels, float* grad_points, int64_t batch,
                                       int64_t count, int64_t channels, int64_t height,
                                       int64_t width, const int64_t* axes, int64_t threads) {
  const Sizes sizes{batch, count, channels, height, width};
  if (grad_texels) {
    WITH_CHANNELS(backward_texels, points, grad, grad_texels, sizes, axes, threads)
  }
  if (grad_points) {
    WITH_CHANNELS(backward_points, texels, points, grad, grad_points, sizes, axes, threads)
  }
}
