"""Draw one figure of a study: a PNG and a CSV of the data shown."""

from __future__ import annotations

from pathlib import Path

from weiss import paths
from weiss.atomic import atomic_write
from weiss.errors import UserError
from weiss.figures import names, registry, style
from weiss.study import Study, check_digest


def run(study: Study, figure: str, results: Path, expected_digest: str | None = None) -> None:
    """Draw a figure and write ``<figure>.png`` and ``<figure>.csv``, each atomically and reproducibly.

    Parameters
    ----------
    study : Study
    figure : str
        Name of the figure.
    results : Path
        Results root.
    expected_digest : str, optional
        What the workflow planned with.

    Raises
    ------
    UserError
        If there is no such figure, it does not apply to the study, the study changed since the job was planned, or
        a file the figure needs is missing or damaged.
    """
    module = registry.module(figure)
    if not names.applies(study, figure):
        raise UserError(f"figure {figure!r} does not apply: the study has nothing of what it shows", str(study.path))
    check_digest(expected_digest, study.figure_digest(figure), f"figure {figure}")
    with style.style():
        drawing, table = module.build(study, results)
    image = style.png(drawing)
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    atomic_write(paths.figure(results, study.name, figure, ".csv"), text.encode())
    atomic_write(paths.figure(results, study.name, figure), image)
