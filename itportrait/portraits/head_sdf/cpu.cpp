// Distance function of the procedural head, and what a renderer asks of it: sphere tracing, normals,
// ambient occlusion and soft shadow. The definition is reference.py; this computes the same sixteen
// points at a time. A packet is a 4 x 4 tile of pixels, so its points lie close together, and whole
// primitives that are out of reach are skipped for all sixteen.
//
// Library expf and sinf fall back to scalar code out of their range, hence the polynomials.

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int L = 16;            // points in a packet
constexpr int kTile = 4;         // pixels along each side of a packet's tile
constexpr int kMaxEllipsoids = 24;
constexpr float kFar = 1000.f;
enum Group { kSkin, kEyes, kHair, kCloth, kTeeth, kGlasses, kGroups };
enum Ellipsoids { kHead, kNose, kEars, kLids, kEyeballs, kHairShell, kBun, kTorso, kNeckHole, kSets };
enum Scalar {  // the order of HeadScalars in reference.py
  kEyeX, kEyeY, kEyeZ, kEyeHalfWidth, kEyeUpper, kEyeLower, kEyeTiltCos, kEyeTiltSin, kMouthY,
  kMouthHalfWidth, kSmile, kMouthOpen, kMouthZ, kHairline, kFringe, kPart, kCurl, kHairVolume, kBald,
  kHairTaper, kGlassesOn, kGlassesZ, kTempleX, kFrameRadius, kBunOn, kStrands, kScalars
};

#define LANES for (int i = 0; i < L; ++i)

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
inline float lane_max(const Vec& a) { float m = a.v[0]; LANES m = maxf(m, a.v[i]); return m; }
inline float lane_min(const Vec& a) { float m = a.v[0]; LANES m = minf(m, a.v[i]); return m; }

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

void load(const float* points, long at, long n, Packet& p) {
  LANES {
    long j = at + i < n ? at + i : n - 1;
    p.x.v[i] = points[3 * j]; p.y.v[i] = points[3 * j + 1]; p.z.v[i] = points[3 * j + 2];
  }
  p.finish();
}

struct Ray { Vec dx, dy, dz, t; };
void along(const float* o, const Ray& r, Packet& p) {
  LANES {
    p.x.v[i] = o[0] + r.dx.v[i] * r.t.v[i];
    p.y.v[i] = o[1] + r.dy.v[i] * r.t.v[i];
    p.z.v[i] = o[2] + r.dz.v[i] * r.t.v[i];
  }
  p.finish();
}

// March the cones around sixteen tiles' central rays: how far each whole tile is free.
void march_cones(const Head& h, const float* o, Ray& r, const Vec& cone, float far) {
  Packet p;
  Vec d;
  Vec moving;
  LANES moving.v[i] = 1;
  for (int step = 0; step < 16; ++step) {
    along(o, r, p);
    nearest(p, h, d);
    float any = 0;
    LANES {
      float advance = d.v[i] * 0.85f - r.t.v[i] * cone.v[i];
      r.t.v[i] += moving.v[i] * maxf(advance, 0.f);
      moving.v[i] = (advance > 0.004f && r.t.v[i] < far) ? moving.v[i] : 0.f;
      any += moving.v[i];
    }
    if (any == 0) break;
  }
}

void trace_packet(const Head& h, const float* o, Ray& r, float far, Vec& hit) {
  Packet p;
  Vec d, moving;
  LANES { moving.v[i] = r.t.v[i] < far; hit.v[i] = 0; }
  float any = lane_max(moving);
  for (int step = 0; step < 64 && any > 0; ++step) {
    along(o, r, p);
    nearest(p, h, d);
    any = 0;
    LANES {
      r.t.v[i] += moving.v[i] * d.v[i] * 0.9f;
      hit.v[i] = (moving.v[i] > 0 && d.v[i] < 0.003f) ? 1.f : hit.v[i];
      moving.v[i] = (d.v[i] < 0.003f || r.t.v[i] > far) ? 0.f : moving.v[i];
      any += moving.v[i];
    }
  }
  // grazing rays that are still close to the surface count as hits
  if (any > 0) LANES hit.v[i] = (moving.v[i] > 0 && d.v[i] < 0.012f) ? 1.f : hit.v[i];
}

