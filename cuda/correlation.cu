// Windowed lookup in a correlation pyramid that is never built: each pixel multiplies its own features with the 8x8 keys
// around the place it asks for, at one of four levels, and interpolates the 7x7 window (Teed and Deng 2020, Li et al. 2023).
//
// A block does 8 neighbouring pixels at one level, a warp each: a lane computes two of the 64 dot products, reading its
// key row (channels last) 16 bytes at a time; the query is one broadcast load. Keys come from L1/L2, as neighbouring
// pixels ask for overlapping windows: 64 x C x 4 = 32 KB per pixel and level there, but from memory each level is read
// about once. At 720p (90 x 160, C = 128): 7.4 MB of features and 11.3 MB of windows per direction, where the volume
// would be 1.1 GB. Results go out pixel by pixel in whole 32-byte sectors. 2 KB of shared memory and <= 64 registers a
// thread: 4 to 6 blocks, 32 to 48 warps per SM.
#include "common.cuh"

#define RADIUS 3
#define SIDE 7               // 2 RADIUS + 1
#define GRID 8               // whole places that a window between pixels touches, per axis
#define PIXELS 8

template <typename T>
__device__ __forceinline__ float dot(const T* __restrict__ a, const T* __restrict__ b, int channels)
{
    float sum = 0.f;
    #pragma unroll 4
    for (int c = 0; c < channels; c += 4) {
        const float4 p = load4(a + c), q = load4(b + c);
        sum = fmaf(p.x, q.x, fmaf(p.y, q.y, fmaf(p.z, q.z, fmaf(p.w, q.w, sum))));
    }
    return sum;
}

template <typename T> struct Level { const T* keys; int height, width; };

// queries [B, H W, C], keys of each level [B, h, w, C], coords [B, 2, H W] (x then y), out [B, 4 x 49, H W].
template <typename T>
__device__ __forceinline__ void correlation(const T* __restrict__ queries, const Level<T>& level,
                                            const float* __restrict__ coords, float* __restrict__ out, int channels,
                                            int pixels, float scale, float (*dots)[GRID * GRID], float (*part)[2])
{
    const int lane = threadIdx.x, slot = threadIdx.y, b = blockIdx.z;
    const int pixel = blockIdx.x * PIXELS + slot;
    if (pixel < pixels) {
        const float far = (float)(max(level.height, level.width) + 2 * SIDE), shrink = 1.f / (float)(1 << blockIdx.y);
        const float* at = coords + (size_t)b * 2 * pixels + pixel;
        const float x = fminf(fmaxf(at[0] * shrink, -far), far), y = fminf(fmaxf(at[pixels] * shrink, -far), far);
        const float fx = floorf(x), fy = floorf(y);
        if (lane == 0) {
            part[slot][0] = x - fx;
            part[slot][1] = y - fy;
        }
        const T* query = queries + ((size_t)b * pixels + pixel) * channels;
        for (int n = lane; n < GRID * GRID; n += 32) {
            const int kx = (int)fx - RADIUS + n / GRID, ky = (int)fy - RADIUS + n % GRID;   // x runs along the rows
            float value = 0.f;
            if (kx >= 0 && kx < level.width && ky >= 0 && ky < level.height) {
                const size_t key = ((size_t)b * level.height + ky) * level.width + kx;
                value = scale * dot(query, level.keys + key * channels, channels);
            }
            dots[slot][n] = value;
        }
    }
    __syncthreads();
    out += ((size_t)b * gridDim.y + blockIdx.y) * SIDE * SIDE * pixels;
    for (int n = slot * 32 + lane; n < SIDE * SIDE * PIXELS; n += 32 * PIXELS) {
        const int s = n % PIXELS, w = n / PIXELS, p = blockIdx.x * PIXELS + s;
        if (p >= pixels)
            continue;
        const float* d = dots[s] + w / SIDE * GRID + w % SIDE;
        const float u = part[s][0], v = part[s][1];
        const float near = d[0] * (1.f - u) + d[GRID] * u, next = d[1] * (1.f - u) + d[GRID + 1] * u;
        out[(size_t)w * pixels + p] = near * (1.f - v) + next * v;
    }
}

#define CORRELATION(NAME, T) \
extern "C" __global__ void __launch_bounds__(256) NAME( \
    const T* __restrict__ queries, const T* __restrict__ k0, const T* __restrict__ k1, const T* __restrict__ k2, \
    const T* __restrict__ k3, const float* __restrict__ coords, float* __restrict__ out, int channels, int height, int width, \
    float scale) \
{ \
    __shared__ float dots[PIXELS][GRID * GRID]; \
    __shared__ float part[PIXELS][2]; \
    const int n = blockIdx.y; \
    const Level<T> level = {n == 0 ? k0 : n == 1 ? k1 : n == 2 ? k2 : k3, height >> n, width >> n}; \
    correlation<T>(queries, level, coords, out, channels, height * width, scale, dots, part); \
}

CORRELATION(correlation_f32, float)
CORRELATION(correlation_f16, Half)
