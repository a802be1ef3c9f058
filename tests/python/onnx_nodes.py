"""ONNX's own node tests (onnx.backend.test) for every operator of the operator table: each passes or is refused.

    .deps/venv/bin/python tests/python/onnx_nodes.py --update

runs them all and pins what is refused and why in onnx_backend_counts.json, which test_onnx_backend.py compares with. `--only TEXT` runs those
whose name holds the text and prints what came of each.
"""

import argparse
import json
import os
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PINNED = HERE / "onnx_backend_counts.json"
LONGEST_REASON = 200
# Relative tolerances, where the formula in float32 loses all but ten bits (log(1 + exp(x)) near x = -10) or a chain of float16 results
# is rounded at each step.
TOLERANCES = {"test_mish_expanded": 2e-3, "test_attention_4d_causal_fp16_expanded": 2e-3}
# First match decides; of a graph with several obstacles the first.
CLASSES = (
    ("operator", r"the operator is not supported|is not supported: no kernel|unsupported operator|subgraph|control-flow|functions are not"),
    ("element type", r"element type|must be (float|int|uint|bool)|type \d+|not floats|types|dtype|strings?\b|only tensors"),
    ("not constant", r"must be (a )?constant|known when|data-dependent|depends on data|compile time"),
    ("opset", r"opset"),
)


def operators_of(model):
    return {f"{n.domain}.{n.op_type}" if n.domain not in ("", "ai.onnx") else n.op_type for n in model.graph.node}


def load_cases():
    from onnx.backend.test.loader import load_model_tests

    import sluice

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = load_model_tests(kind="node")
    table = set(sluice.operators())
    return [c for c in cases if operators_of(c.model) & table], table


def to_arrays(values):
    """Some cases give tensors as ONNX stores them."""
    from onnx import TensorProto, numpy_helper

    return [numpy_helper.to_array(v) if isinstance(v, TensorProto) else v for v in values]


def difference(actual, expected, case):
    """None if they agree as ONNX's runner wants it."""
    expected = np.asarray(expected)
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return f"is {actual.dtype}{list(actual.shape)}, must be {expected.dtype}{list(expected.shape)}"
    try:
        if actual.dtype.kind == "f":
            np.testing.assert_allclose(actual, expected, rtol=TOLERANCES.get(case.name, case.rtol), atol=case.atol)
        else:
            np.testing.assert_array_equal(actual, expected)
    except AssertionError as error:
        return " ".join(str(error).split())
    return None


def reason(error):
    """The first obstacle of a refusal. The line above it names the device."""
    lines = str(error).splitlines()
    return (lines[1] if len(lines) > 1 else lines[0]).strip()[:LONGEST_REASON]


def run_case(case):
    """("passed" | "refused" | "wrong", text)"""
    import sluice
    from sluice import backend

    try:
        prepared = backend.prepare(case.model)
        for inputs, expected in case.data_sets:
            actual, expected = prepared.run(to_arrays(inputs)), to_arrays(expected)
            if len(actual) != len(expected):
                return "wrong", f"{len(actual)} outputs, must be {len(expected)}"
            for i, (a, e) in enumerate(zip(actual, expected)):
                text = difference(a, e, case)
                if text:
                    return "wrong", f"output {i} {text}"
    except sluice.Error as error:
        return "refused", reason(error)
    return "passed", ""


def classify(text):
    return next((name for name, pattern in CLASSES if re.search(pattern, text)), "other")


def run_all(only=""):
    cases, table = load_cases()
    results = {}
    for case in cases:
        if only in case.name:
            print(f"{case.name} ", end="", file=sys.stderr, flush=True)  # a crash is then after its name
            results[case.name] = run_case(case)
            print(*results[case.name], file=sys.stderr)
    return results, sorted(table - set().union(*(operators_of(c.model) for c in cases)))


def summary(results):
    """What is pinned."""
    refused = {name: text for name, (state, text) in sorted(results.items()) if state == "refused"}
    return {"passed": sum(state == "passed" for state, _ in results.values()),
            "refused": dict(sorted(Counter(map(classify, refused.values())).items())), "reasons": refused}


def main():
    sys.path.insert(0, str(Path(os.environ.get("SLUICE_BUILD", HERE.parent.parent / "build/release")) / "python"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help=f"write {PINNED.name}")
    parser.add_argument("--only", default="", metavar="TEXT", help="only tests whose name holds this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result to this file")
    options = parser.parse_args()
    results, untested = run_all(options.only)
    wrong = {name: text for name, (state, text) in results.items() if state == "wrong"}
    pinned = summary(results)
    print(f"passed {pinned['passed']}, refused {sum(pinned['refused'].values())} {pinned['refused']}, wrong {len(wrong)}")
    print(f"operators without a test: {' '.join(untested)}")
    for name, text in wrong.items():
        print(f"WRONG {name}: {text}")
    if options.json:
        options.json.write_text(json.dumps({"results": results, "untested": untested}))
    elif options.update:
        PINNED.write_text(json.dumps(pinned, indent=1) + "\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
