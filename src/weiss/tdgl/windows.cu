// CUDA twins of avalanche.py: the same arithmetic, for all films of a batch at once; a window is a block's work.
//
// The compiler's options, set by avalanche_gpu.py, say REAL (float or double, what films are made of) and the constants
// of avalanche.py by their names there. Windows are float64 whatever REAL is. Nothing is included, so that NVRTC needs
// no header.
//
// Nothing a film's result is made of depends on the grid's other films: no atomics, and sums in an order that the
// sizes of film and window decide. blockDim.x is a power of two.

typedef REAL real;

#define MOST_THREADS 256

// Integers of a window: film (or slot), first row and column, height and width.
#define BOX 5

// Numbers of a window's large step: its length, the field at its start and the slope of it, and the stiffness.
#define STEP 4

// Numbers of a stage: mu, nu, mu~, gamma~ and the abscissa; those of s stages begin at row s (s + 1) / 2.
#define COLUMNS 5

// Sums over the block; every thread gets them, in the place of its own shares. `shared` may be used again after it.
template <int N>
static __device__ __forceinline__ void add_up(double (*shared)[MOST_THREADS], double* share) {
    const int thread = threadIdx.x;
#pragma unroll
    for (int k = 0; k < N; ++k) shared[k][thread] = share[k];
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) {
#pragma unroll
            for (int k = 0; k < N; ++k) shared[k][thread] += shared[k][thread + half];
        }
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < N; ++k) share[k] = shared[k][0];
    __syncthreads();
}

// The two error estimates of a cell (avalanche.survey): the embedded one, and the distance to the extrapolated line.
struct Errors {
    double embedded, bend;
};

static __device__ __forceinline__ Errors errors_of(
    double m0, double m1, double before, double rate0, double rate1, double tau, double ratio) {
    const double change = m1 - m0;
    return {-0.8 * change + 0.4 * tau * (rate0 + rate1), change - ratio * (m0 - before)};
}

// avalanche.survey for the films film_of[0], film_of[1], ...; `fast` is by slot.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) survey(
    int cells, const int* film_of, const double* tau, const double* ratio, double limit, const real* __restrict__ m0,
    const real* __restrict__ m1, const real* __restrict__ m_before, const real* __restrict__ rate0,
    const real* __restrict__ rate1, unsigned char* __restrict__ fast) {
    const int slot = blockIdx.y, stride = gridDim.x * blockDim.x;
    const size_t film = film_of[slot] * (size_t)cells;
    const double tau_ = tau[slot], ratio_ = ratio[slot];
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < cells; i += stride) {
        const size_t at = film + i;
        const Errors e = errors_of(m0[at], m1[at], m_before[at], rate0[at], rate1[at], tau_, ratio_);
        double error = fabs(e.embedded);
        const double bent = BEND * fabs(e.bend);
        if (ratio_ > 0 && bent < error) error = bent;
        fast[slot * (size_t)cells + i] = !(error <= limit);  // what is not a number is fast
    }
}

// Mark the cells under windows; `covered` is by slot.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) cover(
    int rows, int columns, const int* boxes, unsigned char* covered) {
    const int* box = boxes + BOX * blockIdx.x;
    const size_t first = box[0] * (size_t)rows * columns;
    for (int i = threadIdx.x; i < box[3] * box[4]; i += blockDim.x) {
        const int y = (box[1] + i / box[4]) % rows, x = (box[2] + i % box[4]) % columns;
        covered[first + (size_t)y * columns + x] = 1;
    }
}

// avalanche.rest_error, first half: each block adds up the same share of a film whatever the batch.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) rest_blocks(
    int cells, const int* film_of, const double* tau, const double* ratio, const unsigned char* __restrict__ covered,
    const real* __restrict__ m0, const real* __restrict__ m1, const real* __restrict__ m_before,
    const real* __restrict__ rate0, const real* __restrict__ rate1, double* __restrict__ parts) {
    __shared__ double shared[2][MOST_THREADS];
    const int slot = blockIdx.y, stride = gridDim.x * blockDim.x;
    const size_t film = film_of[slot] * (size_t)cells;
    const double tau_ = tau[slot], ratio_ = ratio[slot];
    double sums[2] = {0, 0};
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < cells; i += stride) {
        if (covered[slot * (size_t)cells + i]) continue;
        const size_t at = film + i;
        const Errors e = errors_of(m0[at], m1[at], m_before[at], rate0[at], rate1[at], tau_, ratio_);
        sums[0] += e.embedded * e.embedded, sums[1] += e.bend * e.bend;
    }
    add_up<2>(shared, sums);
    if (threadIdx.x == 0) {
        double* part = parts + 2 * (slot * (size_t)gridDim.x + blockIdx.x);
        part[0] = sums[0], part[1] = sums[1];
    }
}

