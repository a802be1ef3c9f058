"""Exports the trained checkpoint to int4 ONNX for WebGPU with onnxruntime-genai's builder.

Adds to the checkpoint what the builder copies along (tokenizer, generation settings), runs it, and
checks that the int4 weights it wrote are the ones that training rounded to.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from quantization import BLOCK, is_quantized, round_to_int4
from weights import load_exported, load_trained

GENERATION = {
    "do_sample": True,
    "temperature": 0.7,
    "top_k": 40,
    "top_p": 0.9,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def complete_checkpoint(checkpoint: Path, data: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(data / name, checkpoint / name)
    (checkpoint / "generation_config.json").write_text(json.dumps(GENERATION, indent=2) + "\n")


def run_builder(checkpoint: Path, out: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-m", str(checkpoint), "-o", str(out)]
    command += ["-p", "int4", "-e", "webgpu", "-c", str(cache), "--extra_options", f"int4_block_size={BLOCK}"]
    subprocess.run(command, check=True)


def check_rounding(checkpoint: Path, out: Path) -> str:
    """Compares the exported weights with the trained ones on the int4 grid that training used."""
    exported = load_exported(out).state_dict()
    differing, total = 0, 0
    for name, weight in load_trained(checkpoint).named_parameters():
        expected = round_to_int4(weight) if is_quantized(name, weight) else weight.half().float()
        differing += int(torch.count_nonzero(expected != exported[name]))
        total += weight.numel()
    return f"{differing} of {total} exported values differ from the grid that training used"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that corpus.py wrote")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "models" / "demo")
    parser.add_argument("--cache", type=Path, default=Path("builder-cache"), help="scratch folder of the builder")
    args = parser.parse_args()
    complete_checkpoint(args.checkpoint, args.data)
    run_builder(args.checkpoint, args.out, args.cache)
    print(check_rounding(args.checkpoint, args.out))


if __name__ == "__main__":
    main()
