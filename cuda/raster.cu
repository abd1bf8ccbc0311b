// A bent mesh as a backward map, in OpenCV's fixed-point form: for every pixel, where in the texture it comes from.
//
// Two passes. `raster_cover` gives each pixel the last triangle that lies on it (a painter's order that no scheduling of
// threads can change); `raster_resolve` computes the map there and clears the owner for the next frame. Rows are cut by
// the edges, walked from their upper to their lower end in both triangles that share them: no gap, no overlap. Compiled
// without contraction so that gradients round as they do on the host.
//
// Bytes at 512x512: 4 of owner written, read and cleared, 8 of map written: 20 per pixel, 5 MB; vertices (478 x 20
// bytes) stay in L1. A block does one triangle, a warp one row of it: some 900 triangles of about 24 rows fill a card's
// SMs once, and the pass is over in the time of its launch.
#include "common.cuh"

#define FRACTION 32.f        // OpenCV's INTER_TAB_SIZE
#define GAIN_ONE 4096.f

struct Corners { int a, b, c; };

__device__ __forceinline__ bool above(const float2* px, int p, int q)
{
    return px[p].y < px[q].y || (px[p].y == px[q].y && p < q);
}

// Corners from top to bottom; ties go by number, so that neighbours agree on the direction of a shared edge.
__device__ __forceinline__ Corners sorted(const float2* px, const int* triangle)
{
    int a = triangle[0], b = triangle[1], c = triangle[2], swap;
    if (above(px, b, a)) { swap = a; a = b; b = swap; }
    if (above(px, c, b)) { swap = b; b = c; c = swap; }
    if (above(px, b, a)) { swap = a; a = b; b = swap; }
    return Corners{a, b, c};
}

__device__ __forceinline__ float doubled_area(float2 a, float2 b, float2 c)
{
    return (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
}

__device__ __forceinline__ float slope(float2 from, float2 to) { return to.y > from.y ? (to.x - from.x) / (to.y - from.y) : 0.f; }

__device__ __forceinline__ int first(float at) { return max((int)ceilf(bounded(at)), 0); }

extern "C" __global__ void __launch_bounds__(256) raster_cover(
    const float2* __restrict__ px, const int* __restrict__ triangles, int* __restrict__ owner, int height, int width)
{
    const Corners t = sorted(px, triangles + 3 * blockIdx.x);
    const float2 a = px[t.a], b = px[t.b], c = px[t.c];
    const int top = first(a.y), bottom = min(first(c.y), height);
    if (top >= bottom || !(fabsf(doubled_area(a, b, c)) >= 1e-6f))
        return;
    const float edge = slope(a, c), upper = slope(a, b), lower = slope(b, c);
    for (int y = top + threadIdx.y; y < bottom; y += blockDim.y) {
        const float x0 = fmaf(y - a.y, edge, a.x);
        const float x1 = y < b.y ? fmaf(y - a.y, upper, a.x) : fmaf(y - b.y, lower, b.x);
        const int left = first(fminf(x0, x1)), right = min(first(fmaxf(x0, x1)), width);
        for (int x = left + threadIdx.x; x < right; x += blockDim.x)
            atomicMax(owner + (size_t)y * width + x, (int)blockIdx.x + 1);
    }
}

// A value that is linear over a triangle, in the units of its fixed-point form.
struct Plane {
    float dx, dy;

    __device__ __forceinline__ Plane(float2 ab, float2 ac, float b, float c, float inverse)
        : dx((b * ac.y - c * ab.y) * inverse), dy((c * ab.x - b * ac.x) * inverse) {}

    __device__ __forceinline__ float at(float start, float x, float y) const { return start + x * dx + y * dy; }
};

extern "C" __global__ void __launch_bounds__(256) raster_resolve(
    const float2* __restrict__ px, const float2* __restrict__ texture, const float* __restrict__ shade,
    const int* __restrict__ triangles, int* __restrict__ owner, short2* __restrict__ whole,
    unsigned short* __restrict__ fraction, unsigned short* __restrict__ gain, int height, int width)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height)
        return;
    const size_t at = (size_t)y * width + x;
    const int t = owner[at] - 1;
    if (t < 0)
        return;
    owner[at] = 0;
    const Corners k = sorted(px, triangles + 3 * t);
    const float2 a = px[k.a], b = px[k.b], c = px[k.c];
    const float2 ta = texture[k.a], tb = texture[k.b], tc = texture[k.c];
    const float2 ab = make_float2(b.x - a.x, b.y - a.y), ac = make_float2(c.x - a.x, c.y - a.y);
    const float inverse = 1.f / doubled_area(a, b, c);
    const Plane u(ab, ac, tb.x - ta.x, tc.x - ta.x, inverse), v(ab, ac, tb.y - ta.y, tc.y - ta.y, inverse);
    const Plane g(ab, ac, shade[k.b] - shade[k.a], shade[k.c] - shade[k.a], inverse);
    const float dx = x - a.x, dy = y - a.y;
    const int iu = (int)floorf(bounded(u.at(ta.x, dx, dy) * FRACTION + 0.5f));
    const int iv = (int)floorf(bounded(v.at(ta.y, dx, dy) * FRACTION + 0.5f));
    whole[at] = make_short2((short)(iu >> 5), (short)(iv >> 5));
    fraction[at] = (unsigned short)((iv & 31) << 5 | (iu & 31));
    gain[at] = (unsigned short)(int)bounded(g.at(shade[k.a], dx, dy) * GAIN_ONE);
}
