"""The local energy terms of a batch in one CUDA launch: from m and the demagnetising field to the whole field or dm/dt.

The kernel is put together for the terms that the batch has: cells.cu, a snippet ``terms/<term>.cu`` of each, local.cu.
A term without a snippet (the demagnetising field, or a new one) is added by its own `add_field` before the launch,
which goes on from what that left in the output array. So a term still needs one file; a second one makes it fast.

A snippet is CUDA C++ that names the attributes of its `Term` it reads, and has a function of the term's name:

.. code-block:: cuda

    // parameters: strength, axis[3]
    template <class P>
    static __device__ __forceinline__ void anisotropy(
        const P& p, const Film& film, const Cell& c, const Vector& m, Vector& h) {
        const Vector u = p.axis.vector(c);
        h += (p.strength(c) * dot(m, u)) * u;
    }

``p.name(cell)`` is a parameter at a cell, ``p.name(cell, k)`` its component k, ``p.name.vector(cell)`` its three;
``next<X, 1>(c)`` is the neighbour on the + side along x, round the end of a periodic axis, with ``exists`` false beyond
an open one; ``film.m(cell)`` is m there. Both are zero where there is no cell, m in vacuum too. The function is called
for cells with material alone, with their own m, and adds to h in A/m.

A parameter with n components is an attribute (films, n, rows, nx), without the n for one, with `rows` as in
`weiss.llg.parameters`; or (films, n), one value per film; or a method that is given the times of the films and returns
(films, n) on the host. ``attribute as name`` gives it another name in the snippet, ``attribute.k`` is item k of a
tuple. Those of a line ``// parameters unless uniform: ...`` are not asked for if the attribute `uniform` is true for
all films; `given` of them is false then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from weiss.llg.mesh import Mesh
from weiss.llg.terms import Array, Term
from weiss.llg.vectors import gpu as vectors
from weiss.llg.vectors.gpu import send

THREADS = 256
"""Threads of a block: the MOST_THREADS of local.cu."""

TILE_Y = 8
"""Most rows of a block's tile."""

FIELD, TORQUE, DESCENT = 0, 1, 2
"""What the kernel writes: RATE of local.cu."""

_PARAMETERS = re.compile(r"^// parameters(?: unless (\w+))?: (.*)$", re.MULTILINE)
_PARAMETER = re.compile(r"(\w+)(?:\.(\d+))?(?:\[(\d+)\])?(?: as (\w+))?$")


@dataclass(frozen=True)
class Parameter:
    """What the snippet of a term reads.

    Attributes
    ----------
    attribute : str
        Of the term.
    item : int or None
        Which item, where the attribute is a tuple.
    name : str
        In the snippet.
    components : int
    unless : str or None
        Attribute of the term that is true for films which do not need this one.
    """

    attribute: str
    item: int | None
    name: str
    components: int
    unless: str | None


def _text(name: str) -> str:
    return files("weiss.llg").joinpath(name).read_text(encoding="utf-8")


@lru_cache(maxsize=32)
def snippet(name: str) -> str | None:
    """Text of ``terms/<name>.cu``, or None where there is none."""
    path = files("weiss.llg.terms").joinpath(f"{name}.cu")
    return path.read_text(encoding="utf-8") if path.is_file() else None


def parameters(text: str) -> list[Parameter]:
    """Parameters that a snippet names."""
    found = []
    for unless, line in _PARAMETERS.findall(text):
        for entry in line.split(", "):
            match = _PARAMETER.match(entry)
            if match is None:
                raise ValueError(f"what is the parameter {entry!r} of a snippet?")
            attribute, item, components, name = match.groups()
            item = None if item is None else int(item)
            found.append(Parameter(attribute, item, name or attribute, int(components or 1), unless or None))
    return found


def source(snippets: dict[str, str]) -> str:
    """CUDA text of the kernel, with the snippets of these terms.

    The options of the compiler must say how many values their parameters have, as ``<term>_<parameter>_SIZE``.
    """
    arguments, calls, parts = [], [], [_text("vector.cu"), _text("cells.cu")]
    for term, text in snippets.items():
        members, values = [], []
        for parameter in parameters(text):
            argument = f"{term}_{parameter.name}"
            arguments.append(f", const real* __restrict__ {argument}")
            members.append(f"Parameter<{argument}_SIZE> {parameter.name};")
            values.append(f"{{{argument} + (size_t){parameter.components} * {argument}_SIZE * number}}")
        calls.append(f"{term}({term}_parameters{{{', '.join(values)}}}, film, cell, m, h);")
        parts += [text, f"struct {term}_parameters {{ {' '.join(members)} }};"]
    macros = f"#define PARAMETERS {''.join(arguments)}\n#define ADD_TERMS {' '.join(calls)}"
    return "\n".join([*parts, macros, _text("local.cu")])


def tile(mesh: Mesh) -> tuple[int, int]:
    """Columns and rows of a block's tile: wide where a layer has few rows."""
    rows = TILE_Y
    while rows > mesh.cells[1]:
        rows //= 2
    return THREADS // rows, rows


