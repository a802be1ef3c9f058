"""Perplexity of the demo model on the fixed held-out windows.

  perplexity.py trained --checkpoint DIR             the trained weights in PyTorch, float32
  perplexity.py exported [--model DIR]               the export's int4 weights, dequantised in PyTorch
  perplexity.py sluice --binary FILE [--model DIR]   the export through `sluice run`; unknown options go to it
  perplexity.py onnxruntime [--model DIR]            the export through ONNX Runtime's CPU provider

Every way scores the same 16 windows of 512 tokens (validation.npy beside this script): the mean of
-log p(token | tokens before it in the window) over all tokens but each window's first, exponentiated.
"""

import argparse
import math
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DEFAULT_MODEL = HERE.parents[1] / "models" / "demo"

Logits = Callable[[np.ndarray], np.ndarray]  # one window's token ids -> [tokens, vocabulary]


def pytorch_logits(way: str, checkpoint: Path, model_folder: Path) -> Logits:
    import torch

    from weights import load_exported, load_trained

    model = load_trained(checkpoint) if way == "trained" else load_exported(model_folder)

    def logits(window: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(window.astype(np.int64))[None]).logits[0].numpy()

    return logits


def onnxruntime_logits(model_folder: Path) -> Logits:
    from ort_oracle import Oracle

    return Oracle(model_folder).logits


def sluice_logits(binary: Path, model: Path, extra: list[str]) -> Logits:
    def logits(window: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "logits.npy"
            ids = ",".join(str(token) for token in window.tolist())
            command = [str(binary), "run", str(model), "--prompt-ids", ids, "--max-tokens", "0", "--logits", str(file)]
            subprocess.run(command + extra, check=True, stdout=subprocess.DEVNULL)
            return np.load(file)

    return logits


def negative_log_likelihoods(logits: np.ndarray, window: np.ndarray) -> np.ndarray:
    """For every token of the window but the first."""
    if logits.shape[0] != len(window) or logits.ndim != 2:
        raise ValueError(f"logits of shape {logits.shape} for {len(window)} tokens")
    scores = logits[:-1].astype(np.float64)
    scores -= scores.max(axis=-1, keepdims=True)
    chosen = scores[np.arange(len(window) - 1), window[1:].astype(np.int64)]
    return np.log(np.exp(scores).sum(axis=-1)) - chosen


def perplexity(logits: Logits, windows: np.ndarray) -> float:
    losses = []
    for number, window in enumerate(windows, start=1):
        losses.append(negative_log_likelihoods(logits(window), window))
        so_far = math.exp(np.concatenate(losses).mean())
        print(f"window {number}/{len(windows)}: perplexity so far {so_far:.4f}", flush=True)
    return math.exp(np.concatenate(losses).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=["trained", "exported", "sluice", "onnxruntime"])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="folder of the exported model")
    parser.add_argument("--checkpoint", type=Path, help="folder that train.py wrote")
    parser.add_argument("--binary", type=Path, help="the sluice program")
    parser.add_argument("--windows", type=Path, default=HERE / "validation.npy")
    parser.add_argument("--limit", type=int, help="score only the first windows")
    args, extra = parser.parse_known_args()
    needed = {"sluice": "binary", "trained": "checkpoint"}.get(args.way)
    if needed and getattr(args, needed) is None:
        parser.error(f"{args.way} needs --{needed}")
    if extra and args.way != "sluice":
        parser.error(f"unknown arguments {extra}")

    windows = np.load(args.windows)[: args.limit]
    if args.way == "sluice":
        logits = sluice_logits(args.binary, args.model, extra)
    elif args.way == "onnxruntime":
        logits = onnxruntime_logits(args.model)
    else:
        logits = pytorch_logits(args.way, args.checkpoint, args.model)
    print(f"{args.way}: perplexity {perplexity(logits, windows):.4f} on {windows.size} tokens")


if __name__ == "__main__":
    main()
