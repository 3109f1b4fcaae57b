// What a renderer asks of the procedural head: distances, sphere tracing, normals, ambient occlusion
// and soft shadow. The definition is reference.py; this computes the same sixteen points at a time.
// A packet is a 4 x 4 tile of pixels, so its points lie close together.

#include "tracing.h"

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
