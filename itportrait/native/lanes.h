// Sixteen floats at once, and the functions of one variable that decoders of densities need.
#pragma once

#include <cstdint>
#include <cstring>

namespace lanes {

constexpr int64_t LANES = 16;
typedef float Vector __attribute__((vector_size(4 * LANES), may_alias));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef int32_t IntegersAt __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Vector splat(float value) { return Vector{} + value; }
inline Vector load(const float* at) { return *reinterpret_cast<const Unaligned*>(at); }
inline void store(float* at, Vector value) { *reinterpret_cast<Unaligned*>(at) = value; }

inline float total(Vector v) {
  float sum = 0;
  for (int l = 0; l < LANES; ++l) sum += v[l];
  return sum;
}

// e^x for x <= 0: 2^n times a polynomial of the rest, within 2e-7 of it.
inline Vector exp_negative(Vector x) {
  x *= 1.44269504f;
  x = x < -126.0f ? splat(-126.0f) : x;
  const Integers n = __builtin_convertvector(x - 0.5f, Integers);
  const Vector r = x - __builtin_convertvector(n, Vector);
  Vector p = splat(1.534600092e-4f);
  p = p * r + 1.339993349e-3f;
  p = p * r + 9.618488262e-3f;
  p = p * r + 5.550328770e-2f;
  p = p * r + 2.402264690e-1f;
  p = p * r + 6.931472057e-1f;
  p = p * r + 1.0f;
  const Integers power = (n + 127) << 23;
  Vector scale;
  std::memcpy(&scale, &power, sizeof(scale));
  return p * scale;
}

// log(1 + t) for t in [0, 1], within 2e-7.
inline Vector log1p_unit(Vector t) {
  Vector p = splat(5.383859391e-3f);
  p = p * t - 3.011016240e-2f;
  p = p * t + 7.920945000e-2f;
  p = p * t - 1.374651442e-1f;
  p = p * t + 1.914506669e-1f;
  p = p * t - 2.485293334e-1f;
  p = p * t + 3.332034204e-1f;
  p = p * t - 4.999955252e-1f;
  p = p * t + 9.999999745e-1f;
  return p * t;
}

inline Vector sigmoid(Vector x) {
  const Vector e = exp_negative(x < 0.0f ? x : -x);
  return (x < 0.0f ? e : splat(1.0f)) / (1.0f + e);
}

// Softplus, and its slope, the sigmoid.
inline Vector softplus(Vector x, Vector& slope) {
  const Vector e = exp_negative(x < 0.0f ? x : -x);
  slope = (x < 0.0f ? e : splat(1.0f)) / (1.0f + e);
  return (x > 0.0f ? x : splat(0.0f)) + log1p_unit(e);
}

inline Vector softplus(Vector x) {
  Vector slope;
  return softplus(x, slope);
}

}  // namespace lanes
