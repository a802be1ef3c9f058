"""Profiles in ONNX Runtime's form, made from the figures of a report that somebody posted."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "profiles"
REPORT = json.loads((FOLDER / "topk_before.json").read_text())
GPU, CPU = "WebGpuExecutionProvider", "CPUExecutionProvider"


def us(milliseconds: str) -> int:
    return round(float(milliseconds) * 1000)


def event(op, provider, node, duration, inputs=(), outputs=()):
    shapes = {"input_type_shape": [{t: s} for t, *s in inputs], "output_type_shape": [{t: s} for t, *s in outputs]}
    return {"cat": "Node", "name": f"{node}_kernel_time", "ph": "X", "ts": 0, "dur": duration,
            "args": {"op_name": op, "provider": provider, **shapes}}


def known_events():
    """The runs that the report names one by one."""
    copy = [["float", 1, 128, 128]]
    for ms, op, node in REPORT["slowest_transfers"]:
        yield event(op, GPU, node, us(ms), copy, copy)
    for ms, op, node, inputs, outputs in REPORT["fallback"]["runs"]:
        yield event(op, CPU, node, us(ms), inputs, outputs)
    for ms, op, node in REPORT["slowest"]:
        if not op.startswith("Memcpy"):
            yield event(op, GPU, node, us(ms))


def fill(op, provider, total, count, known, nodes):
    """Runs that bring an operator's total and count to the report's. Where it names the slowest run of each node, none is slower."""
    mine = [e for e in known if (e["args"]["op_name"], e["args"]["provider"]) == (op, provider)]
    rest, left = count - len(mine), total - sum(e["dur"] for e in mine)
    limits = [(e["name"].removesuffix("_kernel_time"), e["dur"]) for e in mine] if provider == CPU else [(node, 1) for node in nodes]
    runs = [limits[i % len(limits)] for i in range(rest)]
    whole = sum(limit for _, limit in runs)
    times = [left * limit // whole for _, limit in runs]
    for i in range(left - sum(times)):
        times[i] += 1
    for (node, _), time in zip(runs, times):
        yield event(op, provider, node, time)


def within_rounding(total, count, average):
    """The time in us that is shown as `total` and whose average is shown as `average`, both in ms."""
    return next(t for d in range(5) for t in (us(total) - d, us(total) + d) if f"{t / 1000 / int(count):.3f}" == average)


def rows_of(provider):
    """Total and count of each operator there. The report lists only a provider's first ones, but all of both together."""
    rows = {op: [within_rounding(total, count, average), int(count)] for op, total, count, average, _ in REPORT["providers"][provider]["rows"]}
    if provider == GPU:
        cpu = rows_of(CPU)
        for op, total, count, average, _ in REPORT["operators"]:
            there = cpu.get(op, [0, 0])
            if op not in rows and int(count) > there[1]:
                rows[op] = [within_rounding(total, count, average) - there[0], int(count) - there[1]]
    # What is shown rounded is chosen within its rounding so that the sums round as they are shown, too.
    largest = max(rows, key=lambda op: rows[op][0])
    rows[largest][0] += us(REPORT["providers"][provider]["total_ms"]) - 4 - sum(total for total, _ in rows.values())
    return rows


def seed_events():
    known = list(known_events())
    events = list(known)
    for provider in (CPU, GPU):
        for op, (total, count) in rows_of(provider).items():
            events += fill(op, provider, total, count, known, [f"/model/{op}_{i}" for i in range(60)])
    return events


def session_event(name, begin, duration):
    return {"cat": "Session", "name": name, "ph": "X", "ts": begin, "dur": duration, "args": {}}


def write(path: Path, events) -> Path:
    path.write_text(json.dumps([session_event("model_loading_uri", 0, 1), *events]))
    return path
