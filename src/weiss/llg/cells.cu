// What the snippets of the energy terms (terms/<term>.cu) see of a film: cells, their neighbours, m and parameters.
//
// vector.cu comes before this text. The compiler's options, set by fused.py, say
//   NX, NY, NZ                          cells of the mesh,
//   PERIODIC_X, PERIODIC_Y, PERIODIC_Z  1 where the film goes on beyond its end.

constexpr int CELLS = NX * NY * NZ;

constexpr int X = 0, Y = 1, Z = 2;

// A cell, or the lack of one beyond an open end: then `exists` is false, and it stands for the cell it was reached from.
struct Cell {
    int x, y, z;
    bool exists;
    __device__ __forceinline__ int index() const { return (z * NY + y) * NX + x; }
};

// The neighbour on one side (-1 or +1) along AXIS; round the end where the axis is periodic.
template <int AXIS, int SIDE>
static __device__ __forceinline__ Cell next(Cell c) {
    constexpr int count = AXIS == X ? NX : AXIS == Y ? NY : NZ;
    constexpr bool periodic = AXIS == X ? PERIODIC_X : AXIS == Y ? PERIODIC_Y : PERIODIC_Z;
    int& i = AXIS == X ? c.x : AXIS == Y ? c.y : c.z;
    const bool last = i == (SIDE > 0 ? count - 1 : 0);
    if (!last) i += SIDE;
    if (last && periodic) i = SIDE > 0 ? 0 : count - 1;
    c.exists = !last || periodic;
    return c;
}

// The film a thread works on: m(cell) is zero in vacuum and where a cell does not exist.
struct Film {
    const real* m0;
    __device__ __forceinline__ Vector m(const Cell& c) const {
        if (!c.exists) return {0, 0, 0};
        const real* p = m0 + c.index();
        return {p[0], p[CELLS], p[2 * (size_t)CELLS]};
    }
};

// A parameter of this film, (components, SIZE) in memory: one value per cell, one for every x (the same in all rows), or
// one for the whole film; zero where a cell does not exist. SIZE is 0, and `given` false, where no film needs it.
template <int SIZE>
struct Parameter {
    const real* first;
    static constexpr bool given = SIZE > 0;
    __device__ __forceinline__ real operator()(const Cell& c, int component = 0) const {
        if (!given || !c.exists) return 0;
        const int i = SIZE == CELLS ? c.index() : SIZE == NX ? c.x : 0;
        return first[(size_t)component * SIZE + i];
    }
    __device__ __forceinline__ Vector vector(const Cell& c) const { return {(*this)(c), (*this)(c, 1), (*this)(c, 2)}; }
};
