// A head as its tables, and the distances of a packet's points to its six groups: what
// `head_distance_reference` in reference.py defines. Whole primitives that are out of reach are
// skipped for all sixteen points.

#pragma once

#include "packet.h"

namespace {

constexpr int kMaxEllipsoids = 24;
constexpr float kFar = 1000.f;
enum Group { kSkin, kEyes, kHair, kCloth, kTeeth, kGlasses, kGroups };
enum Ellipsoids { kHead, kNose, kEars, kLids, kEyeballs, kHairShell, kBun, kTorso, kNeckHole, kSets };
enum Scalar {  // the order of HeadScalars in reference.py
  kEyeX, kEyeY, kEyeZ, kEyeHalfWidth, kEyeUpper, kEyeLower, kEyeTiltCos, kEyeTiltSin, kMouthY,
  kMouthHalfWidth, kSmile, kMouthOpen, kMouthZ, kHairline, kFringe, kPart, kCurl, kHairVolume, kBald,
  kHairTaper, kGlassesOn, kGlassesZ, kTempleX, kFrameRadius, kBunOn, kStrands, kScalars
};

struct Set { int n; float k; const float* rows; };  // row: shape 10, gradient 10, bounds 4
struct Head {
  const float* s;
  Set sets[kSets];
  int n_bumps;
  const float* bumps;  // row: amplitude, shape 10, bounds 4

