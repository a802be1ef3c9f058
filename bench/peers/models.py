#!/usr/bin/env python3
"""Whole models on Sluice and on ONNX Runtime's WebGPU provider, one after the other: the same file, the same prompts.

    bench/peers/models.py DIR --sluice build/release/sluice                     everything, as a table
    bench/peers/models.py DIR --rivals genai,ort --prompts 128 --json FILE      some of it

DIR is a model's folder with genai_config.json (tools/synth_model.py writes one). Each runtime runs in a process of its own with a time
limit, so that one that hangs or dies costs only its own row. README.md beside this folder says what to install.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))
import results_file  # noqa: E402
from programs import run_lines  # noqa: E402

PACKAGES = ("onnxruntime", "onnxruntime-ep-webgpu", "onnxruntime-genai")
RIVAL_NAMES = ("ort", "ort-capture", "genai", "genai-capture")
COMPARED = 32  # tokens of the prompt whose continuation is compared
WARM_UP_TOKENS = 8  # after them a rival's shaders are compiled and its graph is captured


def made_up_prompt(length: int, vocabulary: int) -> list[int]:
    """The prompt that `sluice bench` makes up, too."""
    return [(i * 7919 + 11) % vocabulary for i in range(length)]


def summary(test: str, depth: int, rates: list[float]) -> dict:
    return {"test": test, "depth": depth, "median": round(statistics.median(rates), 2), "least": round(min(rates), 2),
            "most": round(max(rates), 2)}


def timed(action: Callable) -> tuple[float, object]:
    begin = time.perf_counter()
    result = action()
    return time.perf_counter() - begin, result


def repeated(run: Callable[[], tuple[float, int]], options: argparse.Namespace) -> list[float]:
    """Tokens per second of some runs, which say their seconds and tokens: once at least, then as long as the test may take."""
    begin, rates = time.perf_counter(), []
    while not rates or (len(rates) < options.repeats and time.perf_counter() - begin < options.test_seconds):
        seconds, tokens = run()
        rates.append(tokens / seconds)
    return rates


def time_prompts(rival, ids: list[int], options: argparse.Namespace) -> dict:
    def run() -> tuple[float, int]:
        rival.start()
        return timed(lambda: rival.prompt(ids))[0], len(ids)

    run()  # compiles shaders
    return summary(f"pp{len(ids)}", 0, repeated(run, options))


def time_decode(rival, ids: list[int], options: argparse.Namespace) -> dict:
    def run(count: int) -> tuple[float, int]:
        rival.start()
        rival.prompt(ids)
        first = rival.first()
        seconds, tokens = timed(lambda: rival.decode(first, count))
        return seconds, len(tokens)

    run(min(WARM_UP_TOKENS, options.new_tokens))
    return summary(f"tg{options.new_tokens}", len(ids), repeated(lambda: run(options.new_tokens), options))


def measure(name: str, options: argparse.Namespace) -> None:
    """One rival, in this process; prints a line of JSON for each result as it comes: decoding, then the prompts, short ones first."""
    from rivals import RIVALS

    kind, capture = RIVALS[name]
    length = max([COMPARED, *options.prompts, options.depth]) + max(COMPARED, options.new_tokens) + 1
    load_seconds, rival = timed(lambda: kind(options.model, length, capture, options.provider))
    print(json.dumps({"load_seconds": round(load_seconds, 2)}), flush=True)
    ids = made_up_prompt(COMPARED, options.vocabulary)
    np.save(options.scratch / f"{name}.npy", rival.logits(ids))
    rival.start()
    rival.prompt(ids)
    first = rival.first()
    print(json.dumps({"tokens": [first, *rival.decode(first, COMPARED - 1)]}), flush=True)
    if options.new_tokens:
        result = time_decode(rival, made_up_prompt(options.depth, options.vocabulary), options)
        print(json.dumps({"result": result}), flush=True)
    for count in sorted(options.prompts):
        print(json.dumps({"result": time_prompts(rival, made_up_prompt(count, options.vocabulary), options)}), flush=True)


def run_rival(name: str, options: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, *options.arguments, "--one", name, "--scratch", options.scratch]
    lines, problem = run_lines(command, options.time_limit)
    record = {"runtime": name, "tests": []}
    for line in map(json.loads, filter(lambda text: text.startswith("{"), lines)):
        record["tests"] += [line.pop("result")] if "result" in line else []
        record |= line
    record |= {"problem": problem} if problem else {}
    print(json.dumps(record), file=sys.stderr, flush=True)
    return record


def run_sluice(options: argparse.Namespace) -> dict:
    ids = made_up_prompt(COMPARED, options.vocabulary)
    logits = options.scratch / "sluice.npy"
    run = [options.sluice, "run", options.model, "-q", "--prompt-ids", ",".join(map(str, ids)), "--greedy", "-n", str(COMPARED),
           "--output", "json", "--logits", logits]
    bench = [options.sluice, "bench", options.model, "-q", "-p", ",".join(map(str, options.prompts or [0])), "-n", str(options.new_tokens),
             "-d", f"0,{options.depth}", "-r", str(options.repeats), "--output", "json"]
    record = {"runtime": "sluice", "tests": []}
    steps = [(run, {"ids": "tokens"}), (bench, {k: k for k in ("tests", "library", "device", "load_seconds")})]
    environment = {**os.environ, "SLUICE_WEBGPU_LIBRARY": options.library} if options.library else None
    for command, keep in steps[:1] if options.compare_only else steps:
        lines, problem = run_lines(command, options.time_limit, environment)
        if problem:
            return record | {"problem": problem}
        said = json.loads("\n".join(lines))
        record |= {name: said[key] for key, name in keep.items()}
    return record


def compare(record: dict, reference: dict, scratch: Path) -> None:
    """Adds how a runtime's tokens and logits differ from the reference's."""
    files = [scratch / f"{r['runtime']}.npy" for r in (record, reference)]
    if not all(f.exists() and "tokens" in r for f, r in zip(files, (record, reference))):
        return
    same = [a == b for a, b in zip(record["tokens"], reference["tokens"])]
    record["tokens_agree"] = f"{(same + [False]).index(False)} of {len(same)}"
    ours, theirs = (np.atleast_2d(np.load(f))[-1].astype(np.float64) for f in files)
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        record["logits"] = "not finite"
        return
    record["logits"] = {"correlation": round(float(np.corrcoef(ours, theirs)[0, 1]), 6),
                        "greatest_difference": round(float(np.abs(ours - theirs).max()), 4), "spread": round(float(theirs.std()), 4)}


def rate(record: dict, test: dict) -> float | None:
    found = [t["median"] for t in record["tests"] if (t["test"], t["depth"]) == (test["test"], test["depth"])]
    return found[0] if found else None


def print_table(records: list[dict]) -> None:
    """Tokens per second; behind a rival's, how many times that the first runtime reaches."""
    names = [r["runtime"] for r in records]
    print("| test | depth | " + " | ".join(names) + " |\n| --- | ---: |" + " ---: |" * len(names))
    tests = {(t["test"], t["depth"]): t for r in records for t in r["tests"]}
    for test in tests.values():
        rates = [rate(r, test) for r in records]
        cells = ["" if r is None else f"{r:,.1f}" + (f" ({rates[0] / r:.1f}x)" if i and rates[0] else "") for i, r in enumerate(rates)]
        print(f"| {test['test']} | {test['depth']} | " + " | ".join(cells) + " |")
    for record in records:
        notes = [results_file.agreement({"compared_with": names[0], **record})] if "tokens_agree" in record else []
        notes += [record["problem"]] if "problem" in record else []
        if notes:
            print(f"{record['runtime']}: " + "; ".join(notes))


