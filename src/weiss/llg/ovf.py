"""OVF 2.0, the file of vector fields that OOMMF, mumax³ and Ubermag share: rectangular meshes, one segment.

Format: OOMMF User's Guide, "The OVF 2.0 format" (M. J. Donahue and D. G. Porter, NISTIR 6376). Binary data is
little-endian and begins with a check value. x runs fastest, then y, then z, as in the arrays here. OVF knows no
periodicity; a mesh read from a file is open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weiss.atomic import atomic_write
from weiss.errors import UserError
from weiss.llg.mesh import AXES, Mesh

_CHECKS = {"binary 4": (np.dtype("<f4"), 1234567.0), "binary 8": (np.dtype("<f8"), 123456789012345.0)}
_METRES = {"m": 1.0, "nm": 1e-9}
_REQUIRED = ["meshtype", "meshunit", "valuedim", *(axis + key for key in ("nodes", "stepsize") for axis in AXES)]
_SAME = 1e-6
"""Relative difference up to which cell sizes are the same: programs write them with few digits."""


@dataclass(frozen=True, eq=False)
class Ovf:
    """What an OVF file holds.

    Attributes
    ----------
    values : (components, nz, ny, nx) ndarray of float64
    mesh : Mesh
        Open along every axis.
    title, desc : str
        Lines of the description are joined by newlines.
    labels, units : tuple of str
        One for every component; () where the file names none.
    """

    values: np.ndarray
    mesh: Mesh
    title: str
    desc: str
    labels: tuple[str, ...]
    units: tuple[str, ...]


def write(
    path: Path,
    values: np.ndarray,
    mesh: Mesh,
    representation: str = "binary 8",
    title: str = "m",
    desc: str = "",
    labels: Sequence[str] = ("m_x", "m_y", "m_z"),
    units: Sequence[str] = ("1", "1", "1"),
) -> None:
    """Write a field, whole or not at all; the same field gives the same bytes.

    Parameters
    ----------
    path : Path
    values : (components, nz, ny, nx) ndarray
        Finite. Text and binary 8 keep float64 exactly, binary 4 rounds to float32.
    mesh : Mesh
    representation : {"text", "binary 4", "binary 8"}
    title, desc : str
        `desc` may have several lines.
    labels, units : sequence of str
        One for every component.

    Raises
    ------
    UserError
        If the values are not finite or of another mesh, labels or units do not fit, or the file cannot be written.
    """
    where = str(path)
    values = np.asarray(values)
    if values.shape[1:] != mesh.shape or values.ndim != 4:
        raise UserError(
            f"values of shape {values.shape} on a mesh {mesh.shape}", where, "give (components, nz, ny, nx)"
        )
    if len(labels) != len(values) or len(units) != len(values):
        raise UserError(
            f"{len(labels)} labels and {len(units)} units for {len(values)} components", where, "give one for each"
        )
    nodes = values.reshape(len(values), -1).T
    if representation == "text":
        lines = (" ".join(map(repr, node)) for node in nodes.astype(float).tolist())
        data = ("\n".join(lines) + "\n").encode()
        fits = np.isfinite(nodes).all()
    elif representation in _CHECKS:
        dtype, check = _CHECKS[representation]
        with np.errstate(over="ignore"):
            numbers = nodes.astype(dtype)
        data = np.array(check, dtype).tobytes() + numbers.tobytes() + b"\n"
        fits = np.isfinite(numbers).all()
    else:
        raise UserError(f"no representation {representation!r} in OVF", where, "take text, binary 4 or binary 8")
    if not fits:
        raise UserError("the values are not finite everywhere", where, "an OVF file holds finite numbers")
    named = representation.capitalize()
    header = _header(mesh, len(values), title, desc, labels, units)
    begin = "".join(f"# {line}\n" for line in [*header, f"Begin: Data {named}"])
    end = f"# End: Data {named}\n# End: Segment\n"
    atomic_write(Path(path), begin.encode() + data + end.encode())


def read(path: Path, mesh: Mesh | None = None) -> Ovf:
    """Read an OVF 2.0 file.

    Parameters
    ----------
    path : Path
    mesh : Mesh, optional
        The mesh it must have.

    Returns
    -------
    Ovf

    Raises
    ------
    UserError
        If the file is missing, of another version or an irregular mesh, truncated or longer than its mesh, has a wrong
        check value or numbers that are not finite, or is of another mesh than the one asked for.
    """
    where = str(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", where) from error
    header, representation, data = _split(content, where)
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        raise UserError(f"the header has no {missing[0]}", where, "OVF 2.0 requires it")
    if header["meshtype"].lower() != "rectangular":
        raise UserError(f"meshtype {header['meshtype']} is not supported", where, "give a rectangular mesh")
    found = _mesh(header, where)
    if mesh is not None:
        check_mesh(found, mesh, path)
    components = _whole(header, "valuedim", where)
    expected = found.count * components
    numbers = _text(data, where) if representation == "text" else _binary(data, representation, expected, where)
    if numbers.size != expected:
        kind = "truncated" if numbers.size < expected else "too long"
        raise UserError(f"{kind}: {numbers.size} numbers, {expected} expected", where, "the file is damaged")
    if not np.isfinite(numbers).all():
        raise UserError("holds numbers that are not finite", where, "the simulation that wrote it had failed")
    values = np.ascontiguousarray(numbers.reshape(*found.shape, components).transpose(3, 0, 1, 2))
    labels, units = _list(header.get("valuelabels", "")), _list(header.get("valueunits", ""))
    if len(units) == 1:
        units *= components
    for name, entries in (("valuelabels", labels), ("valueunits", units)):
        if entries and len(entries) != components:
            raise UserError(f"{len(entries)} {name} for {components} components", where)
    return Ovf(values, found, header.get("title", ""), header.get("desc", ""), labels, units)


def check_mesh(found: Mesh, expected: Mesh, path: Path) -> None:
    """Refuse a file whose cells are others than those of a mesh; periodicity, which OVF does not know, may differ.

    Raises
    ------
    UserError
        With both meshes in it.
    """
    same = found.cells == expected.cells and np.allclose(found.cell, expected.cell, rtol=_SAME, atol=0)
    if not same:
        raise UserError(
            f"the file has {_words(found)}, the mesh {_words(expected)}", str(path), "states are not interpolated"
        )


def _words(mesh: Mesh) -> str:
    edges = " × ".join(f"{edge * 1e9:.7g}" for edge in mesh.cell)
    return f"{' × '.join(map(str, mesh.cells))} cells of {edges} nm"


def _header(
    mesh: Mesh, components: int, title: str, desc: str, labels: Sequence[str], units: Sequence[str]
) -> list[str]:
    lines = ["OOMMF OVF 2.0", "Segment count: 1", "Begin: Segment", "Begin: Header", f"Title: {_one_line(title)}"]
    lines += [f"Desc: {_one_line(line)}" for line in desc.splitlines()]
    lines += ["meshtype: rectangular", "meshunit: m"]
    lines += [f"{axis}min: 0.0" for axis in AXES]
    lines += [f"{axis}max: {size!r}" for axis, size in zip(AXES, mesh.size, strict=True)]
    lines += [f"{axis}base: {edge / 2!r}" for axis, edge in zip(AXES, mesh.cell, strict=True)]
    lines += [f"{axis}nodes: {count}" for axis, count in zip(AXES, mesh.cells, strict=True)]
    lines += [f"{axis}stepsize: {edge!r}" for axis, edge in zip(AXES, mesh.cell, strict=True)]
    lines += [f"valuedim: {components}"]
    lines += [f"valuelabels: {' '.join(map(_item, labels))}", f"valueunits: {' '.join(map(_item, units))}"]
    return [*lines, "End: Header"]


def _one_line(text: str) -> str:
    """Without newlines, and without ##, which would begin a comment."""
    return re.sub(r"#{2,}", "#", " ".join(text.split()))


