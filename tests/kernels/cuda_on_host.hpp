// Lets a host compiler build device code: a block at a time, its threads as threads of the host with a barrier.
#include <barrier>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __shared__ static

struct Index {
    unsigned x, y;
};
static thread_local Index threadIdx;
static Index blockIdx, blockDim, gridDim;
static std::barrier<> *block_barrier;

static inline void __syncthreads() { block_barrier->arrive_and_wait(); }
// Volatile: the compiler for the host must fuse no more than that for the device.
static inline double __dmul_rn(double a, double b) { volatile double c = a * b; return c; }
static inline double __dadd_rn(double a, double b) { volatile double c = a + b; return c; }
static inline double __longlong_as_double(long long bits) { double x; std::memcpy(&x, &bits, 8); return x; }
static inline long long __double_as_longlong(double x) { long long bits; std::memcpy(&bits, &x, 8); return bits; }
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
using std::fma;

template <class Kernel> static void on_host(unsigned x, unsigned y, unsigned threads, Kernel kernel) {
    gridDim = {x, y};
    blockDim = {threads, 1};
    for (unsigned i = 0; i < x; i++)
        for (unsigned j = 0; j < y; j++) {
            blockIdx = {i, j};
            std::barrier<> barrier(threads);
            block_barrier = &barrier;
            std::vector<std::thread> team;
            for (unsigned t = 0; t < threads; t++)
                team.emplace_back([=] {
                    threadIdx = {t, 0};
                    kernel();
                });
            for (auto &member : team) member.join();
        }
}