def installed() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def parse(arguments: list) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times whole models on Sluice and on ONNX Runtime's WebGPU provider.")
    parser.add_argument("model", type=Path, metavar="DIR")
    parser.add_argument("--sluice", type=Path, help="the program, to measure it, too, and to compare logits and tokens with")
    parser.add_argument("--library", metavar="PATH", help="a WebGPU library for it (default: the built-in choice)")
    parser.add_argument("--compare-only", action="store_true", help="do not measure that program's speed")
    parser.add_argument("--rivals", default=",".join(RIVAL_NAMES), help="default: %(default)s")
    parser.add_argument("--prompts", default="128,2048", help="prompt lengths (default %(default)s; 0: none)")
    parser.add_argument("--new-tokens", type=int, default=128, help="to decode (default %(default)s; 0: none)")
    parser.add_argument("--depth", type=int, default=128, help="tokens before those (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="runs that count, after one that does not (default %(default)s)")
    parser.add_argument("--test-seconds", type=float, default=10, metavar="SECONDS",
                        help="no further runs of a test that has taken so long (default %(default)s)")
    parser.add_argument("--time-limit", type=float, default=180, metavar="SECONDS", help="of each runtime (default %(default)s)")
    parser.add_argument("--provider", help="the provider's library (default: the installed package's)")
    parser.add_argument("--json", type=Path, help="write the records to this file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(list(map(str, arguments)))
    options.arguments = arguments
    options.prompts = [int(n) for n in options.prompts.split(",") if int(n)]
    try:
        options.vocabulary = json.loads((options.model / "genai_config.json").read_text())["model"]["vocab_size"]
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"{options.model} is no model's folder: {error}")
    unknown = set(filter(None, options.rivals.split(","))) - set(RIVAL_NAMES)
    if unknown:
        parser.error(f"no rival is called {', '.join(sorted(unknown))}; there are {', '.join(RIVAL_NAMES)}")
    return options


def runtimes(options: argparse.Namespace) -> Iterator[dict]:
    if options.sluice:
        yield run_sluice(options)
    for name in filter(None, options.rivals.split(",")):
        yield run_rival(name, options)


def run_all(options: argparse.Namespace) -> Iterator[dict]:
    """Each runtime's record as soon as it is whole: Sluice's first, if it is asked for. The others are compared with the first."""
    with tempfile.TemporaryDirectory() as scratch:
        options.scratch, first = Path(scratch), None
        for record in runtimes(options):
            if first:
                compare(record, first, options.scratch)
            first = first or record
            yield record


def main() -> None:
    options = parse(sys.argv[1:])
    if options.one:
        measure(options.one, options)
        return
    records = list(run_all(options))
    print_table(records)
    if options.json:
        sizes = {"bytes": sum(f.stat().st_size for f in options.model.iterdir())}
        about = {"model": options.model.name, **sizes, "date": date.today().isoformat(), "packages": installed(), "runtimes": records}
        options.json.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
