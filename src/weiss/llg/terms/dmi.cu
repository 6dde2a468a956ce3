// Dzyaloshinskii-Moriya interaction as in dmi.py: one set of numbers for a film that is uniform, else one for every face.
//
// parameters: uniform, thin[8]
// parameters unless uniform: jumps, full.0[5] as face, full.1[5] as jump, full.2[4] as end, inverse

// d x v with the DM vector d = -b e_a + p (z x e_a) of axis a.
template <int AXIS>
static __device__ __forceinline__ Vector dm_cross(real b, real p, const Vector& v) {
    if (AXIS == X) return {p * v.z, b * v.z, -b * v.y - p * v.x};
    if (AXIS == Y) return {-b * v.z, p * v.z, b * v.x - p * v.y};
    return {b * v.y, -b * v.x, 0};
}

// Number of free faces along an axis; in a film without vacuum they are at the ends. An axis of one cell has none.
template <int AXIS>
static __device__ __forceinline__ real free_ends(const Cell& c) {
    if ((AXIS == X ? NX : AXIS == Y ? NY : NZ) == 1) return 0;
    return (real)(!next<AXIS, 1>(c).exists + !next<AXIS, -1>(c).exists);
}

template <int AXIS, class P>
static __device__ __forceinline__ Vector dmi_uniform(const P& p, const Film& film, const Cell& c) {
    const Vector slope = film.m(next<AXIS, 1>(c)) - film.m(next<AXIS, -1>(c));
    return dm_cross<AXIS>(p.thin(c, AXIS), AXIS == Z ? (real)0 : p.thin(c, 3 + AXIS), slope);
}

// Components b and p of the DM vector of the face above a cell along AXIS.
template <int AXIS, int SIZE>
static __device__ __forceinline__ Vector face_cross(const Parameter<SIZE>& d, const Cell& c, const Vector& v) {
    return dm_cross<AXIS>(d(c, AXIS), AXIS == Z ? (real)0 : d(c, 3 + AXIS), v);
}

template <int AXIS, class P>
static __device__ __forceinline__ Vector dmi_faces(const P& p, const Film& film, const Cell& c, bool jumps) {
    const Cell below = next<AXIS, -1>(c);
    const Vector up = film.m(next<AXIS, 1>(c)), down = film.m(below);
    Vector h = face_cross<AXIS>(p.face, c, up) - face_cross<AXIS>(p.face, below, down);
    if (jumps) {
        h -= face_cross<AXIS>(p.jump, c, face_cross<AXIS>(p.jump, c, up));
        h -= face_cross<AXIS>(p.jump, below, face_cross<AXIS>(p.jump, below, down));
    }
    return h;
}

template <class P>
static __device__ __forceinline__ void dmi(const P& p, const Film& film, const Cell& c, const Vector& m, Vector& h) {
    if (!p.face.given || p.uniform(c) != 0) {
        h += dmi_uniform<X>(p, film, c) + dmi_uniform<Y>(p, film, c);
        if (NZ > 1) h += dmi_uniform<Z>(p, film, c);
        const real x = free_ends<X>(c), y = free_ends<Y>(c), z = free_ends<Z>(c);
        if (x + y + z > 0) {
            const real bb = p.thin(c, 5), ii = p.thin(c, 6), bi = p.thin(c, 7);
            const real xx = x * ii + (y + z) * bb, yy = (x + z) * bb + y * ii, zz = (x + y) * (bb + ii), xy = (x - y) * bi;
            h += {xx * m.x + xy * m.y, xy * m.x + yy * m.y, zz * m.z};
        }
    } else {
        const bool jumps = p.jumps(c) != 0;
        Vector sum = dmi_faces<X>(p, film, c, jumps) + dmi_faces<Y>(p, film, c, jumps);
        if (NZ > 1) sum += dmi_faces<Z>(p, film, c, jumps);
        const real xx = p.end(c, 0), yy = p.end(c, 1), zz = p.end(c, 2), xy = p.end(c, 3);
        sum += {xx * m.x + xy * m.y, xy * m.x + yy * m.y, zz * m.z};
        h += p.inverse(c) * sum;
    }
}
