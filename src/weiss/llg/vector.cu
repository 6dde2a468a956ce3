// Vectors of three components, of the precision that the compiler's option REAL says: float or double.
// Nothing is included, so that NVRTC needs no header.

typedef REAL real;

struct Vector {
    real x, y, z;
};

static __device__ __forceinline__ Vector operator+(const Vector& a, const Vector& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}

static __device__ __forceinline__ Vector operator-(const Vector& a, const Vector& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}

static __device__ __forceinline__ Vector operator*(real s, const Vector& a) { return {s * a.x, s * a.y, s * a.z}; }

static __device__ __forceinline__ void operator+=(Vector& a, const Vector& b) { a = a + b; }

static __device__ __forceinline__ void operator-=(Vector& a, const Vector& b) { a = a - b; }

static __device__ __forceinline__ real dot(const Vector& a, const Vector& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static __device__ __forceinline__ Vector cross(const Vector& a, const Vector& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
