#!/usr/bin/env python3
"""Everything that bench/results holds, in one command: on a machine with a GPU, where the programs are built.

    bench/run_all.py --out bench/results/DATE-DEVICE.json --library LIBWGPU --library LIBDAWN
    bench/run_all.py --out FILE --parts models --models gpt-oss-20b        a part of it; FILE keeps what it has of the rest

Parts: `models` writes synthetic models (tools/synth_model.py) and runs `sluice bench` on each with each WebGPU library, `kernels` runs the
programs of bench/kernels, `peers` runs the same models on ONNX Runtime's WebGPU provider. README.md here says what to install. Beside the
JSON file lies its Markdown. A program that fails or runs into its time limit costs only the figures that it had not printed yet.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import results_file as results_of
from programs import run_lines

HERE = Path(__file__).resolve().parent
PARTS = ("models", "kernels", "peers")
MODELS = ("gpt-oss-20b", "trinity-nano", "lfm2-8b-a1b", "qwen3-30b-a3b")
RIVAL_REPEATS = 2  # fewer where a run takes seconds
HOW = ("`bench/run_all.py`: models on the host's clock, the median of {repeats} runs (rivals: of {rival_repeats} at most), with random weights by "
       "`tools/synth_model.py`: int4 in blocks of 32, float16 elsewhere; kernels by the GPU's timestamps.")
RIVAL_TITLES = {
    "ort": "onnxruntime, WebGPU, IO binding",
    "ort-capture": "onnxruntime, WebGPU, graph capture",
    "genai": "onnxruntime-genai, WebGPU",
    "genai-capture": "onnxruntime-genai, WebGPU, graph capture",
}


def run(command: list, limit: float, library: str = "") -> tuple[list[str], bool]:
    """The lines that a program printed, and whether it ended well; if not, stderr says why."""
    print("$", *command, file=sys.stderr, flush=True)
    lines, problem = run_lines(command, limit, {**os.environ, "SLUICE_WEBGPU_LIBRARY": library} if library else None)
    if problem:
        print(f"  {problem}", file=sys.stderr)
    return lines, not problem


def clock() -> dict:
    """The GPU's clock at this moment, where nvidia-smi tells it: it moves, and figures with it."""
    if not shutil.which("nvidia-smi"):
        return {}
    said = subprocess.run(["nvidia-smi", "--query-gpu=clocks.sm", "--format=csv,noheader,nounits"], capture_output=True, text=True).stdout
    return {"sm_mhz": int(said.split()[0])} if said.split() and said.split()[0].isdigit() else {}


def synthetic_model(name: str, options: argparse.Namespace) -> Path | None:
    folder = options.work / (name if options.layers is None else f"{name}-{options.layers}-layers")
    if (folder / "genai_config.json").exists():  # written last
        return folder
    layers = [] if options.layers is None else ["--layers", options.layers]
    # The mask that lets the rivals capture the graph; they refuse it without.
    command = [sys.executable, HERE.parent / "tools/synth_model.py", name, folder, "--graph-capture", *layers]
    return folder if run(command, options.time_limit)[1] else None


def run_models(results: dict, folder: Path, options: argparse.Namespace) -> None:
    for library in options.libraries:
        command = [options.build / "sluice", "bench", folder, "-q", "--output", "json", "-p", options.prompts, "-n", options.new_tokens, "-d",
                   options.depths, "-r", options.repeats]
        lines, is_whole = run(command, options.time_limit, library)
        if not is_whole:
            continue
        record = json.loads("\n".join(lines)) | {"model": folder.name} | clock()
        results["device"] = record["device"]
        results_of.put_model(results, record | {"runtime": f"Sluice, {record['library'].split()[0]}"})
        results_of.save(results, options.out)


def kernel_programs(options: argparse.Namespace) -> list[Path]:
    """The benches of kernels whose names hold one of the words asked for. Each word must find one."""
    programs = sorted(p for p in options.build.glob("*_bench") if os.access(p, os.X_OK))
    words = options.kernels.split(",")
    for word in words:
        if not any(word in p.name for p in programs):
            raise SystemExit(f"run_all.py: {options.build} holds no bench called {word!r}: {', '.join(p.name for p in programs) or 'none at all'}")
    return [p for p in programs if any(word in p.name for word in words)]


