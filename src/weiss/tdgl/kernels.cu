// CUDA twins of rhs.py: the same arithmetic, with every field read once and written once.
//
// The compiler's options, set by rhs_gpu.py, say
//   REAL   float or double,
//   WIDTH  how many cells of a row a thread loads at once: 16 bytes of them where the row length allows,
//   ROWS   how many rows a thread marches down, a divisor of ny: a row of the stencil's field is then loaded
//          (ROWS + 2) / ROWS times instead of 3.
// Nothing is included, so that NVRTC needs no header.
//
// A batch is worked on in slots: increments, and what belongs to them, are indexed by slot; maps and states by film;
// film_of says which film a slot holds. With the films sorted by stage count those still running fill the first slots.
// Nothing a film's result is made of depends on the grid's other films: no atomics, and sums in an order that
// ny and nx alone decide.

typedef REAL real;

// Numbers a slot has at every stage: mu, nu, tau mu~, tau gamma~ and the field h.
#define COEFFICIENTS 5

// Numbers `close` measures of a film: squares of the two error estimates, m, dm/dt, sign changes.
#define MEASURES 5

#define MOST_THREADS 256

struct alignas(sizeof(real) * WIDTH) Cells {
    real at[WIDTH];
};

static __device__ __forceinline__ Cells load(const real* p) { return *reinterpret_cast<const Cells*>(p); }

static __device__ __forceinline__ void store(real* p, const Cells& cells) { *reinterpret_cast<Cells*>(p) = cells; }

// The part of a film one thread works on: WIDTH columns from x on, ROWS rows from top on.
struct Strip {
    int x, top, left, right;
};

static __device__ __forceinline__ Strip strip(int nx) {
    const int item = blockIdx.x * blockDim.x + threadIdx.x, across = nx / WIDTH;
    Strip s;
    s.x = item % across * WIDTH;
    s.top = item / across * ROWS;
    s.left = s.x > 0 ? s.x - 1 : nx - 1;
    s.right = s.x + WIDTH < nx ? s.x + WIDTH : 0;
    return s;
}

// Sum of the differences to the four neighbours of cell c of a strip; `row` is the cells' row in memory.
static __device__ __forceinline__ real around(
    const Cells& above, const Cells& here, const Cells& below, const real* row, const Strip& s, int c) {
    const real m = here.at[c];
    const real before = c > 0 ? here.at[c > 0 ? c - 1 : 0] : row[s.left];
    const real after = c < WIDTH - 1 ? here.at[c < WIDTH - 1 ? c + 1 : c] : row[s.right];
    return ((above.at[c] - m) + (below.at[c] - m)) + ((before - m) + (after - m));
}

// rhs.evaluate for the films film_of[0], film_of[1], ...; h is by slot.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) evaluate(
    int ny, int nx, int thin, const int* film_of, const real* h, real gamma,
    const real* __restrict__ m, const real* __restrict__ low, const real* __restrict__ dipole,
    const real* __restrict__ anisotropy, const real* __restrict__ exchange,
    real* __restrict__ near_out, real* __restrict__ field_out, real* __restrict__ spread_out,
    real* __restrict__ rate_out) {
    const Strip s = strip(nx);
    const int film = film_of[blockIdx.y];
    const size_t cells = (size_t)ny * nx, first = film * cells;
    const real* exchange_here = exchange + film * (thin ? (size_t)nx : cells) + s.x;
    const real one = 1, hf = h[blockIdx.y];
    m += first, low += first;
    if (s.top >= ny) return;
    const size_t highest = (size_t)(s.top > 0 ? s.top - 1 : ny - 1) * nx + s.x, start = (size_t)s.top * nx + s.x;
    Cells t = load(m + highest), u = load(m + start), tl = load(low + highest), ul = load(low + start);
    Cells j = load(exchange_here);
#pragma unroll
    for (int k = 0; k < ROWS; ++k) {
        const int y = s.top + k;
        const size_t row = (size_t)y * nx, below = (size_t)(y < ny - 1 ? y + 1 : 0) * nx + s.x, i = first + row + s.x;
        const Cells v = load(m + below), vl = load(low + below), a = load(anisotropy + i), g = load(dipole + i);
        if (!thin) j = load(exchange_here + row);
        Cells near, field, spread, rate;
#pragma unroll
        for (int c = 0; c < WIDTH; ++c) {
            const real here = u.at[c], rest = ul.at[c];
            const real n = here >= 0 ? (one - here) - rest : (one + here) + rest;
            near.at[c] = here >= 0 ? n : -n;
            field.at[c] = a.at[c] * here - gamma * j.at[c] * g.at[c];
            spread.at[c] = j.at[c] * (around(t, u, v, m + row, s, c) + around(tl, ul, vl, low + row, s, c));
            rate.at[c] = n * (one + (one - n)) * (hf + field.at[c]) + spread.at[c];
        }
        store(near_out + i, near), store(field_out + i, field);
        store(spread_out + i, spread), store(rate_out + i, rate);
        t = u, u = v, tl = ul, ul = vl;
    }
}

