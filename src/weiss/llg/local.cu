// The local terms of a batch in one launch: a thread a cell, blocks of TILE_X x TILE_Y cells of one layer, so that m of
// the rows above and below comes from the L1 cache for most cells.
//
// Before this text fused.py puts cells.cu, the snippets of the terms, and the macros
//   PARAMETERS  the parameters of the kernel that belong to the terms,
//   ADD_TERMS   what adds their fields to `h`.
// The compiler's options say
//   TILE_X, TILE_Y  columns and rows of a block's tile,
//   BASE            1 where `base` holds the field of all other terms,
//   RATE            0: the effective field is written to `field`; 1: dm/dt to `out`, and the field if there is a `field`;
//                   2: likewise without precession,
//   ALPHA_SIZE      values of alpha for one film.

#define MOST_THREADS 256

// dm/dt as in vectors/cpu.py.
static __device__ __forceinline__ Vector rate(const Vector& m, const Vector& h, real alpha, real gamma0) {
    const Vector mh = cross(m, h), mmh = cross(m, mh);
    if (RATE == 2) return -gamma0 * mmh;
    const real turn = -gamma0 / (1 + alpha * alpha);
    return turn * mh + (turn * alpha) * mmh;
}

// For the films film_of[0], film_of[1], ...; `base` may be what is written: a thread writes where it alone has read.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) local(
    const int* film_of, const real* __restrict__ m_of, const real* base, const real* __restrict__ alpha_of,
    const real* __restrict__ gamma0_of, real* field, real* out PARAMETERS) {
    constexpr int across = (NX + TILE_X - 1) / TILE_X, down = (NY + TILE_Y - 1) / TILE_Y;
    const int tile = blockIdx.x, thread = threadIdx.x;
    const Cell cell = {
        tile % across * TILE_X + thread % TILE_X, tile / across % down * TILE_Y + thread / TILE_X,
        tile / (across * down), true};
    if (cell.x >= NX || cell.y >= NY) return;
    const int number = film_of[blockIdx.y];
    const size_t first = 3 * (size_t)CELLS * number, i = first + cell.index(), j = i + CELLS, k = j + CELLS;
    const Film film = {m_of + first};
    const Vector m = film.m(cell);
    Vector h = {0, 0, 0};
    if (BASE) h = {base[i], base[j], base[k]};
    if (m.x != 0 || m.y != 0 || m.z != 0) {  // material
        ADD_TERMS
    }
    if (field) field[i] = h.x, field[j] = h.y, field[k] = h.z;
    if (RATE > 0) {
        const real alpha = Parameter<ALPHA_SIZE>{alpha_of + (size_t)ALPHA_SIZE * number}(cell);
        const Vector v = rate(m, h, alpha, gamma0_of[number]);
        out[i] = v.x, out[j] = v.y, out[k] = v.z;
    }
}
