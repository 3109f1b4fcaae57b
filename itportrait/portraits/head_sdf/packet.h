// Sixteen points at a time, and the functions of a number that their distances are made of.
//
// Library expf and sinf fall back to scalar code out of their range, hence the polynomials.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int L = 16;  // points in a packet

#define LANES for (int i = 0; i < L; ++i)

inline float clampf(float x, float lo, float hi) { return x < lo ? lo : (x > hi ? hi : x); }
inline float maxf(float a, float b) { return a > b ? a : b; }
inline float minf(float a, float b) { return a < b ? a : b; }

inline float exp_fast(float x) {
  x = maxf(x, -60.f);
  float t = x * 1.44269504f, whole = std::floor(t), f = t - whole;
  float p = 1.f + f * (0.69314718f + f * (0.24022651f + f * (0.05550411f +
            f * (0.00961813f + f * 0.00133336f))));
  int32_t bits = (int32_t(whole) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return p * scale;
}
inline float log_fast(float x) {  // x >= 1, as the largest term of a log-sum-exp is 1
  int32_t bits;
  std::memcpy(&bits, &x, 4);
  float e = float((bits >> 23) - 127);
  bits = (bits & 0x7fffff) | 0x3f800000;
  float m;
  std::memcpy(&m, &bits, 4);
  float t = (m - 1.f) / (m + 1.f), t2 = t * t;
  return e * 0.69314718f + 2.f * t * (1.f + t2 * (0.33333333f + t2 * (0.2f + t2 * 0.142857f)));
}
inline float sin_fast(float x) {
  float k = std::floor(x * 0.31830989f + 0.5f), r = x - k * 3.14159265f, r2 = r * r;
  float s = r * (1 + r2 * (-0.16666667f + r2 * (0.00833333f + r2 * (-0.00019841f + r2 * 2.6e-6f))));
  return (int32_t(k) & 1) ? -s : s;
}
inline float atan2_fast(float y, float x) {
  float ax = std::fabs(x), ay = std::fabs(y);
  float a = minf(ax, ay) / maxf(maxf(ax, ay), 1e-12f), s = a * a;
  float r = a * (0.99997726f + s * (-0.33262347f + s * (0.19354346f + s * (-0.11643287f +
            s * (0.05265332f - s * 0.01172120f)))));
  r = ay > ax ? 1.57079633f - r : r;
  r = x < 0 ? 3.14159265f - r : r;
  return y < 0 ? -r : r;
}
inline float smin(float a, float b, float k) {
  float h = clampf(0.5f + 0.5f * (b - a) / k, 0.f, 1.f);
  return b + (a - b) * h - k * h * (1 - h);
}
inline float smax(float a, float b, float k) { return -smin(-a, -b, k); }
inline float step3(float lo, float hi, float x) {
  float t = clampf((x - lo) / (hi - lo), 0.f, 1.f);
  return t * t * (3 - 2 * t);
}

struct alignas(64) Vec { float v[L]; };

struct Packet {
  Vec x, y, z, xx, yy, zz, xy, xz, yz;
  float cx, cy, cz, radius;  // sphere around the points

  void finish() {
    float sx = 0, sy = 0, sz = 0;
    LANES { sx += x.v[i]; sy += y.v[i]; sz += z.v[i]; }
    cx = sx / L; cy = sy / L; cz = sz / L;
    float far = 0;
    LANES {
      float a = x.v[i] - cx, b = y.v[i] - cy, c = z.v[i] - cz, d = a * a + b * b + c * c;
      far = d > far ? d : far;
      xx.v[i] = x.v[i] * x.v[i]; yy.v[i] = y.v[i] * y.v[i]; zz.v[i] = z.v[i] * z.v[i];
      xy.v[i] = x.v[i] * y.v[i]; xz.v[i] = x.v[i] * z.v[i]; yz.v[i] = y.v[i] * z.v[i];
    }
    radius = std::sqrt(far);
  }
  // Distance of the packet's nearest point from a sphere of the given bounds (center, radius).
  float gap(const float* b, float scale) const {
    float a = cx - b[0], c = cy - b[1], d = cz - b[2];
    return std::sqrt(a * a + c * c + d * d) - scale * b[3] - radius;
  }
};

inline float lane_max(const Vec& a) { float m = a.v[0]; LANES m = maxf(m, a.v[i]); return m; }
inline float lane_min(const Vec& a) { float m = a.v[0]; LANES m = minf(m, a.v[i]); return m; }

// Fill a packet with points [n, 3] from row `at` on; rows past the end repeat the last one.
void load(const float* points, long at, long n, Packet& p) {
  LANES {
    long j = at + i < n ? at + i : n - 1;
    p.x.v[i] = points[3 * j]; p.y.v[i] = points[3 * j + 1]; p.z.v[i] = points[3 * j + 2];
  }
  p.finish();
}

}  // namespace
