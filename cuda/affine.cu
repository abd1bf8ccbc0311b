// AdaAT: each channel of a feature map scaled, turned and shifted by its own 2x3 matrix, after a fixed mix of two
// neighbouring channels (the depth axis of the published volume sampler). No grid is ever in memory.
//
// Bytes: every value written once, and read about once from memory (the four taps of neighbouring pixels, and channel
// j + 1 of the block that does channel j, hit L2): 2 x 256 x 104 x 80 x 2 = 8.5 MB for DINet's map in f16, where the
// published form also writes and reads a 25.6 MB grid. A block does 1024 pixels of one channel, 4 per thread and a
// block's width apart, so that stores stay coalesced; 256 threads at <= 40 registers fill an SM's 2048.
#include "common.cuh"

// Bilinear tap of one channel, zero outside. (x, y) is the tap at the upper left, (u, v) the share past it.
template <typename T>
__device__ __forceinline__ float tap(const T* __restrict__ map, int x, int y, float u, float v, int width, int height)
{
    float sum = 0.f;
    #pragma unroll
    for (int j = 0; j < 2; ++j) {
        #pragma unroll
        for (int i = 0; i < 2; ++i) {
            const bool inside = x + i >= 0 && x + i < width && y + j >= 0 && y + j < height;
            const float w = (i ? u : 1.f - u) * (j ? v : 1.f - v);
            if (inside)
                sum = fmaf(w, load(map + (size_t)(y + j) * width + x + i), sum);
        }
    }
    return sum;
}

// Channel k reads depth k C / (C - 1) - 1/2, in whole numbers up to the last division: `low` and `low + 1`.
__device__ __forceinline__ void depth(int k, int channels, int& low, float& upper)
{
    const int den = 2 * (channels - 1), num = 2 * k * channels - (channels - 1);
    low = num < 0 ? -1 : num / den;
    upper = (float)(num - low * den) / (float)den;
}

// Column or row `i` of `n` in -1..1, end points included; the middle where there is only one.
__device__ __forceinline__ float normal(int i, int n) { return n > 1 ? (float)(2 * i - (n - 1)) / (float)(n - 1) : 0.f; }

// `mixed`: the channels of `map` are already mixed, each is sampled alone.
template <typename T>
__device__ __forceinline__ void affine(const T* __restrict__ map, const float* __restrict__ theta, T* __restrict__ out,
                                       int channels, int height, int width, int mixed)
{
    const int k = blockIdx.y, b = blockIdx.z, area = height * width;
    const float* m = theta + 6 * ((size_t)b * channels + k);
    const float a0 = m[0], a1 = m[1], a2 = m[2], b0 = m[3], b1 = m[4], b2 = m[5];
    int low = k;
    float upper = 0.f;
    if (!mixed)
        depth(k, channels, low, upper);
    const T* volume = map + (size_t)b * channels * area;
    T* target = out + ((size_t)b * channels + k) * area;
    for (int n = 0; n < 4; ++n) {
        const int i = (blockIdx.x * 4 + n) * blockDim.x + threadIdx.x;
        if (i >= area)
            return;
        const float nx = normal(i % width, width), ny = normal(i / width, height);
        const float gx = fmaf(a0, nx, fmaf(a1, ny, a2)), gy = fmaf(b0, nx, fmaf(b1, ny, b2));
        const float px = bounded(0.5f * (fmaf(gx, (float)width, (float)width) - 1.f));
        const float py = bounded(0.5f * (fmaf(gy, (float)height, (float)height) - 1.f));
        const float fx = floorf(px), fy = floorf(py), u = px - fx, v = py - fy;
        float sum = 0.f;
        if (low >= 0 && upper < 1.f)
            sum = (1.f - upper) * tap(volume + (size_t)low * area, (int)fx, (int)fy, u, v, width, height);
        if (upper > 0.f && low + 1 < channels)
            sum = fmaf(upper, tap(volume + (size_t)(low + 1) * area, (int)fx, (int)fy, u, v, width, height), sum);
        store(target + i, sum);
    }
}

#define AFFINE(NAME, T) \
extern "C" __global__ void __launch_bounds__(256) NAME( \
    const T* __restrict__ map, const float* __restrict__ theta, T* __restrict__ out, int channels, int height, int width, \
    int mixed) \
{ \
    affine<T>(map, theta, out, channels, height, width, mixed); \
}

AFFINE(affine_f32, float)
AFFINE(affine_f16, Half)
