"""Where the time of a step goes: shares of the processor's seconds by kind of operation, as a table in Markdown.

`python -m benchmarks.profile abmil ghanet`: forward, backward and the optimiser's step of one patient, one thread.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.autograd.profiler_util import EventList
from torch.profiler import ProfilerActivity, profile

from benchmarks.data import DIM, equal_bags
from benchmarks.measure import machine
from benchmarks.training import table
from benchmarks.ways import new_model, our_step, plain_model, plain_step
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.memory import freed_memory_kept
from prognoscope.models.registry import MODELS, profile_of
from prognoscope.training.optimizer import make_optimizer, set_learning_rate

KINDS = {  # the first that begins a name counts
    "optimizer": "_fused_ Optimizer. _foreach_ lerp addcdiv",
    "products": "mm addmm bmm baddbmm mkldnn_ linear matmul mv dot convolution conv _convolution thnn_conv scaled_dot "
    "_scaled_dot einsum _conv_depthwise",
    "dropout": "random_ bernoulli dropout native_dropout ge alpha_dropout",
    "casts, copies": "copy_ _to_copy to clone contiguous cat stack constant_pad pad fill_ zeros zero_ empty new_ ones "
    "resize full slice_backward repeat",
    "reductions": "sum mean _softmax softmax native_layer_norm layer_norm native_batch_norm max amax argmax topk sort "
    "kthvalue index scatter gather logsumexp norm cumsum cdist _cdist linalg min amin std var _log_softmax argsort "
    "cumprod _index unique",
    "elementwise": "add addcmul mul sub div tanh sigmoid relu threshold gelu elu exp log neg pow sqrt rsqrt where "
    "masked clamp softplus eq lt gt le abs sign rsub reciprocal leaky selu silu square bitwise logical isnan ne",
}
OTHERS = "calls, the rest"
STEPPING = [name for name in MODELS if (its := profile_of(name)).recipe is not None and its.teacher is None]


def kind_of(name: str) -> str:
    """The kind of an operation by its name."""
    name = name.removeprefix("aten::")
    for kind, beginnings in KINDS.items():
        if any(
            name == each or name.startswith(each if each.endswith("_") else f"{each}_") for each in beginnings.split()
        ):
            return kind
    return OTHERS


def profiled(step: Callable[[], object], times: int) -> EventList:
    """What the profiler saw of so many steps, after two that warm up."""
    for _ in range(2):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(times):
            step()
    return seen.key_averages()


def shares(events: EventList) -> dict[str, float]:
    """Each kind's share of the operations' own time."""
    spent = dict.fromkeys([*KINDS, OTHERS], 0.0)
    for each in events:
        spent[kind_of(each.key)] += each.self_cpu_time_total
    total = sum(spent.values())
    return {kind: value / total for kind, value in spent.items()}


def whole_step(name: str, data: PatientDataset, precision: str, *, plain: bool) -> Callable[[], object]:
    """Forward, backward, the optimiser's step."""
    if plain:
        model = plain_model(name, data.lengths[0]).train()
        both = plain_step(name, data, "cpu", model)
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-4, weight_decay=1e-5)
    else:
        model = new_model(name, "cpu")
        both = our_step(name, data, "cpu", precision, model)
        optimizer = make_optimizer(model, model.profile.recipe)
        set_learning_rate(optimizer, model.profile.recipe, 0)

    def run() -> None:
        both()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def row(name: str, data: PatientDataset, precision: str, args: argparse.Namespace) -> str:
    """A line of the table; with `--top` the operations that take longest below it."""
    step = whole_step(name, data, precision, plain=args.plain)
    events = profiled(step, args.times)
    start = time.process_time()
    for _ in range(args.times):
        step()
    ms = 1e3 * (time.process_time() - start) / args.times  # the profiler's own work is not in it
    cells = " | ".join(f"{100 * share:.0f} %" for share in shares(events).values())
    calls = sum(each.count for each in events) / args.times
    lines = [f"| {name}{' (plain)' if args.plain else ''} | {precision} | {ms:.3g} | {calls:.0f} | {cells} |"]
    total = sum(each.self_cpu_time_total for each in events)
    for each in sorted(events, key=lambda each: -each.self_cpu_time_total)[: args.top]:
        share, count = each.self_cpu_time_total / total, each.count / args.times
        lines.append(f"    {each.key}: {100 * share:.1f} %, {count:.0f} calls")
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> None:
    """Print a table of shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="all by default")
    parser.add_argument("--patches", type=int, default=4096, help="of a bag")
    parser.add_argument("--precision", nargs="+", default=["float32", "bf16"], choices=["float32", "bf16"])
    parser.add_argument("--times", type=int, default=5, help="steps that are profiled")
    parser.add_argument("--top", type=int, default=0, help="also name so many operations")
    parser.add_argument("--plain", action="store_true", help="the plain reading instead, in float32")
    args = parser.parse_args(given)
    if unknown := set(args.methods) - set(STEPPING):
        said = ", ".join(sorted(unknown))
        parser.error(f"These take no gradient steps of their own: {said}. Choose from {', '.join(STEPPING)}.")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{machine('cpu')}; {args.patches} patches of {DIM}-d\n")
    header = f"| method | precision | ms | calls | {' | '.join([*KINDS, OTHERS])} |"
    with tempfile.TemporaryDirectory() as folder, freed_memory_kept():
        data = equal_bags(1, args.patches, Path(folder) / "bench.bags")
        precisions = ["float32"] if args.plain else args.precision
        lines = (row(name, data, each, args) for name in args.methods or STEPPING for each in precisions)
        for line in table(header, lines):
            print(line, flush=True)


if __name__ == "__main__":
    main()
