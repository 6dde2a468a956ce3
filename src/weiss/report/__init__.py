"""The report: one self-contained HTML page of a study, written from what is on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weiss.study import Study

__all__ = ["run", "sources_digest"]


def run(study: Study, results: Path, expected_digest: str | None = None) -> None:
    """Write the report page; see `weiss.report.page.run`."""
    from weiss.report import page

    page.run(study, results, expected_digest)


def sources_digest() -> str:
    """Digest of everything that decides what the page looks like: template, this package, titles and captions.

    Returns
    -------
    str
        16 hexadecimal digits. Depends on contents only, not on when files were touched.
    """
    folder = Path(__file__).parent
    files = [*folder.glob("*.py"), *folder.glob("*.j2"), *folder.glob("*.css"), *folder.parent.glob("figures/names.py")]
    total = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.relative_to(folder.parent).as_posix()):
        total.update(path.relative_to(folder.parent).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