def _item(text: str) -> str:
    """An element of a Tcl list."""
    text = _one_line(text).translate(str.maketrans("", "", '{}"'))
    return text if text and " " not in text else f"{{{text}}}"


def _list(text: str) -> tuple[str, ...]:
    """Elements of a Tcl list: words, or groups in braces or quotes."""
    groups = re.findall(r'\{([^}]*)\}|"([^"]*)"|(\S+)', text)
    return tuple(braced or quoted or word for braced, quoted, word in groups)


def _split(content: bytes, where: str) -> tuple[dict[str, str], str, bytes]:
    """Header by lower-case label without blanks, representation, and what is behind the line that begins the data."""
    first = content.partition(b"\n")[0].decode(errors="replace").strip()
    if not re.fullmatch(r"# *OOMMF OVF 2\.0", first, re.IGNORECASE):
        if re.match(r"# *OOMMF", first, re.IGNORECASE):
            raise UserError(f"{first.lstrip('# ')} is not supported", where, "save it as OVF 2.0")
        raise UserError("not an OVF 2.0 file", where)
    header: dict[str, str] = {}
    position = 0
    while (end := content.find(b"\n", position)) >= 0:
        line = content[position:end].decode(errors="replace").strip()
        position = end + 1
        label, colon, value = line.lstrip("#").partition(":")
        if not line.startswith("#") or line.startswith("##") or not colon:
            continue
        label, value = re.sub(r"[ \t]", "", label).lower(), value.split("##")[0].strip()
        if label == "begin" and value.lower().startswith("data"):
            representation = " ".join(value.lower().split()[1:])
            if representation not in ("text", *_CHECKS):
                raise UserError(f"data of the kind {value[4:].strip()!r} is not known", where)
            if _whole(header, "segmentcount", where) != 1:
                raise UserError(f"{header['segmentcount']} segments, expected one", where)
            return header, representation, content[position:]
        if label == "desc" and label in header:
            value = f"{header[label]}\n{value}"
        elif label in header and label not in ("begin", "end"):
            raise UserError(f"the header has {label} twice", where)
        header[label] = value
    raise UserError("truncated: the header ends without data", where, "the file is damaged")


