// Pasting a drawn mouth back: `blend_paste` resizes the drawing, adds the colour offset and lays it in through the
// feathered mask in one pass over the picture; three small kernels find the offset beforehand.
//
// blend_paste, bytes per pixel under the mask: 3 read, 3 written, 4 of mask, and the drawing once (16 taps hit L1): some
// 13; pixels the mask leaves alone cost its 4 bytes. A 600 x 500 px region is 4 MB, a few microseconds; 256 threads at
// 80 registers are 3 blocks per SM, each thread with 48 taps to keep loads in flight.
//
// The offset works on one cell per 8 x 8 px of the drawing (52 x 40 for 416 x 320): about 2 MB read once, then a Gaussian
// as two products with [52, 52] and [40, 40] tables, all in L2: bound by its launches, hence no shared memory and no
// reduction tree.
#include "common.cuh"

// Mean of a drawing over one cell of a `rows` x `columns` grid, edges cut exactly; its weighted distance from `seen`.
template <typename T>
__device__ __forceinline__ void coarse(const T* __restrict__ drawing, const float* __restrict__ seen,
                                       const float* __restrict__ surround, float* __restrict__ out, int height, int width,
                                       int step, int plane, float gain, int rows, int columns)
{
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= rows * columns * 3)
        return;
    const int c = n % 3, cell = n / 3, i = cell / columns, j = cell % columns;
    const float weight = surround[cell];
    float mean = 0.f;
    if (weight != 0.f) {
        const float tall = (float)height / rows, wide = (float)width / columns;
        const float top = i * tall, bottom = top + tall, left = j * wide, right = left + wide;
        for (int y = (int)top; y < min((int)ceilf(bottom), height); ++y) {
            float line = 0.f;
            for (int x = (int)left; x < min((int)ceilf(right), width); ++x) {
                const float share = fminf(x + 1.f, right) - fmaxf((float)x, left);
                line = fmaf(share, load(drawing + ((size_t)y * width + x) * step + (size_t)c * plane), line);
            }
            mean = fmaf(fminf(y + 1.f, bottom) - fmaxf((float)y, top), line, mean);
        }
        mean *= gain / (tall * wide);
    }
    out[n] = weight * (seen[n] - mean);
}

// out [rows, columns + 1, 3]: every row blurred, and after it its plain sum.
extern "C" __global__ void __launch_bounds__(128) blend_rows(
    const float* __restrict__ cells, const float* __restrict__ across, float* __restrict__ out, int rows, int columns)
{
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= rows * (columns + 1) * 3)
        return;
    const int c = n % 3, j = n / 3 % (columns + 1), i = n / 3 / (columns + 1);
    float sum = 0.f;
    for (int k = 0; k < columns; ++k)
        sum = fmaf(j < columns ? across[j * columns + k] : 1.f, cells[(i * columns + k) * 3 + c], sum);
    out[n] = sum;
}

// offset [rows, columns, 3] = (blurred distance + a little of the mean distance) / blurred weight.
extern "C" __global__ void __launch_bounds__(128) blend_columns(
    const float* __restrict__ lines, const float* __restrict__ down, const float* __restrict__ near,
    float* __restrict__ offset, int rows, int columns, float floor)
{
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= rows * columns * 3)
        return;
    const int c = n % 3, j = n / 3 % columns, i = n / 3 / columns;
    float sum = 0.f, total = 0.f;
    for (int k = 0; k < rows; ++k) {
        const float* line = lines + k * (columns + 1) * 3 + c;
        sum = fmaf(down[i * rows + k], line[j * 3], sum);
        total += line[columns * 3];
    }
    offset[n] = fmaf(floor, total, sum) / near[i * columns + j];
}

