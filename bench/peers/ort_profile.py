#!/usr/bin/env python3
"""Writes ONNX Runtime's own profile of a language model on its WebGPU provider, for `sluice profile --ort` and `--compare`.

    bench/peers/ort_profile.py DIR --json FILE                    128 tokens of a prompt, then 32 tokens
    bench/peers/ort_profile.py DIR --json FILE --phase prefill    only the prompt, as the file's last run

The provider's runs return when all is submitted, so the file would tell nothing of the time until a result is there. Each `model_run` is
therefore made longer by what the host then waited, which is in its `args` as `waited_us`. The file holds every run of the session, the first
ones to compile and warm up; the line that is printed names those worth reporting, for `sluice profile --runs FIRST LAST`. README.md beside this
folder says what to install.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from models import made_up_prompt
from provider import Provider
from rivals import BoundSession

WARM_UP_PROMPTS, WARM_UP_TOKENS = 3, 8


def waited(action: Callable) -> float:
    """Microseconds."""
    begin = time.perf_counter()
    action()
    return 1e6 * (time.perf_counter() - begin)


def run_prompts(model: BoundSession, ids: list[int]) -> list[float]:
    waits = []
    for _ in range(WARM_UP_PROMPTS + 1):
        model.start()
        model.run(ids)
        waits.append(waited(model.wait))
    return waits


def run_tokens(model: BoundSession, count: int) -> list[float]:
    """Greedily; the host waits for the logits, of which it takes the greatest."""
    token, waits = [model.first()], []

    def choose() -> None:
        token[0] = model.first()

    for _ in range(count):
        model.run(token)
        waits.append(waited(choose))
    return waits


def with_waits(profile: Path, waits: list[float]) -> list[dict]:
    events = json.loads(profile.read_text())
    runs = sorted((e for e in events if e["name"] == "model_run"), key=lambda e: e["ts"])
    for run, wait in zip(runs, waits, strict=True):
        run["dur"] += round(wait)
        run["args"]["waited_us"] = str(round(wait))
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description="Profiles a language model on ONNX Runtime's WebGPU provider.")
    parser.add_argument("model", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, required=True, help="where to put the profile")
    parser.add_argument("--phase", choices=("prefill", "decode"), default="decode")
    parser.add_argument("--prompt-tokens", type=int, default=128, help="(default %(default)s)")
    parser.add_argument("--tokens", type=int, default=32, help="to decode (default %(default)s)")
    parser.add_argument("--provider", help="the provider's library (default: the installed package's)")
    options = parser.parse_args()
    vocabulary = json.loads((options.model / "genai_config.json").read_text())["model"]["vocab_size"]
    ids = made_up_prompt(options.prompt_tokens, vocabulary)
    with tempfile.TemporaryDirectory() as scratch:
        Provider.profile_prefix = str(Path(scratch) / "profile")
        length = options.prompt_tokens + WARM_UP_TOKENS + options.tokens + 1
        model = BoundSession(options.model, length, False, options.provider)
        waits = run_prompts(model, ids)
        first = WARM_UP_PROMPTS
        if options.phase == "decode":
            first = len(waits) + WARM_UP_TOKENS
            waits += run_tokens(model, WARM_UP_TOKENS + options.tokens)
        options.json.write_text(json.dumps(with_waits(Path(model.session.end_profiling()), waits)))
    print(f"--runs {first} {len(waits) - 1}")


if __name__ == "__main__":
    main()