def run_kernels(results: dict, options: argparse.Namespace) -> None:
    for library in options.libraries:
        for program in kernel_programs(options):
            lines, _ = run([program, "--json", *options.kernel_arguments.split()], options.time_limit, library)
            for line in filter(lambda line: line.startswith("{"), lines):
                record = json.loads(line) | {"bench": program.name.removesuffix("_bench")}
                results["device"] = record.pop("device")
                results_of.put_kernel(results, record)
            results_of.save(results, options.out)


def run_peers(results: dict, folder: Path, options: argparse.Namespace) -> None:
    from peers import models as peers  # needs NumPy, which the other parts do not

    settings = peers.parse([folder, "--sluice", options.build / "sluice", "--library", options.libraries[0], "--compare-only", "--rivals", options.rivals,
                            "--prompts", options.prompts, "--new-tokens", options.new_tokens, "--repeats", min(RIVAL_REPEATS, options.repeats),
                            "--time-limit", options.rival_limit])
    for record in peers.run_all(settings):
        if record["runtime"] in RIVAL_TITLES:
            more = {"model": folder.name, "packages": peers.installed(), "compared_with": "Sluice", "runtime": RIVAL_TITLES[record["runtime"]]}
            results_of.put_model(results, record | more | clock())
            results_of.save(results, options.out)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the benchmarks and writes their results as JSON and Markdown.")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, which is added to; its Markdown gets the same name")
    parser.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s")
    parser.add_argument("--models", default=",".join(MODELS[:2]), help=f"of {', '.join(MODELS)} (default: %(default)s)")
    parser.add_argument("--model-dir", type=Path, action="append", default=[], help="another model's folder; may be given several times")
    parser.add_argument("--layers", type=int, help="only the first layers of each synthetic model")
    parser.add_argument("--library", action="append", default=[], dest="libraries", metavar="PATH",
                        help="a WebGPU library for Sluice; may be given several times (default: the built-in choice)")
    parser.add_argument("--build", type=Path, default=HERE.parent / "build/release", help="folder of the programs (default %(default)s)")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sluice-bench", help="for models (default %(default)s)")
    parser.add_argument("--prompts", default="128,2048", help="prompt lengths (default %(default)s)")
    parser.add_argument("--new-tokens", type=int, default=128, help="to decode (default %(default)s)")
    parser.add_argument("--depths", default="0,128,4096", help="of `sluice bench` (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="of each test (default %(default)s)")
    parser.add_argument("--kernels", default="", help="parts of the names of the kernel benches to run: matmul,moe (default: all)")
    parser.add_argument("--kernel-arguments", default="", help="for them, such as '--max-rows 8'")
    parser.add_argument("--rivals", default=",".join(RIVAL_TITLES), help="default: %(default)s")
    parser.add_argument("--rival-limit", type=float, default=90, metavar="SECONDS", help="for one rival and model (default %(default)s)")
    parser.add_argument("--time-limit", type=float, default=300, metavar="SECONDS", help="for each other program (default %(default)s)")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    options.libraries = options.libraries or [""]
    for words, known in ((options.parts, PARTS), (filter(None, options.models.split(",")), MODELS)):
        for word in words:
            if word not in known:
                parser.error(f"{word!r} is none of {', '.join(known)}")
    return options


def main() -> None:
    options = parse()
    results = results_of.load(options.out)
    results["how"] = HOW.format(repeats=options.repeats, rival_repeats=RIVAL_REPEATS)
    if "kernels" in options.parts:
        run_kernels(results, options)
        print(results_of.kernels_tables(results["kernels"]))
    wanted = {"models": run_models, "peers": run_peers}
    if not wanted.keys() & set(options.parts):
        return
    folders = [synthetic_model(name, options) for name in filter(None, options.models.split(","))]
    for folder in filter(None, [*folders, *options.model_dir]):
        for part in filter(wanted.get, options.parts):
            wanted[part](results, folder, options)


if __name__ == "__main__":
    main()
