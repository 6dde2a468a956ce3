// Uniaxial anisotropy as in anisotropy.py.
//
// parameters: first, second, axis[3]

template <class P>
static __device__ __forceinline__ void anisotropy(
    const P& p, const Film&, const Cell& c, const Vector& m, Vector& h) {
    const Vector u = p.axis.vector(c);
    const real along = dot(m, u);
    h += (along * (p.first(c) + p.second(c) * (along * along))) * u;
}