// A window's fields. All are (ny, nx) but start, drift and stage, which have a frame of one cell, and delta, which has
// one of NEAR cells that stay zero. `increments` are three fields.
struct Window {
    int ny, nx, cells;
    double *anisotropy, *exchange, *pull, *pull_drift, *m, *before, *far, *passed, *rate0, *rate1, *increments;
    double *start, *drift, *stage, *delta, *shift;
    int* changed;
};

// As many numbers as avalanche_gpu.doubles says.
static __device__ __forceinline__ Window lay_out(int ny, int nx, double* base) {
    const int cells = ny * nx, framed = (ny + 2) * (nx + 2);
    Window w;
    w.ny = ny, w.nx = nx, w.cells = cells;
    w.anisotropy = base, w.exchange = base + cells, w.pull = base + 2 * cells, w.pull_drift = base + 3 * cells;
    w.m = base + 4 * cells, w.before = base + 5 * cells, w.far = base + 6 * cells, w.passed = base + 7 * cells;
    w.rate0 = base + 8 * cells, w.rate1 = base + 9 * cells, w.increments = base + 10 * cells;
    w.shift = base + 13 * cells, w.start = base + 14 * cells, w.drift = w.start + framed;
    w.stage = w.drift + framed, w.delta = w.stage + framed;
    w.changed = reinterpret_cast<int*>(w.delta + (ny + 2 * NEAR) * (nx + 2 * NEAR));
    return w;
}

// The cells of a window that are one thread's: every blockDim.x-th, without a division for each.
struct Walk {
    int y, x, i, down, across;
};

static __device__ __forceinline__ Walk first_cell(const Window& w) {
    const int thread = threadIdx.x, threads = blockDim.x;
    return {thread / w.nx, thread % w.nx, thread, threads / w.nx, threads % w.nx};
}

static __device__ __forceinline__ void next_cell(const Window& w, Walk& at) {
    at.i += blockDim.x, at.y += at.down, at.x += at.across;
    if (at.x >= w.nx) at.x -= w.nx, ++at.y;
}

static __device__ __forceinline__ int in_frame(const Window& w, const Walk& at) {
    return (at.y + 1) * (w.nx + 2) + at.x + 1;
}

static __device__ __forceinline__ int in_delta(const Window& w, int y, int x) {
    return (y + NEAR) * (w.nx + 2 * NEAR) + x + NEAR;
}

// Write m + increment, kept within `most`, into `stage`, the straight line into its frame, and δ. Barriers are needed
// before and after: neighbours read them.
static __device__ __forceinline__ void set_stage(
    const Window& w, double elapsed, const double* increment, double most) {
    for (Walk at = first_cell(w); at.i < w.cells; next_cell(w, at)) {
        const int framed = in_frame(w, at);
        double v = w.m[at.i] + increment[at.i];
        v = v > most ? most : v < -most ? -most : v;  // a NaN stays one
        w.stage[framed] = v;
        w.delta[in_delta(w, at.y, at.x)] = v - (w.start[framed] + elapsed * w.drift[framed]);
    }
    const int wide = w.nx + 2, rim = 2 * (wide + w.ny);
    for (int k = threadIdx.x; k < rim; k += blockDim.x) {
        const int side = k - 2 * wide;
        const int framed = side >= 0 ? (1 + side / 2) * wide + side % 2 * (wide - 1)
                                     : (k < wide ? k : (w.ny + 1) * wide + k - wide);
        w.stage[framed] = w.start[framed] + elapsed * w.drift[framed];
    }
}

