// Sphere tracing of tiles of pixels: first one cone for each tile, then its sixteen rays.

#pragma once

#include "head.h"

namespace {

constexpr int kTile = 4;         // pixels along each side of a packet's tile

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
