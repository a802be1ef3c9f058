#!/usr/bin/env python3
"""Profiles of the built-in model and of full-size models with random weights, and ONNX Runtime's beside them: what docs/profiles/ holds.

    bench/profiles.py --sluice build/release/sluice --out docs/profiles                       all models, all layers
    bench/profiles.py --models trinity-nano --layers 4 --out /tmp/profiles                    a part
    bench/profiles.py --ort ...                                                               with ONNX Runtime's WebGPU provider, too

For each model: NAME.txt, the report, and with --ort NAME-onnxruntime.txt, the two side by side, decoding and prompt. The files' readings, by
hand, stand in docs/profiles/README.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("demo", "gpt-oss-20b", "trinity-nano")


def call(*command: object, limit: float) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=limit)
    if done.returncode:
        raise RuntimeError(f"{command[0]} {command[1]}: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return done.stdout


def folder_of(name: str, options: argparse.Namespace, scratch: Path) -> Path:
    if name == "demo":
        return ROOT / "models/demo"
    layers = ["--layers", options.layers] if options.layers else []
    call(sys.executable, ROOT / "tools/synth_model.py", name, scratch / name, *layers, limit=options.limit)
    return scratch / name


def compare(name: str, phase: str, folder: Path, options: argparse.Namespace, scratch: Path) -> str:
    """Ours and ONNX Runtime's of one phase side by side, and ONNX Runtime's report."""
    theirs, mine = scratch / f"{name}-{phase}-onnxruntime.json", scratch / f"{name}-{phase}.json"
    try:
        said = call(sys.executable, ROOT / "bench/peers/ort_profile.py", folder, "--json", theirs, "--phase", phase, "--prompt-tokens",
                    options.prompt_tokens, "--tokens", options.tokens, limit=options.limit)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"{phase}: ONNX Runtime gave no profile: {error}\n"
    runs = said.split()[-3:]  # --runs FIRST LAST
    report = json.loads((scratch / f"{name}.json").read_text())
    report["phases"] = [p for p in report["phases"] if p["name"] == phase]
    mine.write_text(json.dumps(report))
    return call(options.sluice, "profile", "--compare", mine, theirs, *runs, limit=options.limit) + "\n" + call(
        options.sluice, "profile", "--ort", theirs, *runs, limit=options.limit)


def measure(name: str, folder: Path, options: argparse.Namespace, scratch: Path) -> None:
    ours = scratch / f"{name}.json"
    ours.write_text(call(options.sluice, "profile", folder, "-q", "--prompt-tokens", options.prompt_tokens, "--tokens", options.tokens, "--json",
                         limit=options.limit))
    (options.out / f"{name}.txt").write_text(call(options.sluice, "profile", "--ort", ours, limit=options.limit))
    if options.ort:
        sections = [compare(name, phase, folder, options, scratch) for phase in ("decode", "prefill")]
        (options.out / f"{name}-onnxruntime.txt").write_text("\n".join(sections))


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
        for name in options.models.split(","):
            measure(name, folder_of(name, options, Path(scratch)), options, Path(scratch))
            print(f"{name}: {options.out / name}.txt", flush=True)


if __name__ == "__main__":
    main()