  explicit Head(const float* data) : s(data) {
    const float* at = data + kScalars;
    for (auto& set : sets) { set = {int(at[0]), at[1], at + 2}; at += 2 + 24 * set.n; }
    n_bumps = int(at[0]);
    bumps = at + 1;
  }
};

inline float quadratic(const Packet& p, const float* w, int i) {
  return w[0] * p.xx.v[i] + w[1] * p.yy.v[i] + w[2] * p.zz.v[i] + w[3] * p.xy.v[i] +
         w[4] * p.xz.v[i] + w[5] * p.yz.v[i] + w[6] * p.x.v[i] + w[7] * p.y.v[i] +
         w[8] * p.z.v[i] + w[9];
}

// Smallest lower bound of a set's distance over the packet.
float set_gap(const Packet& p, const Set& set) {
  float m = kFar;
  for (int j = 0; j < set.n; ++j) m = minf(m, p.gap(set.rows + 24 * j + 20, 1.f));
  return m;
}

void set_distance(const Packet& p, const Set& set, Vec& out) {
  Vec each[kMaxEllipsoids], nearest;
  int used = 0;
  LANES nearest.v[i] = kFar;
  float reach = kFar;
  for (int j = 0; j < set.n; ++j) {
    const float* w = set.rows + 24 * j;
    // exp(-10) of the nearest is no longer seen
    if (used && p.gap(w + 20, 1.f) > reach + 10.f / set.k) continue;
    Vec& d = each[used++];
    LANES {
      float radius = std::sqrt(maxf(quadratic(p, w, i), 1e-8f));
      float slope = std::sqrt(maxf(quadratic(p, w + 10, i), 1e-8f));
      d.v[i] = radius * (radius - 1) / slope;
      nearest.v[i] = minf(nearest.v[i], d.v[i]);
    }
    reach = lane_max(nearest);
  }
  if (used == 1) { out = nearest; return; }
  Vec sum;
  LANES sum.v[i] = 0;
  for (int j = 0; j < used; ++j) LANES sum.v[i] += exp_fast(-set.k * (each[j].v[i] - nearest.v[i]));
  LANES out.v[i] = nearest.v[i] - log_fast(sum.v[i]) / set.k;
}

void add_bumps(const Packet& p, const Head& h, Vec& d) {
  if (lane_min(d) >= 0.45f) return;
  Vec sum;
  LANES sum.v[i] = 0;
  for (int j = 0; j < h.n_bumps; ++j) {
    const float* w = h.bumps + 15 * j;
    if (p.gap(w + 11, 2.6f) > 0) continue;  // exp(-2.6^2) of an amplitude below 0.12
    float amplitude = w[0];
    LANES sum.v[i] += amplitude * exp_fast(-quadratic(p, w + 1, i));
  }
  LANES d.v[i] -= sum.v[i] * step3(0.45f, 0.30f, d.v[i]);
}

inline float eye_opening(const float* s, float x, float y) {
  float e0 = std::fabs(x) - s[kEyeX], e1 = y - s[kEyeY];
  float u = e0 * s[kEyeTiltCos] + e1 * s[kEyeTiltSin], v = -e0 * s[kEyeTiltSin] + e1 * s[kEyeTiltCos];
  float a = u / s[kEyeHalfWidth], arch = 1 - a * a;
  float upper = s[kEyeUpper] * arch * (1 - 0.18f * a), lower = -s[kEyeLower] * arch * (1 + 0.25f * a);
  float inside = maxf(v - upper, lower - v);
  float beside = maxf(inside, (std::fabs(a) - 1) * s[kEyeHalfWidth]);
  return (std::fabs(a) > 1 ? beside : inside) * 0.8f;
}
inline float mouth_opening(const float* s, float x, float y) {
  float a = x / s[kMouthHalfWidth], t = 4 * a;
  float line = s[kMouthY] + 0.085f * s[kSmile] * a * a - 0.012f * exp_fast(-t * t);
  float v = y - line, arch = 1 - a * a, open = s[kMouthOpen];
  float inside = maxf(v - (0.004f + 0.045f * open) * arch, -(0.004f + 0.085f * open) * arch - v);
  float beside = maxf(inside, (std::fabs(a) - 1) * s[kMouthHalfWidth]);
  return std::fabs(a) > 1 ? beside : inside;
}

void skin(const Packet& p, const Head& h, Vec& d) {
  const float* s = h.s;
  set_distance(p, h.sets[kHead], d);
  add_bumps(p, h, d);
  const Ellipsoids parts[3] = {kNose, kEars, kLids};
  const float blend[3] = {0.085f, 0.05f, 0.06f};
  for (int j = 0; j < 3; ++j) {
    const Set& set = h.sets[parts[j]];
    float k = blend[j];
    if (set_gap(p, set) > lane_max(d) + k + 0.05f) continue;
    Vec part;
    set_distance(p, set, part);
    LANES d.v[i] = smin(d.v[i], part.v[i], k);
  }
  LANES {
    float eye = smax(eye_opening(s, p.x.v[i], p.y.v[i]), s[kEyeZ] - p.z.v[i], 0.01f);
    d.v[i] = smax(d.v[i], -eye, 0.012f);
    float mouth = maxf(mouth_opening(s, p.x.v[i], p.y.v[i]), s[kMouthZ] - 0.16f - p.z.v[i]);
    d.v[i] = smax(d.v[i], -mouth, 0.012f);
  }
}

inline float strand_relief(const float* s, float x, float y, float z) {
  float turn = atan2_fast(x - 0.25f * s[kPart] * step3(0.3f, 0.9f, y),
                          z + 0.10f + 0.25f * step3(0.5f, 1.0f, y));
  float straight = 0.016f * sin_fast(turn * 13 + 2 * sin_fast(y * 3.1f + 1.3f) + 2 * s[kPart]) +
                   0.010f * sin_fast(turn * 27 + 3 * sin_fast(y * 4.3f + x * 2));
  const float k = 8.f;
  float curls = sin_fast(k * x + 2 * sin_fast(k * 0.5f * y)) *
                sin_fast(k * y + 1.5f * sin_fast(k * 0.6f * z)) * sin_fast(k * z + 1.7f);
  float relief = straight * (1 - 0.7f * s[kCurl]) + 0.075f * s[kCurl] * curls;
  return relief * s[kStrands] * (1 - s[kBald]);
}

void hair(const Packet& p, const Head& h, Vec& d) {
  const float* s = h.s;
  set_distance(p, h.sets[kHairShell], d);
  if (s[kBunOn] > 0.f && set_gap(p, h.sets[kBun]) + 0.6f * (1 - s[kBunOn]) < lane_max(d) + 0.1f) {
    Vec bun;
    set_distance(p, h.sets[kBun], bun);
    LANES d.v[i] = smin(d.v[i], bun.v[i] + 0.6f * (1 - s[kBunOn]), 0.05f);
  }
  if (lane_min(d) < 0.25f) LANES {
    float relief = strand_relief(s, p.x.v[i], p.y.v[i], p.z.v[i]);
    d.v[i] -= relief * step3(0.25f, 0.15f, d.v[i]);
  }
  float gap = std::fabs(s[kPart]) > 0.2f ? 0.55f : 0.f, part = s[kPart], fringe = s[kFringe];
  LANES {
    float x = p.x.v[i], y = p.y.v[i], z = p.z.v[i];
    float shifted = (x - 0.18f * part) / 0.6f, x4 = 1.5f * x, xp = (x - 0.28f * part) / 0.12f;
    x4 *= x4; x4 *= x4;
    float window = exp_fast(-x4) * (1 - gap * exp_fast(-xp * xp));
    float line = s[kHairline] - 0.30f * shifted * shifted -
                 fringe * (0.34f + 0.05f * sin_fast(x * 23 + part * 5)) * window +
                 part * 0.14f * x * fringe;
    float front = 0.16f + 0.03f * s[kHairVolume] + 0.22f * step3(0.1f, 0.7f, y) - z;
    float face = smax(y - line, front, 0.16f), e = face / 0.16f;
    float taper = s[kHairTaper] * exp_fast(-e * e) * (1 - 0.75f * fringe);
    d.v[i] = smax(d.v[i] + taper * step3(-0.1f, 0.3f, y), -face, 0.09f);
  }
}

void cloth(const Packet& p, const Head& h, Vec& d) {
  Vec hole;
  set_distance(p, h.sets[kTorso], d);
  set_distance(p, h.sets[kNeckHole], hole);
  LANES d.v[i] = smax(d.v[i], -hole.v[i], 0.03f) +
                 0.006f * sin_fast(p.x.v[i] * 6 + p.y.v[i] * 9);
}

void teeth(const Packet& p, const Head& h, Vec& d) {
  const float* s = h.s;
  LANES {
    float x = p.x.v[i] / 0.26f, y = (p.y.v[i] - s[kMouthY] - 0.02f) / 0.15f;
    float z = (p.z.v[i] - (s[kMouthZ] - 0.30f)) / 0.23f;
    d.v[i] = (std::sqrt(maxf(x * x + y * y + z * z, 1e-8f)) - 1) * 0.15f;
  }
}

void glasses(const Packet& p, const Head& h, Vec& d) {
  const float* s = h.s;
  float r = s[kFrameRadius];
  LANES {
    float x = std::fabs(p.x.v[i]), y = p.y.v[i], z = p.z.v[i];
    float u = x - s[kEyeX] - 0.005f, v = y - s[kEyeY] + 0.02f;
    float a = maxf(std::fabs(u) - 0.120f, 0.f), b = maxf(std::fabs(v) - 0.068f, 0.f);
    float rim = std::sqrt(a * a + b * b) - 0.105f, bend = maxf(x - 0.1f, 0.f);
    float depth = z - (s[kGlassesZ] - 0.70f * bend * bend);
    float frame = std::sqrt(rim * rim + depth * depth) - r, v1 = v - 0.05f, d1 = depth - 0.01f;
    float bridge = maxf(std::sqrt(v1 * v1 + d1 * d1) - 0.85f * r, x - (s[kEyeX] - 0.215f));
    float side = x - (s[kTempleX] + 0.19f * clampf(0.75f - z, 0.f, 1.f)), v2 = v - 0.06f;
    float temple = std::sqrt(side * side + v2 * v2) - 0.80f * r;
    temple = maxf(temple, maxf(z - (s[kGlassesZ] - 0.10f), -0.05f - z));
    d.v[i] = minf(minf(frame, bridge), temple) + 0.06f * (1 - s[kGlassesOn]);
  }
}

void groups(const Packet& p, const Head& h, Vec* d) {
  skin(p, h, d[kSkin]);
  set_distance(p, h.sets[kEyeballs], d[kEyes]);
  hair(p, h, d[kHair]);
  cloth(p, h, d[kCloth]);
  teeth(p, h, d[kTeeth]);
  if (h.s[kGlassesOn] > 0.05f) glasses(p, h, d[kGlasses]);
  else LANES d[kGlasses].v[i] = kFar;
}

// Nearest of all groups; a group that cannot be the nearest for any lane is not computed.
void nearest(const Packet& p, const Head& h, Vec& d) {
  const float* s = h.s;
  Vec g;
  skin(p, h, d);
  hair(p, h, g);
  LANES d.v[i] = minf(d.v[i], g.v[i]);
  if (set_gap(p, h.sets[kTorso]) < lane_max(d)) {
    cloth(p, h, g);
    LANES d.v[i] = minf(d.v[i], g.v[i]);
  }
  if (set_gap(p, h.sets[kEyeballs]) < lane_max(d)) {
    set_distance(p, h.sets[kEyeballs], g);
    LANES d.v[i] = minf(d.v[i], g.v[i]);
  }
  const float mouth[4] = {0, s[kMouthY] + 0.02f, s[kMouthZ] - 0.30f, 0.27f};
  if (p.gap(mouth, 1.f) < lane_max(d)) {
    teeth(p, h, g);
    LANES d.v[i] = minf(d.v[i], g.v[i]);
  }
  const float worn[4] = {0, s[kEyeY], 0.45f, 0.95f};
  if (s[kGlassesOn] > 0.05f && p.gap(worn, 1.f) < lane_max(d)) {
    glasses(p, h, g);
    LANES d.v[i] = minf(d.v[i], g.v[i]);
  }
}

}  // namespace
