// CUDA twins of cpu.py: the same arithmetic, with every field read once and written once. vector.cu comes before this.
//
// A launch works on the films film_of[0], film_of[1], ..., one for every y of the grid; dt and tau are by film. Nothing a
// film's result is made of depends on the grid's other films: no atomics, and sums in an order that the mesh alone
// decides. A block adds up its share of a film in double precision, and `collect` adds up the shares.

#define MOST_THREADS 128
#define MOST_COLUMNS 6
#define MOST_PAIRS 10

static __device__ __forceinline__ int cell_of_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

// First number of a film's field.
static __device__ __forceinline__ size_t start(const int* film_of, int cells) {
    return 3 * (size_t)cells * film_of[blockIdx.y];
}

static __device__ __forceinline__ Vector load(const real* field, int cells, int i) {
    return {field[i], field[i + (size_t)cells], field[i + 2 * (size_t)cells]};
}

static __device__ __forceinline__ void store(real* field, int cells, int i, const Vector& v) {
    field[i] = v.x, field[i + (size_t)cells] = v.y, field[i + 2 * (size_t)cells] = v.z;
}

// A parameter at a cell: `size` values a film, one for each cell, or one for each x.
static __device__ __forceinline__ real at(const real* parameter, int size, int cells, const int* film_of, int i) {
    return parameter[(size_t)size * film_of[blockIdx.y] + (size == cells ? i : i % size)];
}

// Back to unit length; what is not a number stays so, and zero stays zero.
static __device__ __forceinline__ Vector unit(const Vector& v) {
    const real square = dot(v, v);
    return (square > 0 ? 1 / (real)sqrt(square) : (real)0) * v;
}

extern "C" __global__ void __launch_bounds__(MOST_THREADS) clear(int cells, const int* film_of, real* out) {
    const int i = cell_of_thread();
    if (i < cells) store(out + start(film_of, cells), cells, i, {0, 0, 0});
}

extern "C" __global__ void __launch_bounds__(MOST_THREADS) copy(
    int cells, const int* film_of, const real* source, real* out) {
    const int i = cell_of_thread();
    const size_t film = start(film_of, cells);
    if (i < cells) store(out + film, cells, i, load(source + film, cells, i));
}

extern "C" __global__ void __launch_bounds__(MOST_THREADS) torque(
    int cells, const int* film_of, int alpha_size, const real* alpha, const double* gamma0, int precess, const real* m,
    const real* H, real* out) {
    const int i = cell_of_thread();
    if (i >= cells) return;
    const size_t film = start(film_of, cells);
    const Vector here = load(m + film, cells, i), mh = cross(here, load(H + film, cells, i)), mmh = cross(here, mh);
    const real g = (real)gamma0[film_of[blockIdx.y]], a = at(alpha, alpha_size, cells, film_of, i);
    const real turn = -g / (1 + a * a);
    store(out + film, cells, i, precess ? turn * mh + (turn * a) * mmh : -g * mmh);
}

// dt Σ weights·slopes at a cell; `slopes` are addresses of fields.
static __device__ __forceinline__ Vector sum_of_slopes(
    int count, const real* const* slopes, const double* weights, double dt, size_t film, int cells, int i) {
    Vector sum = {0, 0, 0};
#pragma unroll 4
    for (int j = 0; j < count; ++j) sum += (real)(dt * weights[j]) * load(slopes[j] + film, cells, i);
    return sum;
}

// cpu.advance, by a name that the C library does not have.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) take_step(
    int cells, const int* film_of, int count, const real* const* slopes, const double* weights, const double* dt,
    const real* m, real* out) {
    const int i = cell_of_thread();
    if (i >= cells) return;
    const size_t film = start(film_of, cells);
    const Vector turned = sum_of_slopes(count, slopes, weights, dt[film_of[blockIdx.y]], film, cells, i);
    store(out + film, cells, i, unit(load(m + film, cells, i) + turned));
}

extern "C" __global__ void __launch_bounds__(MOST_THREADS) descend(
    int cells, const int* film_of, const double* tau, const real* m, const real* H, real* out) {
    const int i = cell_of_thread();
    if (i >= cells) return;
    const size_t film = start(film_of, cells);
    const Vector here = load(m + film, cells, i), h = (real)tau[film_of[blockIdx.y]] * load(H + film, cells, i);
    const Vector mh = cross(here, h);
    store(out + film, cells, i, unit((4 - dot(mh, mh)) * here - (real)4 * cross(here, mh)));
}

