"""Random small graphs: Sluice against ONNX Runtime's CPU provider.

    .deps/venv/bin/python tests/python/random_graphs.py --seeds 5000 --first 1000

A graph is a function of its seed. Every value carries a bound of its magnitude and of the error that float arithmetic may have made in it;
an operator is only added where both stay small, and one that jumps (Floor, comparisons, TopK, casts to integers) only where there is no error
at all. So a difference above the bound is a mistake, not rounding. What fails is kept, model and inputs, in the folder of --keep.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from random_graph import BOOL, I32, I64, MAX_ELEMENTS, SIZES, Graph, Unfit
from random_operators import OPERATORS

HERE = Path(__file__).resolve().parent


def make(seed):
    """(model, feeds, outputs with their bounds)"""
    g = Graph(seed)
    for _ in range(1 + g.below(3)):
        shape = [g.one_of(SIZES) for _ in range(1 + g.below(4))]
        if g.zeros and g.chance(0.5):
            shape[g.below(len(shape))] = 0
        while np.prod(shape) > MAX_ELEMENTS:
            shape.pop()
        dtype = g.one_of([g.float, g.float, g.float, I64, I32, BOOL])
        g.values.append(g.input(g.numbers(dtype, shape)))
    wanted = 1 + g.below(12)
    for _ in range(200):
        if len(g.nodes) >= wanted:
            break
        try:
            g.one_of(OPERATORS)(g)
        except Unfit:
            pass
    model, outputs = g.model()
    used = {name for node in g.nodes for name in node.input}
    for value in [v for v in model.graph.input if v.name not in used]:
        model.graph.input.remove(value)
        del g.feeds[value.name]
    return model, g.feeds, outputs


# --- comparing -----------------------------------------------------------------------------------------------------------------------


def expected_results(model, feeds):
    import onnxruntime
    import oracle

    wide = onnx.ModelProto.FromString(model.SerializeToString())
    oracle.to_float32(wide)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(wide.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {n: a.astype(np.float32) if a.dtype == np.float16 else a for n, a in feeds.items()})


def check(seed, device):
    """None, or what is wrong."""
    import sluice

    model, feeds, outputs = make(seed)
    if not outputs:
        return None
    expected = expected_results(model, feeds)
    try:
        actual = sluice.Session(model.SerializeToString(), device).run(None, feeds)
    except sluice.Error as error:
        return f"refused: {error}"
    for value, e, a in zip(outputs, expected, actual):
        if (a.dtype, a.shape) != (value.dtype, e.shape):
            return f"{value.name} is {a.dtype}{list(a.shape)}, must be {value.dtype}{list(e.shape)}"
        far = np.abs(a.astype(np.float64) - e.astype(np.float64))
        limit = 2 * value.error + (0 if value.is_exact else 1e-6)
        if not (far <= limit).all():
            at = np.unravel_index(np.nanargmax(np.where(np.isnan(far), np.inf, far)), far.shape)
            return f"{value.name}{list(a.shape)} at {[int(i) for i in at]} is {a[at]}, must be {e[at]} within {limit:.2g}"
    return None


def keep(seed, folder):
    folder.mkdir(parents=True, exist_ok=True)
    model, feeds, _ = make(seed)
    onnx.save(model, folder / f"seed{seed}.onnx")
    np.savez(folder / f"seed{seed}.npz", **feeds)
    return folder / f"seed{seed}.onnx"


def run(seeds, folder):
    """What fails, a line each."""
    import sluice

    device, failures = sluice.Device(), []
    for seed in seeds:
        text = check(seed, device)
        if text:
            failures.append(f"seed {seed} ({keep(seed, folder)}): {text}")
    return failures


def main():
    build = Path(os.environ.get("SLUICE_BUILD", HERE.parent.parent / "build/release"))
    sys.path.insert(0, str(build / "python"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=300, help="how many graphs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--keep", type=Path, default=build / "random_graphs", help="folder for what fails")
    parser.add_argument("--print", action="store_true", help="print the graphs, run nothing")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    if options.print:
        for seed in seeds:
            print(onnx.printer.to_text(make(seed)[0]))
        return
    begin = time.perf_counter()
    failures = run(seeds, options.keep)
    print("\n".join(failures))
    print(f"random_graphs: {len(seeds)} graphs from seed {options.first}, {len(failures)} failed, {time.perf_counter() - begin:.0f} s")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
