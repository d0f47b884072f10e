"""Processor seconds that the networks of encoders take for a patch, beside what their products alone would take.

`python -m benchmarks.encoders [ENCODER ...]`: one thread, float32 and bf16, weights drawn at random, patches of 224
pixels or as large as a transform crops them.
"""

import argparse
import time
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import machine, product_seconds
from benchmarks.training import table
from prognoscope.features.encoders.catalogue import CATALOGUE
from prognoscope.features.encoders.networks import network_of
from prognoscope.features.encoders.timm_encoder import _token

HEADER = "| encoder | px | GFLOP a patch | s a patch | s of products at best | s in bf16 | ratio |"
SIDE_PX = 224
GFLOP_OF_PRODUCT = 2 * 2.048**3  # of two matrices of 2048 x 2048


def drawn(network: nn.Module) -> nn.Module:
    """The same network, on the processor, with values."""
    network = network.to_empty(device="cpu").eval()
    for each in [*network.parameters(), *network.buffers()]:
        if each.is_floating_point():
            each.data.uniform_(0.01, 0.02)
    return network


@torch.inference_mode()
def row(name: str, patches: int, gflop_a_second: float) -> str:
    """The line of an encoder."""
    told = CATALOGUE[name]
    side = told.crop_px if told.resize_px else SIDE_PX
    network = network_of(told).eval()
    with FlopCounterMode(display=False) as counted:
        _token(network, torch.empty(1, 3, side, side, device="meta"), told)
    gflop = counted.get_total_flops() / 1e9
    network, images = drawn(network), torch.rand(patches, 3, side, side)
    spent = {}
    for is_half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            _token(network, images[:1], told)
            began = time.process_time()
            _token(network, images, told)
            spent[is_half] = (time.process_time() - began) / patches
    plain, half = spent[False], spent[True]
    best = gflop / gflop_a_second
    return f"| {name} | {side} | {gflop:.3g} | {plain:.2g} | {best:.2g} | {half:.2g} | {plain / half:.2f} |"


def main(given: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="*", metavar="ENCODER", default=list(CATALOGUE), help="all by default")
    parser.add_argument("--patches", type=int, default=4, help="at once")
    args = parser.parse_args(given)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{machine('cpu')}\n")
    speed = GFLOP_OF_PRODUCT / product_seconds("cpu", "float32")
    for line in table(HEADER, (row(name, args.patches, speed) for name in args.encoders)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