// cpu.turn; `weights` are by film, 1 + count of them, and pair k of all films comes before pair k + 1.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) turn(
    int cells, const int* film_of, int films, int count, const double* weights, const real* pairs, const real* m,
    const real* H, real* out) {
    const int i = cell_of_thread();
    if (i >= cells) return;
    const size_t film = start(film_of, cells), pair = 3 * (size_t)cells * films;
    const double* weight = weights + (size_t)(1 + count) * film_of[blockIdx.y];
    const Vector here = load(m + film, cells, i);
    Vector sum = (real)weight[0] * cross(cross(here, load(H + film, cells, i)), here);
#pragma unroll 4
    for (int k = 0; k < count; ++k)
        if (weight[1 + k] != 0) sum += (real)weight[1 + k] * load(pairs + k * pair + film, cells, i);
    store(out + film, cells, i, unit((1 - dot(here, sum)) * here + sum));
}

// --- measures --------------------------------------------------------------------------------------------------------

// The larger number; what is not finite counts as infinite.
static __device__ __forceinline__ double larger(double most, real value) {
    const real zero = 0, seen = value - value == 0 ? value : 1 / zero;
    return seen > most ? (double)seen : most;
}

// A block's share of the numbers it measures: COLUMNS for each thread, of which the last is a largest value if `largest`
// says so; all others are sums. Called between two barriers, as blocks have one `values`; blockDim.x is a power of two.
template <int COLUMNS>
static __device__ __forceinline__ void write_share(double (*values)[MOST_THREADS], bool largest, double* out) {
    const int thread = threadIdx.x;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (thread < half)
            for (int k = 0; k < COLUMNS; ++k) {
                const double a = values[k][thread], b = values[k][thread + half];
                values[k][thread] = !largest || k < COLUMNS - 1 ? a + b : a > b ? a : b;
            }
        __syncthreads();
    }
    if (thread == 0)
        for (int k = 0; k < COLUMNS; ++k) out[k] = values[k][0];
}

// Row of this block among the shares of all blocks.
static __device__ __forceinline__ size_t row_of_block() { return (size_t)blockIdx.y * gridDim.x + blockIdx.x; }

// Sums of Ms m and of Ms.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) moment(
    int cells, const int* film_of, const real* m, int Ms_size, const real* Ms, double* parts) {
    __shared__ double values[MOST_COLUMNS][MOST_THREADS];
    const size_t film = start(film_of, cells);
    double x = 0, y = 0, z = 0, whole = 0;
    for (int i = cell_of_thread(); i < cells; i += gridDim.x * blockDim.x) {
        const Vector v = load(m + film, cells, i);
        const double weight = at(Ms, Ms_size, cells, film_of, i);
        x += weight * v.x, y += weight * v.y, z += weight * v.z, whole += weight;
    }
    const double mine[] = {x, y, z, whole};
    for (int k = 0; k < 4; ++k) values[k][threadIdx.x] = mine[k];
    __syncthreads();
    write_share<4>(values, false, parts + 4 * row_of_block());
}

extern "C" __global__ void __launch_bounds__(MOST_THREADS) rotation(
    int cells, const int* film_of, int count, const real* const* slopes, const double* weights, const double* dt,
    double* parts) {
    __shared__ double values[MOST_COLUMNS][MOST_THREADS];
    const size_t film = start(film_of, cells);
    const double step = dt[film_of[blockIdx.y]];
    double most = 0;
    for (int i = cell_of_thread(); i < cells; i += gridDim.x * blockDim.x) {
        const Vector turned = sum_of_slopes(count, slopes, weights, step, film, cells, i);
        most = larger(most, dot(turned, turned));
    }
    values[0][threadIdx.x] = most;
    __syncthreads();
    write_share<1>(values, true, parts + row_of_block());
}

extern "C" __global__ void __launch_bounds__(MOST_THREADS) largest(
    int cells, const int* film_of, const real* m, const real* H, double* parts) {
    __shared__ double values[MOST_COLUMNS][MOST_THREADS];
    const size_t film = start(film_of, cells);
    double most = 0;
    for (int i = cell_of_thread(); i < cells; i += gridDim.x * blockDim.x) {
        const Vector mh = cross(load(m + film, cells, i), load(H + film, cells, i));
        most = larger(most, dot(mh, mh));
    }
    values[0][threadIdx.x] = most;
    __syncthreads();
    write_share<1>(values, true, parts + row_of_block());
}

