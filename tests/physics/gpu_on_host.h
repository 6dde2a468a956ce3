// What a CUDA kernel needs to run on the CPU: its blocks one after the other, and so the threads of a block, each up to
// the next barrier where the kernel has one. They take turns from the first to the last or from the last to the first, as
// drawn at every barrier, so that what needs one that is not there reads wrong values. For correctness, not for speed.
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(most)
#define __shared__ static  // one copy for all threads; blocks do not overlap

struct Index {
    unsigned x, y, z;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

// A thread of a block: a stack of its own, kept for the next block, and where it goes on.
struct Fiber {
    static constexpr std::size_t STACK = 1 << 17;
    char* stack;
    ucontext_t here;
    bool ended;
};
static Fiber fibers[1024];  // as many as a block may have
static ucontext_t block;
static void (*body)(void*);  // of a kernel with barriers, while it runs
static void* bound;
static bool stray;  // there was a barrier in a kernel that was said to have none
static unsigned drawn = 1;

static inline float __fmul_rn(float a, float b) { return a * b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline void __syncthreads() {
    if (body)
        swapcontext(&fibers[threadIdx.x].here, &block);
    else
        stray = true;
}

static void run_fiber() {
    body(bound);
    fibers[threadIdx.x].ended = true;  // and goes on in `block`
}

// Run `one` on every thread, each to its next barrier, until all have ended.
template <class One>
static void run_with_barriers(unsigned threads, One& one) {
    body = [](void* given) { (*static_cast<One*>(given))(); }, bound = &one;
    for (unsigned t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[t];
        if (!fiber.stack) fiber.stack = new char[Fiber::STACK];
        getcontext(&fiber.here);
        fiber.here.uc_stack.ss_sp = fiber.stack, fiber.here.uc_stack.ss_size = Fiber::STACK;
        fiber.here.uc_link = &block, fiber.ended = false;
        makecontext(&fiber.here, run_fiber, 0);
    }
    for (unsigned left = threads; left;) {
        const bool forwards = (drawn = 1664525 * drawn + 1013904223) >> 31;
        for (unsigned k = 0; k < threads; ++k) {
            threadIdx.x = forwards ? k : threads - 1 - k;
            Fiber& fiber = fibers[threadIdx.x];
            if (fiber.ended) continue;
            swapcontext(&block, &fiber.here);
            left -= fiber.ended;
        }
    }
    body = nullptr;
}

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void** values, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(values[I])...);
}

// Arguments as cuLaunchKernel takes them, with their sizes; returns nonzero where those are not the kernel's,
// or where it has barriers and `barriers` is false.
template <class... A>
static int launch(
    void (*kernel)(A...), bool barriers, const unsigned* grid, unsigned threads, int count, const int* sizes,
    void** values) {
    const int expected[] = {int(sizeof(A))...};
    if (count != int(sizeof...(A))) return 1;
    for (int k = 0; k < count; ++k)
        if (sizes[k] != expected[k]) return 2 + k;
    stray = false;
    gridDim = {grid[0], grid[1], 1}, blockDim = {threads, 1, 1};
    const auto everyone = std::index_sequence_for<A...>{};
    for (unsigned y = 0; y < grid[1]; ++y)
        for (unsigned x = 0; x < grid[0]; ++x) {
            auto one = [&] { call(kernel, values, everyone); };
            threadIdx = {0, 0, 0}, blockIdx = {x, y, 0};
            if (barriers)
                run_with_barriers(threads, one);
            else
                for (; threadIdx.x < threads; ++threadIdx.x) one();
        }
    return stray ? -1 : 0;
}