// avalanche.rate in one cell; g are the weights of the shells.
static __device__ __forceinline__ double rate_at(
    const Window& w, const Walk& at, double elapsed, double h, double gamma, const double* g) {
    const int wide = w.nx + 2 * NEAR, line = w.nx + 2, i = at.i;
    const double* d = w.delta + in_delta(w, at.y, at.x);
    const double *a = d - 3 * wide, *b = d - 2 * wide, *c = d - wide, *e = d + wide, *f = d + 2 * wide;
    const double *k = d + 3 * wide, *here = w.stage + in_frame(w, at), *up = here - line, *down = here + line;
    double dipole = w.far[i] + g[0] * d[0];
    dipole += g[1] * ((d[-1] + d[1]) + (c[0] + e[0]));
    dipole += g[2] * ((c[-1] + c[1]) + (e[-1] + e[1]));
    dipole += g[3] * ((d[-2] + d[2]) + (b[0] + f[0]));
    dipole += g[4] * ((b[-1] + b[1]) + (f[-1] + f[1]));
    dipole += g[4] * ((c[-2] + c[2]) + (e[-2] + e[2]));
    dipole += g[5] * ((b[-2] + b[2]) + (f[-2] + f[2]));
    dipole += g[6] * ((d[-3] + d[3]) + (a[0] + k[0]));
    const double v = here[0], exchange = w.exchange[i];
    const double around = ((up[0] - v) + (down[0] - v)) + ((here[-1] - v) + (here[1] - v));
    const double local = h + w.anisotropy[i] * v - (w.pull[i] + elapsed * w.pull_drift[i]);
    return (1 - v * v) * (local - gamma * exchange * dipole) + exchange * around;
}

// List the cells whose δ changed by more than `least` since it was last passed on, in their order; return how many.
// Called by the whole block, between barriers.
static __device__ __forceinline__ int list_changed(const Window& w, double least, int* ends) {
    const int thread = threadIdx.x, threads = blockDim.x, each = (w.cells + threads - 1) / threads;
    const int first = thread * each, last = first + each < w.cells ? first + each : w.cells;
    int mine = 0;
    for (int i = first; i < last; ++i)
        mine += fabs(w.delta[in_delta(w, i / w.nx, i % w.nx)] - w.passed[i]) > least;
    ends[thread] = mine;
    for (int reach = 1; reach < threads; reach *= 2) {
        __syncthreads();
        const int before = thread >= reach ? ends[thread - reach] : 0;
        __syncthreads();
        ends[thread] += before;
    }
    __syncthreads();
    int next = ends[thread] - mine;
    for (int i = first; i < last; ++i) {
        const int y = i / w.nx, x = i % w.nx;
        const double shift = w.delta[in_delta(w, y, x)] - w.passed[i];
        if (fabs(shift) > least) {
            w.passed[i] += shift;
            w.shift[next] = shift, w.changed[next] = y << 16 | x;
            ++next;
        }
    }
    const int count = ends[threads - 1];
    __syncthreads();
    return count;
}

// A product that is rounded before anything is done with it, as on the host: contracted into the difference below it
// would change the last digit of `pull`, and float32 has few.
static __device__ __forceinline__ float rounded_product(float a, float b) { return __fmul_rn(a, b); }
static __device__ __forceinline__ double rounded_product(double a, double b) { return __dmul_rn(a, b); }

// Copy what the films hold into a window (avalanche._large_step and run).
static __device__ __forceinline__ void gather(
    const Window& w, const int* box, int rows, int columns, int thin, double tau, const real* m0, const real* low0,
    const real* field0, const real* m1, const real* low1, const real* field1, const real* anisotropy,
    const real* exchange) {
    const size_t cells = (size_t)rows * columns, film = box[0] * cells;
    const real* exchange_here = exchange + box[0] * (thin ? (size_t)columns : cells);
    const int wide = w.nx + 2;
    for (int i = threadIdx.x; i < (w.ny + 2) * wide; i += blockDim.x) {
        const int y = (box[1] + i / wide + rows - 1) % rows, x = (box[2] + i % wide + columns - 1) % columns;
        const size_t at = film + (size_t)y * columns + x;
        const double start = (double)m0[at] + (double)low0[at];
        w.start[i] = start;
        w.drift[i] = ((double)m1[at] + (double)low1[at] - start) / tau;
    }
    for (int i = threadIdx.x; i < (w.ny + 2 * NEAR) * (w.nx + 2 * NEAR); i += blockDim.x) w.delta[i] = 0;
    for (Walk c = first_cell(w); c.i < w.cells; next_cell(w, c)) {
        const size_t y = (box[1] + c.y) % rows, x = (box[2] + c.x) % columns, at = film + y * columns + x;
        const real a = anisotropy[at];
        const real pull0 = rounded_product(a, m0[at]) - field0[at], pull1 = rounded_product(a, m1[at]) - field1[at];
        w.anisotropy[c.i] = a, w.exchange[c.i] = exchange_here[thin ? x : y * columns + x];
        w.pull[c.i] = pull0, w.pull_drift[c.i] = ((double)pull1 - (double)pull0) / tau;
        w.m[c.i] = (double)m0[at] + (double)low0[at];
        w.before[c.i] = w.far[c.i] = w.passed[c.i] = w.increments[c.i] = 0;
    }
}