// Offset between the cells' centres, as a bilinear resize gives it; beyond the outer centres it stays.
__device__ __forceinline__ float offset_at(const float* __restrict__ offset, float x, float y, int rows, int columns, int c)
{
    x = fminf(fmaxf(x, 0.f), columns - 1.f);
    y = fminf(fmaxf(y, 0.f), rows - 1.f);
    const int j = (int)x, i = (int)y, right = min(j + 1, columns - 1), below = min(i + 1, rows - 1);
    const float u = x - j, v = y - i;
    const float upper = offset[(i * columns + j) * 3 + c] * (1.f - u) + offset[(i * columns + right) * 3 + c] * u;
    const float lower = offset[(below * columns + j) * 3 + c] * (1.f - u) + offset[(below * columns + right) * 3 + c] * u;
    return upper * (1.f - v) + lower * v;
}

// `xx` .. `oy`: pixels of the region to pixels of the drawing. `picture` points at the region's first pixel.
template <typename T>
__device__ __forceinline__ void paste(unsigned char* __restrict__ picture, int pitch, const float* __restrict__ mask,
                                      int rows, int columns, const T* __restrict__ drawing, int height, int width, int step,
                                      int plane, float gain, const float* __restrict__ offset, int cells_down,
                                      int cells_across, float xx, float xy, float ox, float yx, float yy, float oy,
                                      float opacity)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows)
        return;
    const float m = mask[(size_t)y * columns + x] * opacity;
    if (m == 0.f)
        return;
    const float px = bounded(fmaf(xx, (float)x, fmaf(xy, (float)y, ox)));
    const float py = bounded(fmaf(yx, (float)x, fmaf(yy, (float)y, oy)));
    const float fx = floorf(px), fy = floorf(py);
    float wx[4], wy[4];
    cubic_weights(px - fx, wx);
    cubic_weights(py - fy, wy);
    int at_x[4], at_y[4];
    #pragma unroll
    for (int i = 0; i < 4; ++i) {
        at_x[i] = min(max((int)fx - 1 + i, 0), width - 1);
        at_y[i] = min(max((int)fy - 1 + i, 0), height - 1);
    }
    const float cx = (px + 0.5f) * cells_across / width - 0.5f, cy = (py + 0.5f) * cells_down / height - 0.5f;
    unsigned char* pixel = picture + (size_t)y * pitch + 3 * x;
    for (int c = 0; c < 3; ++c) {
        float sum = 0.f;
        #pragma unroll
        for (int j = 0; j < 4; ++j) {
            float line = 0.f;
            #pragma unroll
            for (int i = 0; i < 4; ++i)
                line = fmaf(wx[i], load(drawing + ((size_t)at_y[j] * width + at_x[i]) * step + (size_t)c * plane), line);
            sum = fmaf(wy[j], line, sum);
        }
        const float full = fmaf(sum, gain, offset_at(offset, cx, cy, cells_down, cells_across, c));
        const float old = (float)pixel[c];
        pixel[c] = (unsigned char)fminf(fmaxf(fmaf(full - old, m, old) + 0.5f, 0.f), 255.f);
    }
}

#define BLEND(SUFFIX, T) \
extern "C" __global__ void __launch_bounds__(128) blend_coarse_##SUFFIX( \
    const T* __restrict__ drawing, const float* __restrict__ seen, const float* __restrict__ surround, \
    float* __restrict__ out, int height, int width, int step, int plane, float gain, int rows, int columns) \
{ \
    coarse<T>(drawing, seen, surround, out, height, width, step, plane, gain, rows, columns); \
} \
extern "C" __global__ void __launch_bounds__(256, 3) blend_paste_##SUFFIX( \
    unsigned char* __restrict__ picture, int pitch, const float* __restrict__ mask, int rows, int columns, \
    const T* __restrict__ drawing, int height, int width, int step, int plane, float gain, const float* __restrict__ offset, \
    int cells_down, int cells_across, float xx, float xy, float ox, float yx, float yy, float oy, float opacity) \
{ \
    paste<T>(picture, pitch, mask, rows, columns, drawing, height, width, step, plane, gain, offset, cells_down, \
             cells_across, xx, xy, ox, yx, yy, oy, opacity); \
}

BLEND(f32, float)
BLEND(f16, Half)
