"""A trained network made ready to read the windows of a map: folded, and in the precision of the job."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn
from torch.backends import cudnn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from weiss.learn.networks.regressor import Regressor
from weiss.learn.predict import BLOCK
from weiss.learn.scales import restorer

PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""What a network is held in. All but float32 need a GPU. In tf32 the factors of products are rounded to 10 bits after
the point in place of 23; in float16 and bfloat16 everything is, but for the last layer, to 10 and to 7 bits. Products
are summed in float32 always."""


POINTWISE = ((1, 1), (1, 1), (0, 0), 1)
"""Kernel, stride, padding and groups of the convolutions that are products of matrices."""


class Pointwise(nn.Module):
    """A 1×1 convolution written as the product of matrices it is.

    On a GPU the offset is added within the product; to a convolution's result another kernel adds it, which reads
    and writes it once more.

    Parameters
    ----------
    convolution : nn.Conv2d
        As `POINTWISE` says.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(convolution.weight.detach().flatten(1)), convolution.bias

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, channels, h, w) to (N, channels out, h, w), both in channels-last memory order."""
        cells = maps.permute(0, 2, 3, 1)
        made = nn.functional.linear(cells.reshape(-1, cells.shape[-1]), self.weight, self.bias)
        return made.view(*cells.shape[:3], -1).permute(0, 3, 1, 2)


def folded(module: nn.Module) -> nn.Module:
    """Fold batch normalisation into the convolutions before it: in evaluation both are linear, only rounding differs.

    1×1 convolutions become products of matrices.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode; left as it is.

    Returns
    -------
    nn.Module
        In channels-last memory order.

    Raises
    ------
    ValueError
        The network is in training mode, where a window's answer would depend on its neighbours in the batch.
    """
    if any(part.training for part in module.modules()):
        raise ValueError("a map needs the network in evaluation mode")
    traced = fx.symbolic_trace(copy.deepcopy(module))
    for node in list(traced.graph.nodes):
        norm, before = _module_of(traced, node), node.args[0] if node.args else None
        conv = _module_of(traced, before)
        if isinstance(norm, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d) and len(before.users) == 1:
            traced.set_submodule(before.target, fuse_conv_bn_eval(conv, norm))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.recompile()
    traced.delete_all_unused_submodules()
    for name, part in list(traced.named_modules()):
        if isinstance(part, nn.Conv2d) and _shape_of(part) == POINTWISE:
            traced.set_submodule(name, Pointwise(part))
    return traced.to(memory_format=torch.channels_last)


def _shape_of(convolution: nn.Conv2d) -> tuple:
    return convolution.kernel_size, convolution.stride, convolution.padding, convolution.groups


def _module_of(traced: fx.GraphModule, node: object) -> nn.Module | None:
    """The module a node of the graph calls, if it calls one."""
    return traced.get_submodule(node.target) if isinstance(node, fx.Node) and node.op == "call_module" else None


def reader(
    module: Regressor, precision: str = "float32", fill: int = BLOCK, scales: Sequence[float] = ()
) -> Callable[[Tensor], Tensor]:
    """What `weiss.maps.sliding.slide` calls with windows.

    Parameters
    ----------
    module : Regressor
        A network of the zoo in evaluation mode, on the device of the windows; left as it is.
    precision : str
        One of `PRECISIONS`.
    fill : int
        Batches are filled up to a multiple of this. On a CPU the block of `weiss.learn.predict`, for the same bits
        whatever the batch; on a GPU the batch itself, so that all batches of a map take the same kernels.
    scales : sequence of float
        What the answers are multiplied by to be the targets in their units (`weiss.learn.scales`); none: they are.

    Returns
    -------
    callable
        From (n, w, w) float32 windows of ±1 to (n, targets) float32, each window on its own. On a GPU it does not wait
        for the result.

    Raises
    ------
    ValueError
        Unknown precision, or a network in training mode.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}, expected one of {', '.join(PRECISIONS)}")
    network, dtype = folded(module), PRECISIONS[precision]
    values = restorer(scales, next(module.parameters()).device)
    if dtype != torch.float32:
        network.to(dtype)
        # A last layer in bfloat16 would round its answers to steps of 1/128 between 1 and 2.
        last = network.get_submodule(f"net.{module.head}").float()
        last.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    def read(windows: Tensor) -> Tensor:
        filler = windows.new_zeros((-len(windows) % fill, *windows.shape[1:]))
        with torch.inference_mode(), arithmetic(precision):
            return values(network(torch.cat([windows, filler]).to(dtype))[: len(windows)])

    return read


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Set the GPU's float32 products for a precision, and put them back as they were.

    In float32 the algorithms are cuDNN's own choice, the same in every run; in a reduced precision they are the fastest
    in a trial, so that two runs may differ in rounding.
    """
    matmul, tf32 = torch.backends.cuda.matmul, precision == "tf32"
    before = matmul.allow_tf32
    matmul.allow_tf32 = tf32
    try:
        with cudnn.flags(enabled=True, benchmark=precision != "float32", deterministic=True, allow_tf32=tf32):
            yield
    finally:
        matmul.allow_tf32 = before