// The start of a step: d_0 = 0 and d_1 = tau mu~_1 rate. Row `row` of the table is that of slot 0.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) begin(
    int cells, const int* film_of, const real* table, int row, const real* __restrict__ rate,
    real* __restrict__ d0, real* __restrict__ d1) {
    const int i = (blockIdx.x * blockDim.x + threadIdx.x) * WIDTH;
    if (i >= cells) return;
    const real tau_mu = table[COEFFICIENTS * (size_t)(row + blockIdx.y) + 2];
    const Cells f = load(rate + film_of[blockIdx.y] * (size_t)cells + i);
    Cells zero, d;
#pragma unroll
    for (int c = 0; c < WIDTH; ++c) zero.at[c] = 0, d.at[c] = tau_mu * f.at[c];
    const size_t mine = blockIdx.y * (size_t)cells + i;
    store(d0 + mine, zero), store(d1 + mine, d);
}

// rhs.stage for the slots of the grid; a slot whose film has fewer stages than j_stage is left alone.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) stage(
    int ny, int nx, int thin, int j_stage, const int* film_of, const int* stages, const real* table, int row,
    real gamma, real room, const real* __restrict__ anisotropy, const real* __restrict__ exchange,
    const real* __restrict__ near0, const real* __restrict__ field0, const real* __restrict__ spread0,
    const real* __restrict__ rate0, const real* __restrict__ d1, const real* __restrict__ d2,
    const real* __restrict__ dipole, real* __restrict__ d_out) {
    const int slot = blockIdx.y;
    if (stages[slot] < j_stage) return;
    const Strip s = strip(nx);
    if (s.top >= ny) return;
    const int film = film_of[slot];
    const size_t cells = (size_t)ny * nx, first = film * cells, mine = slot * cells;
    const real* coefficient = table + COEFFICIENTS * (size_t)(row + slot);
    const real mu = coefficient[0], nu = coefficient[1], tau_mu = coefficient[2], tau_gamma = coefficient[3];
    const real h = coefficient[4], one = 1, two = 2, zero = 0;
    const real* exchange_here = exchange + film * (thin ? (size_t)nx : cells) + s.x;
    d1 += mine;
    Cells t = load(d1 + (size_t)(s.top > 0 ? s.top - 1 : ny - 1) * nx + s.x), u = load(d1 + (size_t)s.top * nx + s.x);
    Cells j = load(exchange_here);
#pragma unroll
    for (int k = 0; k < ROWS; ++k) {
        const int y = s.top + k;
        const size_t at = (size_t)y * nx, i = first + at + s.x, o = mine + at + s.x;
        const Cells v = load(d1 + (size_t)(y < ny - 1 ? y + 1 : 0) * nx + s.x);
        const Cells a = load(anisotropy + i), n0 = load(near0 + i), b0 = load(field0 + i), s0 = load(spread0 + i);
        const Cells f0 = load(rate0 + i), q = load(d2 + o), g = load(dipole + o);
        if (!thin) j = load(exchange_here + at);
        Cells out;
#pragma unroll
        for (int c = 0; c < WIDTH; ++c) {
            const real d = u.at[c];
            const bool up = n0.at[c] > zero;
            const real n = up ? n0.at[c] - d : d - n0.at[c];
            const real local = h + b0.at[c] + a.at[c] * d - gamma * j.at[c] * g.at[c];
            const real rate = n * (one + (one - n)) * local + s0.at[c] + j.at[c] * around(t, u, v, d1 + at, s, c);
            const real next = mu * d + nu * q.at[c] + tau_mu * rate + tau_gamma * f0.at[c];
            const real least = up ? n0.at[c] - two - room : n0.at[c] - room;
            const real most = up ? n0.at[c] + room : n0.at[c] + two + room;
            out.at[c] = next < least ? least : next > most ? most : next;  // a NaN stays one
        }
        store(d_out + o, out);
        t = u, u = v;
    }
}

