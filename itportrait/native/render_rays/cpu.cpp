// Volume rendering of tri-planes, forward and backward: see reference.py for the definition.

#include "backward.h"
#include "forward.h"

using namespace rays;

#define WITH_SIZES(FUNCTION, ...)                                                       \
  do {                                                                                  \
    if (channels == 32 && hidden == 64 && colors == 32) FUNCTION<2, 4, 2>(__VA_ARGS__); \
    if (channels == 32 && hidden == 64 && colors == 0) FUNCTION<2, 4, 0>(__VA_ARGS__);  \
    if (channels == 16 && hidden == 32 && colors == 16) FUNCTION<1, 2, 1>(__VA_ARGS__); \
    if (channels == 16 && hidden == 32 && colors == 0) FUNCTION<1, 2, 0>(__VA_ARGS__);  \
  } while (0)

extern "C" void render_rays_forward(const float* planes, const Rays* rays, const Scene* scene,
                                    const Layers* layers, const Refinement* refinement,
                                    const Outputs* out, int64_t channels, int64_t hidden,
                                    int64_t colors, int64_t threads) {
  WITH_SIZES(forward, planes, *rays, *scene, *layers, *refinement, *out, threads);
}

extern "C" void render_rays_backward(const float* planes, const Rays* rays, const Scene* scene,
                                     const Layers* layers, const Given* given,
                                     const Gradients* gradients, float* grad_origins,
                                     float* grad_directions, int64_t channels, int64_t hidden,
                                     int64_t colors, int64_t threads) {
  WITH_SIZES(backward, planes, *rays, *scene, *layers, *given, gradients, grad_origins,
             grad_directions, threads);
}
