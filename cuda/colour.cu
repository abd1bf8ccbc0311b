// RGB or RGBA to I420 or NV12, limited range, chroma the mean of its 2x2 pixels, opacity in a plane of its own.
//
// Whole-number arithmetic, so every device gives the same bytes. Bytes per pixel: 3 read, 1.5 written (4 and 2.5 with
// opacity); 1080p is 9.3 MB, about 3 us of an H200's memory. A thread does 4 columns of 2 rows: three 4-byte loads and
// one 4-byte store per row, two bytes of each chroma plane. Widths that 4 does not divide take single bytes.
#include "common.cuh"

struct Block { int r[2][4], g[2][4], b[2][4]; };

__device__ __forceinline__ void put(Block& p, int j, int i, int r, int g, int b)
{
    p.r[j][i] = r;
    p.g[j][i] = g;
    p.b[j][i] = b;
}

// Three words are four pixels: r g b r | g b r g | b r g b, lowest byte first.
__device__ __forceinline__ void read_row(Block& p, int j, const unsigned char* row)
{
    const unsigned int* words = reinterpret_cast<const unsigned int*>(row);
    const unsigned int a = words[0], b = words[1], c = words[2];
    put(p, j, 0, a & 255, a >> 8 & 255, a >> 16 & 255);
    put(p, j, 1, a >> 24, b & 255, b >> 8 & 255);
    put(p, j, 2, b >> 16 & 255, b >> 24, c & 255);
    put(p, j, 3, c >> 8 & 255, c >> 16 & 255, c >> 24);
}

// `m`: luma, Cb and Cr rows of the matrix in 1/65536. `wide` x `high`: even sizes of the planes.
template <int CHANNELS>
__device__ __forceinline__ void colour(const unsigned char* __restrict__ rgb, unsigned char* __restrict__ planes,
                                       unsigned char* __restrict__ alpha, int height, int width, const int (&m)[9], int nv12)
{
    const int wide = width + (width & 1), high = height + (height & 1);
    const int x = 4 * (blockIdx.x * blockDim.x + threadIdx.x), y = 2 * (blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= wide || y >= high)
        return;
    const size_t picture = blockIdx.z, area = (size_t)wide * high;
    rgb += picture * height * width * CHANNELS;
    unsigned char* luma = planes + picture * (area + area / 2);
    unsigned char* chroma = luma + area;
    const bool whole = width % 4 == 0;
    Block p;
    #pragma unroll
    for (int j = 0; j < 2; ++j) {
        const unsigned char* row = rgb + (size_t)min(y + j, height - 1) * width * CHANNELS;
        if (CHANNELS == 3 && whole) {
            read_row(p, j, row + 3 * x);
        } else {
            #pragma unroll
            for (int i = 0; i < 4; ++i) {
                const unsigned char* q = row + (size_t)min(x + i, width - 1) * CHANNELS;
                if (CHANNELS == 4) {
                    const uchar4 rgba = *reinterpret_cast<const uchar4*>(q);
                    put(p, j, i, rgba.x, rgba.y, rgba.z);
                    if (x + i < wide)
                        alpha[picture * area + (size_t)(y + j) * wide + x + i] = rgba.w;
                } else {
                    put(p, j, i, q[0], q[1], q[2]);
                }
            }
        }
        unsigned char l[4];
        #pragma unroll
        for (int i = 0; i < 4; ++i)
            l[i] = (unsigned char)((m[0] * p.r[j][i] + m[1] * p.g[j][i] + m[2] * p.b[j][i] + 1081344) >> 16);
        unsigned char* to = luma + (size_t)(y + j) * wide + x;
        if (whole) {
            *reinterpret_cast<uchar4*>(to) = make_uchar4(l[0], l[1], l[2], l[3]);
        } else {
            for (int i = 0; i < 4 && x + i < wide; ++i)
                to[i] = l[i];
        }
    }
    #pragma unroll
    for (int i = 0; i < 4; i += 2) {
        if (x + i >= wide)
            break;
        const int r = p.r[0][i] + p.r[0][i + 1] + p.r[1][i] + p.r[1][i + 1];
        const int g = p.g[0][i] + p.g[0][i + 1] + p.g[1][i] + p.g[1][i + 1];
        const int b = p.b[0][i] + p.b[0][i + 1] + p.b[1][i] + p.b[1][i + 1];
        const unsigned char cb = (unsigned char)((m[3] * r + m[4] * g + m[5] * b + 33685504) >> 18);
        const unsigned char cr = (unsigned char)((m[6] * r + m[7] * g + m[8] * b + 33685504) >> 18);
        const size_t at = (size_t)(y / 2) * (wide / 2) + (x + i) / 2;
        chroma[nv12 ? 2 * at : at] = cb;
        chroma[nv12 ? 2 * at + 1 : area / 4 + at] = cr;
    }
}

extern "C" __global__ void __launch_bounds__(256) colour_rgb(
    const unsigned char* __restrict__ rgb, unsigned char* __restrict__ planes, int height, int width,
    int yr, int yg, int yb, int ur, int ug, int ub, int vr, int vg, int vb, int nv12)
{
    const int m[9] = {yr, yg, yb, ur, ug, ub, vr, vg, vb};
    colour<3>(rgb, planes, nullptr, height, width, m, nv12);
}

extern "C" __global__ void __launch_bounds__(256) colour_rgba(
    const unsigned char* __restrict__ rgba, unsigned char* __restrict__ planes, unsigned char* __restrict__ alpha,
    int height, int width, int yr, int yg, int yb, int ur, int ug, int ub, int vr, int vg, int vb, int nv12)
{
    const int m[9] = {yr, yg, yb, ur, ug, ub, vr, vg, vb};
    colour<4>(rgba, planes, alpha, height, width, m, nv12);
}
