#!/usr/bin/env python3
"""Profiles of the built-in model and of full-size models with random weights, and ONNX Runtime's beside them: what docs/profiles/ holds.

    bench/profiles.py --sluice build/release/sluice --out docs/profiles                       all models, all layers
    bench/profiles.py --models trinity-nano --layers 4 --out /tmp/profiles                    a part
    bench/profiles.py --ort ...                                                               with ONNX Runtime's WebGPU provider, too

For each model: NAME.txt, the report, and with --ort NAME-onnxruntime.txt, the two side by side, decoding and prompt; figures.md has what the
reading in docs/profiles/README.md, which is by hand, rests on.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import results_file
from programs import run_lines

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("demo", "gpt-oss-20b", "trinity-nano")


def call(*command: object, limit: float) -> str:
    lines, problem = run_lines(list(command), limit)
    if problem:
        raise RuntimeError(f"{' '.join(Path(str(word)).name for word in command[:2])}: {problem}")
    return "\n".join(lines) + "\n"


def folder_of(name: str, options: argparse.Namespace, scratch: Path) -> Path:
    if name == "demo":
        return ROOT / "models/demo"
    layers = ["--layers", options.layers] if options.layers else []
    call(sys.executable, ROOT / "tools/synth_model.py", name, scratch / name, *layers, limit=options.limit)
    return scratch / name


def profile_rival(name: str, phase: str, folder: Path, options: argparse.Namespace, scratch: Path) -> tuple[str, dict | None]:
    """Ours and ONNX Runtime's of one phase side by side with ONNX Runtime's report; and that as data."""
    theirs, mine = scratch / f"{name}-{phase}-onnxruntime.json", scratch / f"{name}-{phase}.json"
    try:
        said = call(sys.executable, ROOT / "bench/peers/ort_profile.py", folder, "--json", theirs, "--phase", phase, "--prompt-tokens",
                    options.prompt_tokens, "--tokens", options.tokens, limit=options.limit)
    except RuntimeError as error:
        return f"{phase}: ONNX Runtime gave no profile: {error}\n", None
    runs = said.split()[-3:]  # --runs FIRST LAST
    report = json.loads((scratch / f"{name}.json").read_text())
    mine.write_text(json.dumps(report | {"phases": [p for p in report["phases"] if p["name"] == phase]}))
    both = call(options.sluice, "profile", "--compare", mine, theirs, *runs, limit=options.limit)
    read = [options.sluice, "profile", "--ort", theirs, *runs]
    return both + "\n" + call(*read, limit=options.limit), json.loads(call(*read, "--json", limit=options.limit))


def figures(name: str, phase: dict, rival: dict | None) -> list[str]:
    """A row of figures.md, whose columns docs/profiles/README.md explains."""
    runs, timing = phase["runs"], phase["timing"]
    dispatches = sum(len(s["runs"]) for s in phase["steps"])
    read = sum(run[2] for s in phase["steps"] for run in s["runs"])
    first = [f"{o['name']} {100 * o['total'] / phase['total']:.0f} %" for o in phase["operators"][:3]]
    numbers = [1e6 * phase["tokens"] / timing["usual"], dispatches / runs, timing["usual"] / runs, timing["gpu"] / runs,
               (timing["record"] + timing["submit"]) / runs, (timing["gpu_stamped"] - timing["gpu"]) / dispatches, read / runs / 1e6]
    theirs = rival["phases"][0]["timing"]["usual"] / rival["phases"][0]["runs"] if rival else None
    return [name, phase["name"], ", ".join(first), *map(results_file.number, [*numbers, theirs, theirs and theirs * runs / timing["usual"]])]


HEADER = ["model", "phase", "largest operators", "tok/s", "dispatches", "us", "GPU us", "host us", "stamps us", "MB read", "rival us", "rival/ours"]


def measure(name: str, folder: Path, options: argparse.Namespace, scratch: Path) -> list[list[str]]:
    """Writes a model's files; its rows of figures.md."""
    ours = scratch / f"{name}.json"
    ours.write_text(call(options.sluice, "profile", folder, "-q", "--prompt-tokens", options.prompt_tokens, "--tokens", options.tokens, "--json",
                         limit=options.limit))
    (options.out / f"{name}.txt").write_text(call(options.sluice, "profile", "--ort", ours, limit=options.limit))
    rivals, texts = {}, []
    for phase in ("decode", "prefill") if options.ort else ():
        text, rivals[phase] = profile_rival(name, phase, folder, options, scratch)
        texts.append(text)
        (options.out / f"{name}-onnxruntime.txt").write_text("\n".join(texts))
    return [figures(name, phase, rivals.get(phase["name"])) for phase in json.loads(ours.read_text())["phases"]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the profiles that docs/profiles/ holds.")
    parser.add_argument("--sluice", type=Path, default=ROOT / "build/release/sluice")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/profiles")
    parser.add_argument("--models", default=",".join(MODELS), help="(default %(default)s)")
    parser.add_argument("--layers", type=int, help="fewer than the model has")
    parser.add_argument("--prompt-tokens", type=int, default=512, help="(default %(default)s)")
    parser.add_argument("--tokens", type=int, default=32, help="(default %(default)s)")
    parser.add_argument("--ort", action="store_true", help="profile onnxruntime-ep-webgpu, too")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="of each program (default %(default)s)")
    options = parser.parse_args()
    options.sluice = options.sluice.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        rows, failed = [], False
        for name in options.models.split(","):
            try:
                rows += measure(name, folder_of(name, options, Path(scratch)), options, Path(scratch))
                (options.out / "figures.md").write_text(results_file.table(HEADER, rows, left=3))
                print(f"{name}: {options.out / name}.txt", flush=True)
            except RuntimeError as error:
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                failed = True
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
