"""The results of benchmarks: one JSON file that grows run by run, and its tables in Markdown.

{"date", "device", "models": [{"model", "runtime", "tests": [{"test", "depth", "median", ...}], ...}], "kernels": [{"bench", "kernel", ...}]}

A model's record is known by its model and runtime ("Sluice, wgpu-native"), a kernel's line by bench, library, kernel and shape;
a new one takes the place of the old.
"""

import json
from datetime import date
from pathlib import Path


def load(path: Path) -> dict:
    results = json.loads(path.read_text()) if path.exists() else {}
    return {"date": date.today().isoformat(), "device": "", "models": [], "kernels": []} | results


def save(results: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(results))


def put(records: list[dict], record: dict, *keys: str) -> None:
    same = [i for i, old in enumerate(records) if all(old.get(k) == record.get(k) for k in keys)]
    if same:
        records[same[0]] = record
    else:
        records.append(record)


def put_model(results: dict, record: dict) -> None:
    put(results["models"], record, "model", "runtime")


def put_kernel(results: dict, record: dict) -> None:
    put(results["kernels"], record, "bench", "library", "kernel", "shape")


def find_test(record: dict, test: str, depth: int | None = None) -> dict | None:
    """The first such test of a record, at any depth or at one."""
    return next((t for t in record["tests"] if t["test"] == test and depth in (None, t["depth"])), None)


def table(header: list[str], rows: list[list[str]], left: int = 1) -> str:
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def rates_table(records: list[dict]) -> str:
    """Tokens per second of a model, a row a runtime."""
    tests = list(dict.fromkeys((t["test"], t["depth"]) for r in records for t in r["tests"]))
    header = ["tokens per second", *(f"{test}, depth {depth}" if depth else test for test, depth in tests)]
    rows = []
    for record in records:
        found = [find_test(record, *test) for test in tests]
        rows.append([record["runtime"], *(number(t and t["median"]) for t in found)])
    return table(header, rows)


def cost_table(records: list[dict]) -> str:
    """What a new token costs, of the runtimes that say so."""
    rows = []
    for record in records:
        for t in record["tests"]:
            if "gb_s" in t:
                share = f"{100 * t['share_of_read_bandwidth']:.0f} %" if "share_of_read_bandwidth" in t else ""
                read = (t["weight_bytes_token"] + t["state_bytes_token"]) / 1e6
                rows.append([record["runtime"], t["test"], str(t["depth"]), number(t["us_token"]), number(t["us_layer"]), str(t["dispatches_token"]),
                             number(t["dispatches_layer"]), number(read), number(t["gb_s"]), share])
    header = ["a new token", "test", "depth", "us", "us a layer", "dispatches", "a layer", "MB read", "GB/s", "of the device's"]
    return table(header, rows, 2) if rows else ""


def agreement(record: dict) -> str:
    """How tokens and logits compare; "not finite" takes the place of the logits' figures."""
    logits = record["logits"]
    if not isinstance(logits, str):
        logits = f"correlate by {logits['correlation']:.3f}, differ by {logits['greatest_difference']:.2f} at most and spread by {logits['spread']:.2f}"
    return f"the first {record['tokens_agree']} greedy tokens are {record['compared_with']}'s; logits {logits}"


def notes(records: list[dict]) -> str:
    lines = []
    for record in records:
        said = [agreement(record)] if "tokens_agree" in record else []
        said += [record[key] for key in ("note", "problem") if key in record]
        lines += [f"- {record['runtime']}: {'; '.join(said)}\n"] if said else []
    return "".join(lines)


def kernels_tables(lines: list[dict]) -> str:
    """Microseconds by bench, a column for each WebGPU library."""
    text = ""
    for bench in dict.fromkeys(line["bench"] for line in lines):
        own = [line for line in lines if line["bench"] == bench]
        libraries = list(dict.fromkeys(line["library"] for line in own))
        rows = []
        for kernel, shape in dict.fromkeys((line["kernel"], line["shape"]) for line in own):
            cells = [next((x for x in own if (x["kernel"], x["shape"], x["library"]) == (kernel, shape, name)), None) for name in libraries]
            rows.append([kernel, shape, *(cell for c in cells for cell in ((number(c["us"]), speed(c)) if c else ("", "")))])
        text += f"\n## {bench}\n\n" + table(["kernel", "shape", *(h for name in libraries for h in (f"{name}, us", "speed"))], rows, 2)
    return text


def speed(line: dict) -> str:
    """TFLOP/s where a bench counts operations, GB/s of what must be moved elsewhere."""
    return f"{number(line['tflop_s'])} TFLOP/s" if line.get("tflop_s") else f"{number(line['gb_s'])} GB/s"


def markdown(results: dict) -> str:
    text = f"# {results['date']}, {results['device']}\n"
    if "how" in results:
        text += f"\n{results['how']}\n"
    for model in dict.fromkeys(r["model"] for r in results["models"]):
        records = [r for r in results["models"] if r["model"] == model]
        parts = [rates_table(records), cost_table(records), notes(records)]
        text += f"\n## {model}\n\n" + "\n".join(filter(None, parts))
    return text + kernels_tables(results["kernels"])
