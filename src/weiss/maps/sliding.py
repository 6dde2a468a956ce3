"""Algorithm 1 of Mamada et al. (arXiv 2305.14764): a network slid over a periodic film, many windows at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from weiss.patterns.windows import grid_of, wrap

Predictor = Callable[[torch.Tensor], torch.Tensor]


def slide(
    predictor: Predictor,
    pattern: NDArray,
    window: int,
    stride: int = 1,
    batch: int = 1024,
    device: str | torch.device = "cpu",
    progress: Callable[[int], None] = lambda windows: None,
) -> NDArray[np.float32]:
    """Read the parameters around every `stride`-th cell of a film.

    ``P[i, j] = predictor(A[i - w/2 : i + w/2, j - w/2 : j + w/2])`` with `A` continued periodically.

    Parameters
    ----------
    predictor : callable
        Takes float32 windows, shape (n, w, w), on `device`; gives (n, targets) there. It must treat each window on its
        own (a network in evaluation mode), so that the result does not depend on `batch`.
    pattern : ndarray, shape (ny, nx)
        Domain pattern of ±1.
    window : int
        Side of the window w, cells.
    stride : int
        Cells between neighbouring windows; cells 0, stride, 2 stride, … of each axis are read.
    batch : int
        Windows handed over at once; bounds the memory.
    device : str or torch.device
        Where the film lies and the windows are cut out.
    progress : callable
        Told the number of windows after each batch. A GPU is then still at work: nothing waits for it before the end.

    Returns
    -------
    ndarray of float32, shape (targets, ceil(ny / stride), ceil(nx / stride))
        In the units of the predictor.

    Raises
    ------
    ValueError
        If the window does not fit the film, or stride or batch is below 1.
    """
    if batch < 1:
        raise ValueError(f"a batch holds at least 1 window, not {batch}")
    rows, columns = (grid_of(length, stride).size for length in pattern.shape)
    film = torch.from_numpy(wrap(np.asarray(pattern, dtype=np.float32), window)).to(device)
    windows = film.unfold(0, window, stride).unfold(1, window, stride)
    cells = torch.arange(rows * columns, device=film.device)
    read = []
    with torch.inference_mode():
        for chunk in cells.split(batch):
            read.append(predictor(windows[chunk // columns, chunk % columns]).float())
            progress(chunk.numel())
        values = torch.cat(read).cpu().numpy()
    return values.T.reshape(-1, rows, columns)
