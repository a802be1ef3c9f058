#!/usr/bin/env python3
"""Writes ONNX Runtime's own profile of a language model on its WebGPU provider, for `sluice profile --ort` and `--compare`.

    bench/peers/ort_profile.py DIR --json FILE                    128 tokens of a prompt, then 32 tokens
    bench/peers/ort_profile.py DIR --json FILE --phase prefill    only the prompt, as the file's last run

The file holds every run of the session, the first ones to compile and warm up; the line that is printed names those worth reporting, for
`sluice profile --runs FIRST LAST`. README.md beside this folder says what to install.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from models import made_up_prompt
from provider import Provider
from rivals import BoundSession

WARM_UP_PROMPTS, WARM_UP_TOKENS = 3, 8


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
        for _ in range(WARM_UP_PROMPTS + 1):
            model.start()
            model.prompt(ids)
        first, count = WARM_UP_PROMPTS, 1
        if options.phase == "decode":
            first, count = WARM_UP_PROMPTS + 1 + WARM_UP_TOKENS, options.tokens
            model.decode(model.first(), WARM_UP_TOKENS + options.tokens)
        shutil.move(model.session.end_profiling(), options.json)
    print(f"--runs {first} {first + count - 1}")


if __name__ == "__main__":
    main()