// Also keeps s and y where there is room for them.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) compare(
    int cells, const int* film_of, const real* m0, const real* H0, const real* m1, const real* H1, int Ms_size,
    const real* Ms, real* s_out, real* y_out, double* parts) {
    __shared__ double values[MOST_COLUMNS][MOST_THREADS];
    const size_t film = start(film_of, cells);
    const real half = (real)0.5;
    double ss = 0, sy = 0, yy = 0, work = 0, noise = 0, most = 0;
    for (int i = cell_of_thread(); i < cells; i += gridDim.x * blockDim.x) {
        const Vector a = load(m0 + film, cells, i), ah = load(H0 + film, cells, i);
        const Vector b = load(m1 + film, cells, i), bh = load(H1 + film, cells, i);
        const Vector p = cross(cross(a, ah), a), q = cross(cross(b, bh), b), s = b - a, y = p - q;
        const real along = dot(b, bh) - dot(a, ah), length = dot(s, s), square = dot(q, q);
        const real weight = at(Ms, Ms_size, cells, film_of, i);
        if (s_out) store(s_out + film, cells, i, s), store(y_out + film, cells, i, y);
        ss += (double)weight * length;
        sy += (double)weight * dot(s, y);
        yy += (double)weight * dot(y, y);
        work += (double)weight * (half * (dot(s, p + q) + half * length * along));
        noise += (double)weight * (weight * (square + length * dot(bh, bh)));
        most = larger(most, square);
    }
    const double mine[] = {ss, sy, yy, work, noise, most};
    for (int k = 0; k < 6; ++k) values[k][threadIdx.x] = mine[k];
    __syncthreads();
    write_share<6>(values, true, parts + 6 * row_of_block());
}

// Sums of Ms P1·pair, Ms s·pair and Ms y·pair for every pair; s and y are the pairs `slot` and count/2 + slot.
extern "C" __global__ void __launch_bounds__(MOST_THREADS) remember(
    int cells, const int* film_of, int films, int count, int slot, const real* m1, const real* H1, int Ms_size,
    const real* Ms, const real* pairs, double* parts) {
    __shared__ double values[3 * MOST_PAIRS][MOST_THREADS];
    const size_t film = start(film_of, cells), pair = 3 * (size_t)cells * films;
    double of_p[MOST_PAIRS] = {}, of_s[MOST_PAIRS] = {}, of_y[MOST_PAIRS] = {};
    for (int i = cell_of_thread(); i < cells; i += gridDim.x * blockDim.x) {
        const Vector b = load(m1 + film, cells, i), p = cross(cross(b, load(H1 + film, cells, i)), b);
        const Vector s = load(pairs + slot * pair + film, cells, i);
        const Vector y = load(pairs + (count / 2 + slot) * pair + film, cells, i);
        const double weight = at(Ms, Ms_size, cells, film_of, i);
#pragma unroll
        for (int k = 0; k < MOST_PAIRS; ++k)
            if (k < count) {
                const Vector kept = load(pairs + k * pair + film, cells, i);
                of_p[k] += weight * dot(p, kept), of_s[k] += weight * dot(s, kept), of_y[k] += weight * dot(y, kept);
            }
    }
#pragma unroll
    for (int k = 0; k < MOST_PAIRS; ++k) {
        values[k][threadIdx.x] = of_p[k];
        values[MOST_PAIRS + k][threadIdx.x] = of_s[k];
        values[2 * MOST_PAIRS + k][threadIdx.x] = of_y[k];
    }
    __syncthreads();
    write_share<3 * MOST_PAIRS>(values, false, parts + 3 * MOST_PAIRS * row_of_block());
}

// The shares of a film put together, one block a film and one thread a column; the last column as in `write_share`.
extern "C" __global__ void collect(int shares, int columns, int largest, const double* parts, double* out) {
    const int k = threadIdx.x;
    if (k >= columns) return;
    double all = 0;
    for (int share = 0; share < shares; ++share) {
        const double one = parts[((size_t)blockIdx.x * shares + share) * columns + k];
        all = !largest || k < columns - 1 ? all + one : one > all ? one : all;
    }
    out[blockIdx.x * columns + k] = all;
}