// rhs.finish. m and low may be m_out and low_out: a thread writes only where it alone has read.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) finish(
    int cells, const int* film_of, const int* which, real most, const real* d_a, const real* d_b, const real* d_c,
    const real* m, const real* low, real* m_out, real* low_out) {
    const int i = (blockIdx.x * blockDim.x + threadIdx.x) * WIDTH, slot = blockIdx.y;
    if (i >= cells) return;
    const real* d = which[slot] == 0 ? d_a : which[slot] == 1 ? d_b : d_c;
    const size_t at = film_of[slot] * (size_t)cells + i;
    const Cells start = load(m + at), start_low = load(low + at), increment = load(d + slot * (size_t)cells + i);
    Cells end, end_low;
#pragma unroll
    for (int c = 0; c < WIDTH; ++c) {
        // Knuth's two-sum: the rounded sum, and what the rounding lost.
        const real rest = increment.at[c] + start_low.at[c], total = start.at[c] + rest, part = total - start.at[c];
        const real lost = (start.at[c] - (total - part)) + (rest - part);
        // Written so that a NaN stays one and is seen by the driver.
        const bool beyond = total > most || total < -most;
        end.at[c] = beyond ? (total > 0 ? most : -most) : total;
        end_low.at[c] = beyond ? (real)0 : lost;
    }
    store(m_out + at, end), store(low_out + at, end_low);
}

// rhs.close, first half: each block adds up the same share of a film whatever the batch, in float64.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) close_blocks(
    int cells, const int* film_of, const double* tau, const double* ratio, const real* __restrict__ m0,
    const real* __restrict__ m1, const real* __restrict__ m_before, const real* __restrict__ rate0,
    const real* __restrict__ rate1, double* __restrict__ parts) {
    __shared__ double sums[MEASURES][MOST_THREADS];
    const int slot = blockIdx.y, thread = threadIdx.x, stride = gridDim.x * blockDim.x * WIDTH;
    const size_t film = film_of[slot] * (size_t)cells;
    const double tau_ = tau[slot], ratio_ = ratio[slot];
    double error = 0, bend = 0, mean = 0, mean_rate = 0, flips = 0;
    for (int i = (blockIdx.x * blockDim.x + thread) * WIDTH; i < cells; i += stride) {
        const Cells starts = load(m0 + film + i), ends = load(m1 + film + i), befores = load(m_before + film + i);
        const Cells rates0 = load(rate0 + film + i), rates1 = load(rate1 + film + i);
#pragma unroll
        for (int c = 0; c < WIDTH; ++c) {
            const double start = starts.at[c], end = ends.at[c], f0 = rates0.at[c], f1 = rates1.at[c];
            const double e = 0.8 * (start - end) + 0.4 * tau_ * (f0 + f1);
            const double b = end - start - ratio_ * (start - (double)befores.at[c]);
            error += e * e, bend += b * b, mean += end, mean_rate += f1;
            flips += (start >= 0) != (end >= 0);
        }
    }
    sums[0][thread] = error, sums[1][thread] = bend, sums[2][thread] = mean, sums[3][thread] = mean_rate;
    sums[4][thread] = flips;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {  // blockDim.x is a power of two
        __syncthreads();
        if (thread < half)
            for (int k = 0; k < MEASURES; ++k) sums[k][thread] += sums[k][thread + half];
    }
    // Every sum that is written here was last added to by thread 0 itself.
    if (thread == 0)
        for (int k = 0; k < MEASURES; ++k) parts[((size_t)slot * gridDim.x + blockIdx.x) * MEASURES + k] = sums[k][0];
}

// rhs.close, second half: one block a slot, one thread a column.
extern "C" __global__ void close_films(int cells, int blocks, const double* __restrict__ parts, double* __restrict__ out) {
    const int slot = blockIdx.x, k = threadIdx.x;
    if (k >= MEASURES) return;
    double sum = 0;
    for (int block = 0; block < blocks; ++block) sum += parts[((size_t)slot * blocks + block) * MEASURES + k];
    out[slot * MEASURES + k] = k < 2 ? sqrt(sum / cells) : k < 4 ? sum / cells : sum;
}
