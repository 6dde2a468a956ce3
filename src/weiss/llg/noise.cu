// CUDA twin of noise.py: the same integers for a film, step and cell, and the same normals to rounding.
//
// The compiler's option REAL is float or double. Nothing is included, so that NVRTC needs no header.

typedef REAL real;

struct Block {
    unsigned a, b, c, d;
};

// Philox4x32-10 (Salmon et al., SC'11): four random integers for a counter of four and a key of two.
static __device__ __forceinline__ Block philox(Block c, unsigned k0, unsigned k1) {
    for (int round = 0; round < 10; ++round) {
        const unsigned long long p = 0xD2511F53ull * c.a, q = 0xCD9E8D57ull * c.c;
        c = {unsigned(q >> 32) ^ c.b ^ k0, unsigned(q), unsigned(p >> 32) ^ c.d ^ k1, unsigned(p)};
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return c;
}

// Inside (0, 1); may round to 1 in single precision.
static __device__ __forceinline__ real uniform(unsigned i) { return (real(i) + real(0.5)) * real(1.0 / 4294967296.0); }

// The three standard normals of a cell (Box and Muller 1958) into n.
static __device__ __forceinline__ void philox_normal(unsigned cell, const unsigned* key_and_step, real* n) {
    const Block u = philox({cell, 0, key_and_step[2], key_and_step[3]}, key_and_step[0], key_and_step[1]);
    const real turn = real(6.283185307179586), radius = sqrt(real(-2) * log(uniform(u.a)));
    const real angle = turn * uniform(u.b);
    n[0] = radius * cos(angle);
    n[1] = radius * sin(angle);
    n[2] = sqrt(real(-2) * log(uniform(u.c))) * cos(turn * uniform(u.d));
}

// out = scale amplitude normal for the films film_of[0], film_of[1], ...; a thread a cell, y of the grid the film.
// numbers holds key (2) and step (low, high) of each of these films, scale one factor; amplitude is (films, rows, nx).
extern "C" __global__ void noise(
    int cells, int nx, int rows, const int* film_of, const unsigned* numbers, const real* scale, const real* amplitude,
    real* out) {
    const int cell = blockIdx.x * blockDim.x + threadIdx.x;
    if (cell >= cells) return;
    const int slot = blockIdx.y;
    const size_t film = film_of[slot];
    const real size = scale[slot] * amplitude[film * rows * nx + (rows > 1 ? cell : cell % nx)];
    real n[3];
    philox_normal(cell, numbers + 4 * slot, n);
    for (int axis = 0; axis < 3; ++axis) out[(3 * film + axis) * cells + cell] = size * n[axis];
}
