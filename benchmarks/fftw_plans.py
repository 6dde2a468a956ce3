"""Time FFTW's plans for the common film sizes and write them into the package.

    python benchmarks/fftw_plans.py        # on a quiet machine; a minute

FFTW's plans that are chosen without timing (FFTW_ESTIMATE) take 1.2 to 1.6 times as long. Plans timed anew at every
start would round differently from run to run, so they are timed here once and shipped; FFTW ignores them where its
build or the processor's instruction set is another.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyfftw

SIZES = (32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
WISDOM = Path(__file__).resolve().parent.parent / "src" / "weiss" / "fftw_wisdom.txt"


def main() -> None:
    """Plan both transforms of every size, single precision."""
    for n in SIZES:
        field = pyfftw.empty_aligned((n, n), np.float32)
        spectrum = pyfftw.empty_aligned((n, n // 2 + 1), np.complex64)
        pyfftw.FFTW(field, spectrum, axes=(0, 1), flags=("FFTW_PATIENT" if n <= 256 else "FFTW_MEASURE",))
        back = ("FFTW_PATIENT" if n <= 256 else "FFTW_MEASURE", "FFTW_DESTROY_INPUT")
        pyfftw.FFTW(spectrum, field, axes=(0, 1), direction="FFTW_BACKWARD", flags=back)
    WISDOM.write_bytes(pyfftw.export_wisdom()[1])


if __name__ == "__main__":
    main()
