// The applied field as in zeeman.py: the film's own, and what is the same in all its cells and may change in time.
//
// parameters: static[3] as own, at[3]

template <class P>
static __device__ __forceinline__ void zeeman(const P& p, const Film&, const Cell& c, const Vector&, Vector& h) {
    h += p.own.vector(c) + p.at.vector(c);
}