// avalanche.run, one trial: a block for each window of `boxes`. counts gets evaluations and steps (negative for a
// failure), rims the difference at the window's edge, ends m and dm/dt, traces the time and Σ δ after every step.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) integrate(
    int rows, int columns, int thin, const int* boxes, const double* large, const long long* scratch_at,
    const long long* ends_at, double gamma, double m_most, double limit, double reach,
    const double* __restrict__ coefficients, const double* __restrict__ shells, const double* __restrict__ far_kernel,
    const real* __restrict__ m0, const real* __restrict__ low0, const real* __restrict__ field0,
    const real* __restrict__ m1, const real* __restrict__ low1, const real* __restrict__ field1,
    const real* __restrict__ anisotropy, const real* __restrict__ exchange, double* scratch, double* ends,
    double* traces, int* counts, double* rims) {
    __shared__ double shared[3][MOST_THREADS];
    __shared__ int scanned[MOST_THREADS];
    const int window = blockIdx.x, *box = boxes + BOX * window;
    const Window w = lay_out(box[3], box[4], scratch + scratch_at[window]);
    const double tau = large[STEP * window], h0 = large[STEP * window + 1], h_drift = large[STEP * window + 2];
    const double stiffness = large[STEP * window + 3], longest = 0.99 * reach / stiffness, unlimited = 1e300;
    double* trace = traces + 2 * (size_t)MOST_STEPS * window;
    double g[7];
#pragma unroll
    for (int k = 0; k < 7; ++k) g[k] = shells[k];
    gather(w, box, rows, columns, thin, tau, m0, low0, field0, m1, low1, field1, anisotropy, exchange);
    __syncthreads();
    set_stage(w, 0, w.increments, unlimited);
    __syncthreads();
    for (Walk at = first_cell(w); at.i < w.cells; next_cell(w, at)) w.rate0[at.i] = rate_at(w, at, 0, h0, gamma, g);
    if (threadIdx.x == 0) trace[0] = trace[1] = 0;

    double elapsed = 0, step = FIRST_STEP < tau ? FIRST_STEP : tau, step_before = 0;
    int evaluations = 1, steps = 0;
    // Every thread decides alike, from the same sums.
    while (elapsed < tau) {
        const double left = tau - elapsed;
        if (step > longest) step = longest;
        const double now_step = step >= left ? left : left < 1.5 * step ? left / 2 : step;
        int stages = (int)sqrt(1 + 1.54 * now_step * stiffness) + 1;
        stages = stages < 2 ? 2 : stages > MOST_STAGES ? MOST_STAGES : stages;
        const double* table = coefficients + COLUMNS * (stages * (stages + 1) / 2);
        const double first = table[COLUMNS + 2] * now_step;
        for (int i = threadIdx.x; i < w.cells; i += blockDim.x)
            w.increments[i] = 0, w.increments[w.cells + i] = first * w.rate0[i];
        for (int j = 2; j <= stages; ++j) {
            const double* row = table + COLUMNS * j;
            const double *d1 = w.increments + (j - 1) % 3 * w.cells, *d2 = w.increments + (j - 2) % 3 * w.cells;
            double* d_out = w.increments + j % 3 * w.cells;
            const double now = elapsed + row[4 - COLUMNS] * now_step, h = h0 + h_drift * now;
            const double mu = row[0], nu = row[1], step_mu = row[2] * now_step, step_gamma = row[3] * now_step;
            __syncthreads();
            set_stage(w, now, d1, unlimited);
            __syncthreads();
            for (Walk at = first_cell(w); at.i < w.cells; next_cell(w, at))
                d_out[at.i] = mu * d1[at.i] + nu * d2[at.i] + step_mu * rate_at(w, at, now, h, gamma, g) +
                              step_gamma * w.rate0[at.i];
        }
        const double now = elapsed + now_step, h = h0 + h_drift * now, ratio = steps > 0 ? now_step / step_before : 0;
        __syncthreads();
        set_stage(w, now, w.increments + stages % 3 * w.cells, m_most);
        __syncthreads();
        double sums[3] = {0, 0, 0};
        for (Walk at = first_cell(w); at.i < w.cells; next_cell(w, at)) {
            const int i = at.i;
            const double rate1 = rate_at(w, at, now, h, gamma, g);
            const Errors e = errors_of(w.m[i], w.stage[in_frame(w, at)], w.before[i], w.rate0[i], rate1, now_step, ratio);
            w.rate1[i] = rate1;
            sums[0] += e.embedded * e.embedded, sums[1] += e.bend * e.bend;
            sums[2] += w.delta[in_delta(w, at.y, at.x)];
        }
        add_up<3>(shared, sums);
        evaluations += stages;
        const double bent = BEND * BEND * sums[1];
        const double error = sqrt(steps > 0 && bent < sums[0] ? bent : sums[0]) / limit;
        if (!(error <= 1)) {
            const double factor = error < unlimited ? SAFETY * pow(error, -1.0 / 3) : SHRINK;
            step = now_step * (factor > SHRINK ? factor : SHRINK);
            if (step < 1e-6) {
                steps = -1;
                break;
            }
            continue;
        }
        if (++steps == MOST_STEPS) {
            steps = -1;
            break;
        }
        const int changed = list_changed(w, FAR_CHANGE * limit / WINDOW_SIDE, scanned);
        for (Walk at = first_cell(w); at.i < w.cells; next_cell(w, at)) {
            const int i = at.i;
            const double far_before = w.far[i], m = w.stage[in_frame(w, at)];
            double far = far_before;
            for (int k = 0; k < changed; ++k) {
                const int source = w.changed[k], down = at.y - (source >> 16), across = at.x - (source & 0xffff);
                far += w.shift[k] * far_kernel[(down < 0 ? down + rows : down) * columns +
                                               (across < 0 ? across + columns : across)];
            }
            w.far[i] = far, w.before[i] = w.m[i], w.m[i] = m;
            w.rate0[i] = w.rate1[i] - (1 - m * m) * (gamma * w.exchange[i] * (far - far_before));
        }
        elapsed = now_step < left ? now : tau;
        if (threadIdx.x == 0) trace[2 * steps] = elapsed, trace[2 * steps + 1] = sums[2];
        step_before = now_step;
        const double factor = SAFETY * pow(error > 1e-9 ? error : 1e-9, -1.0 / 3);
        step = now_step * (factor > GROWTH ? GROWTH : factor > SHRINK ? factor : SHRINK);
    }
    if (threadIdx.x == 0) counts[2 * window] = evaluations, counts[2 * window + 1] = steps;
    if (steps < 0) return;

    double* mine = ends + ends_at[window];
    double rim = 0;
    const size_t film = box[0] * (size_t)rows * columns;
    for (Walk at = first_cell(w); at.i < w.cells; next_cell(w, at)) {
        mine[at.i] = w.m[at.i], mine[w.cells + at.i] = w.rate0[at.i];
        if (at.y >= 2 && at.y < w.ny - 2 && at.x >= 2 && at.x < w.nx - 2) continue;
        const size_t there = film + (size_t)((box[1] + at.y) % rows) * columns + (box[2] + at.x) % columns;
        const double off = fabs(w.m[at.i] - ((double)m1[there] + (double)low1[there]));
        if (off > rim) rim = off;
    }
    shared[0][threadIdx.x] = rim;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int k = 1; k < (int)blockDim.x; ++k) rim = shared[0][k] > rim ? shared[0][k] : rim;
        rims[window] = rim;
    }
}

// The windows of one film for each block, from windows_from[block] on, in their order: where they overlap the last one
// counts. With `line` the end of the step gets, instead of m, the line on which m ends, one step back.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) insert(
    int rows, int columns, int line, const int* windows_from, const int* boxes, const double* tau,
    const unsigned long long* ends, real* m_out, real* low_out) {
    for (int window = windows_from[blockIdx.x]; window < windows_from[blockIdx.x + 1]; ++window) {
        const int *box = boxes + BOX * window, cells = box[3] * box[4];
        const double* end = reinterpret_cast<const double*>(ends[window]);
        const size_t film = box[0] * (size_t)rows * columns;
        for (int i = threadIdx.x; i < cells; i += blockDim.x) {
            const int y = (box[1] + i / box[4]) % rows, x = (box[2] + i % box[4]) % columns;
            const size_t at = film + (size_t)y * columns + x;
            const double m = line ? end[i] - tau[window] * end[cells + i] : end[i];
            const real rounded = (real)m;
            m_out[at] = rounded;
            if (!line) low_out[at] = (real)(m - (double)rounded);
        }
        __syncthreads();
    }
}
