// What the kernels need of CUDA, for a C++ compiler: a block's threads run one after another on the CPU, each in a
// context of its own where the kernel meets at barriers. Slow, exact, and the same source as on the device.
#pragma once
#define LIMNER_HOST
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#define __global__ __attribute__((noinline))
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

using std::max;
using std::min;

struct dim3 { unsigned x, y, z; };
static dim3 gridDim, blockDim, blockIdx, threadIdx;

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(4) uchar4 { unsigned char x, y, z, w; };
struct alignas(8) ushort4 { unsigned short x, y, z, w; };
struct alignas(4) short2 { short x, y; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uchar4 make_uchar4(int x, int y, int z, int w)
{
    return {(unsigned char)x, (unsigned char)y, (unsigned char)z, (unsigned char)w};
}
inline short2 make_short2(short x, short y) { return {x, y}; }

inline int atomicMax(int* at, int value)
{
    const int old = *at;
    *at = std::max(old, value);
    return old;
}

struct Half;
inline float half_to_float(Half h);
inline Half float_to_half(float f);

// One context per thread of the block; a barrier hands over to the next one that has not ended.
static std::vector<ucontext_t> contexts;
static std::vector<std::vector<char>> stacks;
static std::vector<dim3> indices;
static std::vector<bool> ended;
static ucontext_t outside;
static size_t running;
static const std::function<void()>* body;

inline void __syncthreads()
{
    const size_t self = running;
    size_t next = self;
    do
        next = (next + 1) % contexts.size();
    while (ended[next]);
    running = next;
    threadIdx = indices[next];
    if (next != self)
        swapcontext(&contexts[self], &contexts[next]);
}

inline void thread_main()
{
    (*body)();
    ended[running] = true;
    for (size_t next = 0; next < ended.size(); ++next) {
        if (!ended[next]) {
            running = next;
            threadIdx = indices[next];
            setcontext(&contexts[next]);
        }
    }
    setcontext(&outside);
}

inline void run_together(const std::function<void()>& call)
{
    const size_t count = (size_t)blockDim.x * blockDim.y * blockDim.z;
    body = &call;
    contexts.resize(count);
    stacks.resize(count);
    indices.resize(count);
    ended.assign(count, false);
    for (size_t n = 0; n < count; ++n) {
        const unsigned i = (unsigned)n;
        indices[n] = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        stacks[n].resize(1 << 15);
        getcontext(&contexts[n]);
        contexts[n].uc_stack.ss_sp = stacks[n].data();
        contexts[n].uc_stack.ss_size = stacks[n].size();
        contexts[n].uc_link = nullptr;
        makecontext(&contexts[n], thread_main, 0);
    }
    running = 0;
    threadIdx = indices[0];
    swapcontext(&outside, &contexts[0]);
}

template <typename... A, size_t... I>
void launch(void (*kernel)(A...), const unsigned* grid, const unsigned* block, void** arguments, bool barriers,
            std::index_sequence<I...>)
{
    const std::function<void()> call = [&] { kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...); };
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
                if (barriers) {
                    run_together(call);
                    continue;
                }
                for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x)
                            kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
            }
}

template <typename... A>
int launch(void (*kernel)(A...), const unsigned* grid, const unsigned* block, void** arguments, int count, bool barriers)
{
    if (count != (int)sizeof...(A))
        return (int)sizeof...(A);
    launch(kernel, grid, block, arguments, barriers, std::index_sequence_for<A...>());
    return -1;
}

#define EXPORT(NAME, BARRIERS) \
extern "C" int launch_##NAME(const unsigned* grid, const unsigned* block, void** arguments, int count) \
{ \
    return launch(NAME, grid, block, arguments, count, BARRIERS); \
}
