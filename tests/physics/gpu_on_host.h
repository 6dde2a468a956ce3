// What a CUDA kernel needs to run on the CPU: its blocks one after the other, the threads of a block as threads of the
// host where the kernel has a barrier, and one after the other where it has none. For correctness, not for speed.
#include <barrier>
#include <cmath>
#include <cstddef>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(most)
#define __shared__ static  // one copy for all threads; blocks do not overlap

struct Index {
    unsigned x, y, z;
};
static thread_local Index threadIdx, blockIdx;
static Index blockDim, gridDim;
static std::unique_ptr<std::barrier<>> gate;

static inline float __fmul_rn(float a, float b) { return a * b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline void __syncthreads() { gate->arrive_and_wait(); }

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void** values, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(values[I])...);
}

// Arguments as cuLaunchKernel takes them, with their sizes; returns nonzero where those are not the kernel's.
template <class... A>
static int launch(
    void (*kernel)(A...), bool barriers, const unsigned* grid, unsigned threads, int count, const int* sizes,
    void** values) {
    const int expected[] = {int(sizeof(A))...};
    if (count != int(sizeof...(A))) return 1;
    for (int k = 0; k < count; ++k)
        if (sizes[k] != expected[k]) return 2 + k;
    gridDim = {grid[0], grid[1], 1}, blockDim = {threads, 1, 1};
    const auto everyone = std::index_sequence_for<A...>{};
    for (unsigned y = 0; y < grid[1]; ++y)
        for (unsigned x = 0; x < grid[0]; ++x) {
            const auto one = [&](unsigned t) {
                threadIdx = {t, 0, 0}, blockIdx = {x, y, 0};
                call(kernel, values, everyone);
                if (barriers) gate->arrive_and_drop();
            };
            if (!barriers) {
                for (unsigned t = 0; t < threads; ++t) one(t);
                continue;
            }
            gate = std::make_unique<std::barrier<>>(threads);
            std::vector<std::thread> team;
            for (unsigned t = 0; t < threads; ++t) team.emplace_back(one, t);
            for (auto& member : team) member.join();
        }
    return 0;
}