def _whole(header: dict[str, str], name: str, where: str) -> int:
    text = header.get(name, "nothing")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name} is {text}, expected a whole number of at least 1", where)
    return int(text)


def _mesh(header: dict[str, str], where: str) -> Mesh:
    metres = _METRES.get(header["meshunit"])
    if metres is None:
        raise UserError(f"meshunit is {header['meshunit']}, expected {' or '.join(_METRES)}", where)
    edges = []
    for name in (axis + "stepsize" for axis in AXES):
        try:
            edges.append(float(header[name]) * metres)
        except ValueError as error:
            raise UserError(f"{name} is {header[name]}, expected a number", where) from error
        if not 0 < edges[-1] < math.inf:
            raise UserError(f"{name} is {header[name]}, expected a positive number", where)
    return Mesh(tuple(_whole(header, axis + "nodes", where) for axis in AXES), tuple(edges))


def _binary(data: bytes, representation: str, expected: int, where: str) -> np.ndarray:
    dtype, check = _CHECKS[representation]
    if len(data) < dtype.itemsize:
        raise UserError(f"truncated: no numbers, {expected} expected", where, "the file is damaged")
    found = float(np.frombuffer(data, dtype, 1)[0])
    if found != check:
        raise UserError(
            f"the check value is {found!r}, expected {check!r}", where, "the file is damaged or not little-endian"
        )
    length = (1 + expected) * dtype.itemsize
    if not re.match(rb"\s*#\s*End:\s*Data", data[length:], re.IGNORECASE):
        end = data.lower().rfind(b"# end: data")
        held = (end if end >= 0 else len(data)) // dtype.itemsize - 1
        kind = "truncated" if held <= expected else "too long"
        raise UserError(f"{kind}: {held} numbers, {expected} expected", where, "the file is damaged")
    return np.frombuffer(data, dtype, expected, offset=dtype.itemsize).astype(float)


def _text(data: bytes, where: str) -> np.ndarray:
    end = re.search(rb"^[ \t]*#[ \t]*End:[ \t]*Data[ \t]+Text", data, re.IGNORECASE | re.MULTILINE)
    if end is None:
        raise UserError("truncated: the numbers are not followed by the end of the data", where, "the file is damaged")
    words = re.sub(rb"##[^\n]*", b"", data[: end.start()]).split()
    try:
        return np.array(words, "S").astype(float) if words else np.empty(0)
    except ValueError as error:
        raise UserError(f"holds text where numbers should be ({error})", where, "the file is damaged") from error
