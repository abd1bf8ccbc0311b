// Dense backward warp: out(p) = image(map(p)), places in pixels, pixel centres at whole numbers.
//
// Bytes per output pixel at 1080p: 8 of map, 3 (RGB u8) to 12 (f32) written, and about as many of the image read once
// from memory when the map is smooth, since its taps then hit L1: 14 for RGB u8, 32 for f32. 32x8 threads cover a patch
// of the picture, whose taps share cache lines. Bilinear needs <= 40 registers: 6 blocks of 256 threads or more on an SM,
// enough loads in flight to stay bound by memory; bicubic up to 80, 3 blocks, with 8 times the loads per thread in their
// place. Border arithmetic is done once per pixel, not per channel.
#include "common.cuh"

template <bool CUBIC> struct Taps {
    static const int N = CUBIC ? 4 : 2;
    int x[N], y[N];
    float wx[N], wy[N];

    __device__ __forceinline__ Taps(float2 at, int width, int height, int border)
    {
        axis(bounded(at.x), width, border, x, wx);
        axis(bounded(at.y), height, border, y, wy);
    }

    static __device__ __forceinline__ void axis(float at, int n, int border, int* index, float* weight)
    {
        const float low = floorf(at), t = at - low;
        if (CUBIC) {
            cubic_weights(t, weight);
        } else {
            weight[0] = 1.f - t;
            weight[1] = t;
        }
        const int first = (int)low - (CUBIC ? 1 : 0);
        #pragma unroll
        for (int i = 0; i < N; ++i)
            index[i] = border_index(first + i, n, border, weight[i]);
    }
};

template <typename T, bool LAST, bool CUBIC>
__device__ __forceinline__ void warp(const T* __restrict__ image, const float2* __restrict__ map, T* __restrict__ out,
                                     int channels, int height, int width, int rows, int columns, int border)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, b = blockIdx.z;
    if (x >= columns || y >= rows)
        return;
    const size_t place = (size_t)y * columns + x, area = (size_t)rows * columns, plane = (size_t)height * width;
    const Taps<CUBIC> taps(map[b * area + place], width, height, border);
    image += b * plane * channels;
    out += b * area * channels;
    const int across = LAST ? channels : 1;
    for (int c = 0; c < channels; ++c) {
        const T* from = image + (LAST ? (size_t)c : c * plane);
        float sum = 0.f;
        #pragma unroll
        for (int j = 0; j < Taps<CUBIC>::N; ++j) {
            const T* row = from + (size_t)taps.y[j] * width * across;
            float line = 0.f;
            #pragma unroll
            for (int i = 0; i < Taps<CUBIC>::N; ++i)
                line = fmaf(taps.wx[i], load(row + (size_t)taps.x[i] * across), line);
            sum = fmaf(taps.wy[j], line, sum);
        }
        store(out + (LAST ? place * channels + c : c * area + place), sum);
    }
}

// Four u8 channels side by side are one 4-byte load per tap and one store.
template <bool CUBIC>
__device__ __forceinline__ void warp_rgba(const uchar4* __restrict__ image, const float2* __restrict__ map,
                                          uchar4* __restrict__ out, int height, int width, int rows, int columns, int border)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, b = blockIdx.z;
    if (x >= columns || y >= rows)
        return;
    const size_t place = ((size_t)b * rows + y) * columns + x;
    const Taps<CUBIC> taps(map[place], width, height, border);
    image += (size_t)b * height * width;
    float sum[4] = {0.f, 0.f, 0.f, 0.f};
    #pragma unroll
    for (int j = 0; j < Taps<CUBIC>::N; ++j) {
        #pragma unroll
        for (int i = 0; i < Taps<CUBIC>::N; ++i) {
            const uchar4 p = image[(size_t)taps.y[j] * width + taps.x[i]];
            const float w = taps.wy[j] * taps.wx[i];
            sum[0] = fmaf(w, (float)p.x, sum[0]);
            sum[1] = fmaf(w, (float)p.y, sum[1]);
            sum[2] = fmaf(w, (float)p.z, sum[2]);
            sum[3] = fmaf(w, (float)p.w, sum[3]);
        }
    }
    uchar4 q;
    store(&q.x, sum[0]);
    store(&q.y, sum[1]);
    store(&q.z, sum[2]);
    store(&q.w, sum[3]);
    out[place] = q;
}

#define WARP(NAME, T, LAST, CUBIC) \
extern "C" __global__ void __launch_bounds__(256) NAME( \
    const T* __restrict__ image, const float2* __restrict__ map, T* __restrict__ out, int channels, int height, int width, \
    int rows, int columns, int border) \
{ \
    warp<T, LAST, CUBIC>(image, map, out, channels, height, width, rows, columns, border); \
}

#define WARP_RGBA(NAME, CUBIC) \
extern "C" __global__ void __launch_bounds__(256) NAME( \
    const uchar4* __restrict__ image, const float2* __restrict__ map, uchar4* __restrict__ out, int height, int width, \
    int rows, int columns, int border) \
{ \
    warp_rgba<CUBIC>(image, map, out, height, width, rows, columns, border); \
}

WARP(warp_hwc_u8_bilinear, unsigned char, true, false)
WARP(warp_hwc_f16_bilinear, Half, true, false)
WARP(warp_hwc_f32_bilinear, float, true, false)
WARP(warp_chw_u8_bilinear, unsigned char, false, false)
WARP(warp_chw_f16_bilinear, Half, false, false)
WARP(warp_chw_f32_bilinear, float, false, false)
WARP(warp_hwc_u8_bicubic, unsigned char, true, true)
WARP(warp_hwc_f16_bicubic, Half, true, true)
WARP(warp_hwc_f32_bicubic, float, true, true)
WARP(warp_chw_u8_bicubic, unsigned char, false, true)
WARP(warp_chw_f16_bicubic, Half, false, true)
WARP(warp_chw_f32_bicubic, float, false, true)
WARP_RGBA(warp_rgba_bilinear, false)
WARP_RGBA(warp_rgba_bicubic, true)