def options(mesh: Mesh, dtype: np.dtype, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Options of the compiler."""
    real = {"f": "float", "d": "double"}[np.dtype(dtype).char]
    cells = (f"-DN{axis}={count}" for axis, count in zip("XYZ", mesh.cells, strict=True))
    periodic = (f"-DPERIODIC_{axis}={int(flag)}" for axis, flag in zip("XYZ", mesh.periodic, strict=True))
    tiles = (f"-DTILE_{axis}={count}" for axis, count in zip("XY", tile(mesh), strict=True))
    fixed = ("--std=c++17", "--fmad=true", "--prec-div=true", "--prec-sqrt=true")
    return (*fixed, f"-DREAL={real}", *cells, *periodic, *tiles, *flags)


@lru_cache(maxsize=64)
def kernel(text: str, flags: tuple[str, ...]) -> Callable[..., None]:
    """Compile the kernel: ``kernel(grid, block, arguments)``."""
    import cupy

    return cupy.RawModule(code=text, options=flags, backend="nvrtc").get_function("local")


class Local:
    """Effective fields and torques of a batch on a GPU.

    Parameters
    ----------
    terms : sequence of Term
        All terms of the batch.
    alpha : (films, rows, nx) array
        Gilbert damping, as `weiss.llg.parameters.pack` lays it out, on the device.
    gamma0 : (films,) ndarray
        In m/(A s).

    Attributes
    ----------
    fused, others : list of Term
        Terms in the kernel, and those added before it.
    launches : int
        Launches of the kernel so far.
    """

    def __init__(self, terms: Sequence[Term], alpha: Array, gamma0: np.ndarray) -> None:
        self.films, self.xp = terms[0].films, terms[0].xp
        self.fused = [term for term in terms if snippet(term.name)]
        self.others = [term for term in terms if not snippet(term.name)]
        self.launches = 0
        self._text = source({term.name: snippet(term.name) or "" for term in self.fused})
        self._values: list[Array | Callable] = []
        sizes = {"ALPHA_SIZE": alpha.size // len(alpha)}
        for term in self.fused:
            for parameter in parameters(snippet(term.name) or ""):
                value, size = self._look_up(term, parameter)
                self._values.append(value)
                sizes[f"{term.name}_{parameter.name}_SIZE"] = size
        flags = (*(f"-D{name}={size}" for name, size in sizes.items()), f"-DBASE={int(bool(self.others))}")
        self._options = options(self.films.mesh, self.films.dtype, flags)
        self._alpha, self._gamma0 = alpha, send(self.xp, gamma0, self.films.dtype)

    def _look_up(self, term: Term, parameter: Parameter) -> tuple[Array | Callable, int]:
        """A parameter as the kernel takes it, or the method to ask for it, and its number of values per component."""
        if parameter.unless is not None and np.all(getattr(term, parameter.unless)):
            return np.uintp(0), 0
        value = getattr(term, parameter.attribute)
        value = value if parameter.item is None else value[parameter.item]
        if callable(value):
            return value, 1
        films, dtype = len(self.films.films), self.films.dtype
        if isinstance(value, np.ndarray):
            value = self.xp.asarray(np.ascontiguousarray(value, dtype))
        if not (value.flags.c_contiguous and value.dtype == dtype):
            raise ValueError(f"{term.name}.{parameter.attribute} must be C-contiguous and of the batch's precision")
        return value, value.size // (films * parameter.components)

    def field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        """Effective field in A/m into `out`; see `weiss.llg.equation.Equation.field`."""
        self._launch(FIELD, m, t, out, None, live)

    def torque(
        self, m: Array, t: np.ndarray, out: Array, live: np.ndarray, precess: bool = True, field: Array | None = None
    ) -> None:
        """dm/dt in 1/s into `out`, and the effective field into `field` if there is one."""
        self._launch(TORQUE if precess else DESCENT, m, t, field, out, live)

    def _launch(
        self, rate: int, m: Array, t: np.ndarray, field: Array | None, out: Array | None, live: np.ndarray
    ) -> None:
        chosen = np.flatnonzero(live)
        if not chosen.size:
            return
        base = out if field is None else field
        for array in (m, base, out):
            if array is not None and not (array.flags.c_contiguous and array.dtype == self.films.dtype):
                raise ValueError("GPU kernels take C-contiguous fields of the batch's precision")
        if self.others:
            vectors.clear(base, live)
            for term in self.others:
                term.add_field(m, t, base, live)
        (nx, ny, nz), (wide, high) = self.films.mesh.cells, tile(self.films.mesh)
        blocks = -(-nx // wide) * -(-ny // high) * nz
        dtype, nothing = self.films.dtype, np.uintp(0)
        arguments = (
            send(self.xp, chosen, np.int32),
            m,
            base,
            self._alpha,
            self._gamma0,
            nothing if field is None else field,
            nothing if out is None else out,
            *(send(self.xp, value(t), dtype) if callable(value) else value for value in self._values),
        )
        kernel(self._text, (*self._options, f"-DRATE={rate}"))((blocks, chosen.size), (THREADS,), arguments)
        self.launches += 1
