// What every kernel here shares: element types, loads and stores in float, borders, cubic weights.
// No header of the toolkit is needed, so that NVRTC compiles these files on machines that only have a driver.
#pragma once

struct __align__(2) Half { unsigned short bits; };

#ifndef LIMNER_HOST          // compiled as C++ for the CPU, the two conversions come from outside
__device__ __forceinline__ float half_to_float(Half h)
{
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h.bits));
    return f;
}

__device__ __forceinline__ Half float_to_half(float f)
{
    Half h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(f));
    return h;
}
#endif

__device__ __forceinline__ float load(const float* p) { return *p; }
__device__ __forceinline__ float load(const Half* p) { return half_to_float(*p); }
__device__ __forceinline__ float load(const unsigned char* p) { return (float)*p; }

__device__ __forceinline__ void store(float* p, float v) { *p = v; }
__device__ __forceinline__ void store(Half* p, float v) { *p = float_to_half(v); }
__device__ __forceinline__ void store(unsigned char* p, float v)
{
    *p = (unsigned char)rintf(fminf(fmaxf(v, 0.f), 255.f));          // half to even, as NumPy's rint
}

// Four neighbours in one transaction: 16 bytes of float, 8 of half. `p` is aligned to that.
__device__ __forceinline__ float4 load4(const float* p) { return *reinterpret_cast<const float4*>(p); }
__device__ __forceinline__ float4 load4(const Half* p)
{
    const ushort4 q = *reinterpret_cast<const ushort4*>(p);
    return make_float4(half_to_float(Half{q.x}), half_to_float(Half{q.y}),
                       half_to_float(Half{q.z}), half_to_float(Half{q.w}));
}

enum Border { ZEROS = 0, EDGE = 1, REFLECT = 2 };

// Beyond this no index is exact in float; NaN becomes -FAR. Far outside is outside in every border mode but REFLECT.
#define FAR 4194304.f
__device__ __forceinline__ float bounded(float x) { return fminf(fmaxf(x, -FAR), FAR); }

// Index of a tap at whole place `i` on an axis of `n`, and whether it counts. REFLECT mirrors about the outer centres.
__device__ __forceinline__ int border_index(int i, int n, int border, float& weight)
{
    if (i >= 0 && i < n)
        return i;
    if (border == REFLECT && n > 1) {
        const int period = 2 * n - 2;
        i = (i < 0 ? -i : i) % period;
        return i < n ? i : period - i;
    }
    if (border == ZEROS)
        weight = 0.f;
    return i < 0 ? 0 : n - 1;
}

// Keys' cubic convolution with a = -3/4, as OpenCV and torch use it; `t` in [0, 1) past the second of four taps.
__device__ __forceinline__ void cubic_weights(float t, float* w)
{
    const float a = -0.75f, u = 1.f - t;
    w[0] = ((a * (t + 1.f) - 5.f * a) * (t + 1.f) + 8.f * a) * (t + 1.f) - 4.f * a;
    w[1] = ((a + 2.f) * t - (a + 3.f)) * t * t + 1.f;
    w[2] = ((a + 2.f) * u - (a + 3.f)) * u * u + 1.f;
    w[3] = 1.f - w[0] - w[1] - w[2];
}
