// What lies between the transforms of convolution_gpu.py. The compiler's option REAL says float or double.
//
// A group of films is worked on in slots; film_of says which film a slot holds. Memory is laid out line by line of the
// mesh (a line is one y of one z), in each of them slot by slot and component by component:
//     rows      [line][slot][component][pitch]    real; the first nx numbers of a row are cells
//     spectrum  [z][y][slot][component][half]     complex, over the padded mesh
// so that a transform along y or z is one of numbers a fixed stride apart, for all slots and components at once.
// Nothing is included, so that NVRTC needs no header.

typedef REAL real;

struct alignas(2 * sizeof(real)) Complex { real re, im; };

static __device__ __forceinline__ void add(Complex& sum, real factor, const Complex& value) {
    sum.re += factor * value.re;
    sum.im += factor * value.im;
}

// Ms m of the film in every slot, with zeros behind each row. Ms is (films, ms_lines, nx), ms_lines = 1 where uniform.
extern "C" __global__ void scale_in(
    int nx, int lines, int pitch, int slots, const int* film_of, int ms_lines, const real* __restrict__ Ms,
    const real* __restrict__ m, real* __restrict__ rows) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= 3LL * lines * pitch) return;
    const int x = (int)(i % pitch), row = (int)(i / pitch), component = row / lines, line = row % lines;
    const size_t film = film_of[blockIdx.y];
    real value = 0;
    if (x < nx)
        value = Ms[(film * ms_lines + (ms_lines > 1 ? line : 0)) * nx + x] * m[(film * 3 * lines + row) * nx + x];
    rows[(((size_t)line * slots + blockIdx.y) * 3 + component) * pitch + x] = value;
}

// Adds the field to the films, except where there is no material.
extern "C" __global__ void add_out(
    int nx, int lines, int pitch, int slots, const int* film_of, int ms_lines, const real* __restrict__ Ms,
    const real* __restrict__ rows, real* __restrict__ out) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= 3LL * lines * nx) return;
    const int x = (int)(i % nx), row = (int)(i / nx), component = row / lines, line = row % lines;
    const size_t film = film_of[blockIdx.y];
    if (Ms[(film * ms_lines + (ms_lines > 1 ? line : 0)) * nx + x] == 0) return;
    out[(film * 3 * lines + row) * nx + x] += rows[(((size_t)line * slots + blockIdx.y) * 3 + component) * pitch + x];
}

// Tensor times spectrum for one layer: z is on its own. tensor is (xx, yy, zz, xy) of `size` numbers each.
extern "C" __global__ void multiply_flat(
    int half, long long size, int slots, const real* __restrict__ tensor, Complex* spectrum) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    Complex* here = spectrum + ((size_t)(i / half) * slots + blockIdx.y) * 3 * half + i % half;
    const Complex x = here[0], y = here[half], z = here[2 * half];
    const real xx = tensor[i], yy = tensor[size + i], zz = tensor[2 * size + i], xy = tensor[3 * size + i];
    Complex along_x = {0, 0}, along_y = {0, 0}, along_z = {0, 0};
    add(along_x, xx, x), add(along_x, xy, y);
    add(along_y, xy, x), add(along_y, yy, y);
    add(along_z, zz, z);
    here[0] = along_x, here[half] = along_y, here[2 * half] = along_z;
}

// Tensor times spectrum; tensor is (xx, yy, zz, xy, xz, yz).
extern "C" __global__ void multiply_full(
    int half, long long size, int slots, const real* __restrict__ tensor, Complex* spectrum) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    Complex* here = spectrum + ((size_t)(i / half) * slots + blockIdx.y) * 3 * half + i % half;
    const Complex x = here[0], y = here[half], z = here[2 * half];
    const real xx = tensor[i], yy = tensor[size + i], zz = tensor[2 * size + i];
    const real xy = tensor[3 * size + i], xz = tensor[4 * size + i], yz = tensor[5 * size + i];
    Complex along_x = {0, 0}, along_y = {0, 0}, along_z = {0, 0};
    add(along_x, xx, x), add(along_x, xy, y), add(along_x, xz, z);
    add(along_y, xy, x), add(along_y, yy, y), add(along_y, yz, z);
    add(along_z, xz, x), add(along_z, yz, y), add(along_z, zz, z);
    here[0] = along_x, here[half] = along_y, here[2 * half] = along_z;
}
