// Exchange as in exchange.py: one coupling along each axis for a film that is uniform, else one for every face.
//
// parameters: uniform, thin[3]
// parameters unless uniform: face[3], inverse

template <int AXIS, class P>
static __device__ __forceinline__ Vector exchange_uniform(
    const P& p, const Film& film, const Cell& c, const Vector& m) {
    const Cell up = next<AXIS, 1>(c), down = next<AXIS, -1>(c);
    Vector sum = {0, 0, 0};
    if (up.exists) sum += film.m(up) - m;
    if (down.exists) sum += film.m(down) - m;
    return p.thin(c, AXIS) * sum;
}

template <int AXIS, class P>
static __device__ __forceinline__ Vector exchange_faces(const P& p, const Film& film, const Cell& c, const Vector& m) {
    const Cell up = next<AXIS, 1>(c), down = next<AXIS, -1>(c);
    return p.face(c, AXIS) * (film.m(up) - m) + p.face(down, AXIS) * (film.m(down) - m);
}

template <class P>
static __device__ __forceinline__ void exchange(
    const P& p, const Film& film, const Cell& c, const Vector& m, Vector& h) {
    if (!p.face.given || p.uniform(c) != 0) {
        h += exchange_uniform<X>(p, film, c, m) + exchange_uniform<Y>(p, film, c, m);
        if (NZ > 1) h += exchange_uniform<Z>(p, film, c, m);
    } else {
        Vector sum = exchange_faces<X>(p, film, c, m) + exchange_faces<Y>(p, film, c, m);
        if (NZ > 1) sum += exchange_faces<Z>(p, film, c, m);
        h += p.inverse(c) * sum;
    }
}