struct Screen {
  const float* directions;
  long height, width, rows, columns;  // pixels; tiles

  long pixel(long tile, int lane) const {  // clamped at the border
    long y = (tile / columns) * kTile + lane / kTile, x = (tile % columns) * kTile + lane % kTile;
    return (y < height ? y : height - 1) * width + (x < width ? x : width - 1);
  }
  void central(long tile, int i, Ray& r, Vec& cone) const {
    float sum[3] = {0, 0, 0}, spread = 0;
    for (int j = 0; j < L; ++j)
      for (int c = 0; c < 3; ++c) sum[c] += directions[3 * pixel(tile, j) + c];
    float norm = 1 / std::sqrt(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]);
    for (int j = 0; j < L; ++j) {
      const float* d = directions + 3 * pixel(tile, j);
      float a = d[0] - sum[0] * norm, b = d[1] - sum[1] * norm, c = d[2] - sum[2] * norm;
      spread = maxf(spread, a * a + b * b + c * c);
    }
    r.dx.v[i] = sum[0] * norm; r.dy.v[i] = sum[1] * norm; r.dz.v[i] = sum[2] * norm;
    cone.v[i] = std::sqrt(spread);
  }
};

}  // namespace

extern "C" {

// points [n, 3] -> out [n, 6]
void head_distance(const float* data, const float* points, float* out, long n) {
  const Head h(data);
  Packet p;
  Vec d[kGroups];
  for (long at = 0; at < n; at += L) {
    load(points, at, n, p);
    groups(p, h, d);
    for (int i = 0; i < L && at + i < n; ++i)
      for (int g = 0; g < kGroups; ++g) out[(at + i) * kGroups + g] = d[g].v[i];
  }
}

// unit directions [height, width, 3] from one origin -> depth, hit [height, width]
void head_trace(const float* data, const float* origin, const float* directions, long height,
                long width, float near, float far, float* depth, uint8_t* hit) {
  const Head h(data);
  Screen screen{directions, height, width, (height + kTile - 1) / kTile, (width + kTile - 1) / kTile};
  const long blocks_x = (screen.columns + 3) / 4, blocks_y = (screen.rows + 3) / 4;
  for (long block = 0; block < blocks_x * blocks_y; ++block) {
    long tiles[L];
    Ray cones, r;
    Vec cone, found;
    LANES {  // a block is 4 x 4 tiles
      long y = (block / blocks_x) * 4 + i / 4, x = (block % blocks_x) * 4 + i % 4;
      y = y < screen.rows ? y : screen.rows - 1;
      x = x < screen.columns ? x : screen.columns - 1;
      tiles[i] = y * screen.columns + x;
      screen.central(tiles[i], i, cones, cone);
      cones.t.v[i] = near;
    }
    march_cones(h, origin, cones, cone, far);
    for (int tile = 0; tile < L; ++tile) {
      LANES {
        const float* d = directions + 3 * screen.pixel(tiles[tile], i);
        r.dx.v[i] = d[0]; r.dy.v[i] = d[1]; r.dz.v[i] = d[2]; r.t.v[i] = cones.t.v[tile];
      }
      trace_packet(h, origin, r, far, found);
      LANES {
        long at = screen.pixel(tiles[tile], i);
        depth[at] = r.t.v[i];
        hit[at] = found.v[i] > 0;
      }
    }
  }
}

// points [n, 3] -> unit normals [n, 3] by tetrahedral differences of the given width
void head_normals(const float* data, const float* points, float width, float* normals, long n) {
  const Head h(data);
  static const float corner[4][3] = {{1, -1, -1}, {-1, -1, 1}, {-1, 1, -1}, {1, 1, 1}};
  Packet p, q;
  Vec d, nx, ny, nz;
  for (long at = 0; at < n; at += L) {
    load(points, at, n, p);
    LANES nx.v[i] = ny.v[i] = nz.v[i] = 0;
    for (const auto& c : corner) {
      LANES {
        q.x.v[i] = p.x.v[i] + width * c[0];
        q.y.v[i] = p.y.v[i] + width * c[1];
        q.z.v[i] = p.z.v[i] + width * c[2];
      }
      q.finish();
      nearest(q, h, d);
      LANES { nx.v[i] += c[0] * d.v[i]; ny.v[i] += c[1] * d.v[i]; nz.v[i] += c[2] * d.v[i]; }
    }
    for (int i = 0; i < L && at + i < n; ++i) {
      float norm = nx.v[i] * nx.v[i] + ny.v[i] * ny.v[i] + nz.v[i] * nz.v[i];
      float scale = 1 / std::sqrt(maxf(norm, 1e-16f));
      float* o = normals + 3 * (at + i);
      o[0] = nx.v[i] * scale; o[1] = ny.v[i] * scale; o[2] = nz.v[i] * scale;
    }
  }
}

// points, normals [n, 3], unit direction to the light -> occlusion, shadow [n], 1 = open
void head_light(const float* data, const float* points, const float* normals, const float* light,
                float* occlusion, float* shadow, long n) {
  const Head h(data);
  static const float radii[3] = {0.05f, 0.14f, 0.32f}, weights[3] = {0.40f, 0.275f, 0.20f};
  Packet p, m, q;
  Vec d, ao, sh, t, moving;
  for (long at = 0; at < n; at += L) {
    load(points, at, n, p);
    load(normals, at, n, m);
    LANES ao.v[i] = sh.v[i] = 1;
    for (int k = 0; k < 3; ++k) {
      float r = radii[k], w = weights[k];
      LANES {
        q.x.v[i] = p.x.v[i] + m.x.v[i] * r;
        q.y.v[i] = p.y.v[i] + m.y.v[i] * r;
        q.z.v[i] = p.z.v[i] + m.z.v[i] * r;
      }
      q.finish();
      nearest(q, h, d);
      LANES ao.v[i] -= w * clampf((r - d.v[i]) / r, 0.f, 1.f);
    }
    LANES {
      float facing = m.x.v[i] * light[0] + m.y.v[i] * light[1] + m.z.v[i] * light[2];
      moving.v[i] = facing > -0.25f;
      t.v[i] = 0.04f;
    }
    for (int k = 0; k < 9 && lane_max(moving) > 0; ++k) {
      LANES {
        q.x.v[i] = p.x.v[i] + m.x.v[i] * 0.012f + light[0] * t.v[i];
        q.y.v[i] = p.y.v[i] + m.y.v[i] * 0.012f + light[1] * t.v[i];
        q.z.v[i] = p.z.v[i] + m.z.v[i] * 0.012f + light[2] * t.v[i];
      }
      q.finish();
      nearest(q, h, d);
      LANES {
        float lit = clampf(0.5f + 3.5f * d.v[i] / t.v[i], 0.f, 1.f);
        sh.v[i] = moving.v[i] > 0 ? minf(sh.v[i], lit) : sh.v[i];
        t.v[i] += moving.v[i] * clampf(d.v[i], 0.03f, 0.22f);
        moving.v[i] = (sh.v[i] > 0.02f && t.v[i] < 1.6f) ? moving.v[i] : 0.f;
      }
    }
    for (int i = 0; i < L && at + i < n; ++i) {
      occlusion[at + i] = clampf(ao.v[i], 0.12f, 1.f);
      shadow[at + i] = sh.v[i] * sh.v[i] * (3 - 2 * sh.v[i]);
    }
  }
}

}  // extern "C"
