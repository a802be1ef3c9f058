#!/usr/bin/env python3
"""Writes a model of full size with random weights: the graph of a real export, for speed, memory and numbers, without a download.

    tools/synth_model.py gpt-oss-20b                         the whole model, 24 layers, into the folder gpt-oss-20b
    tools/synth_model.py gpt-oss-20b OUT                     into another
    tools/synth_model.py gpt-oss-20b OUT --layers 2          its first layers only
    tools/synth_model.py gpt-oss-20b OUT --set vocab=4096    another size of anything

OUT then holds model.onnx, model.onnx.data and genai_config.json, but no tokenizer: give token ids (`sluice run OUT --prompt-ids 1,2,3`).
The text means nothing. The graphs are those of onnxruntime-genai 0.18's builder (`-p int4 -e webgpu`); synth/models.py says where that
builder has no such model, and AfMoE's graph is export_afmoe.py's. Needs numpy and onnx.
"""

import argparse
import time
from dataclasses import fields, replace
from pathlib import Path

from synth.afmoe import Afmoe
from synth.config import write_genai_config
from synth.data import RandomFile
from synth.decoder import Decoder
from synth.graph import Graph
from synth.models import GptOss, Lfm2Moe, Qwen3Moe
from synth.specs import SPECS, Spec

DECODERS: dict[str, type[Decoder]] = {"gptoss": GptOss, "lfm2_moe": Lfm2Moe, "qwen3_moe": Qwen3Moe, "afmoe": Afmoe}
NUMBERS = [f.name for f in fields(Spec) if f.type in (int, float)]
SIZES = ("hidden", "heads", "kv_heads", "head_size", "experts", "expert_size", "vocab", "context", "block_size")


def setting(text: str) -> tuple[str, int | float]:
    name, _, value = text.partition("=")
    if name not in NUMBERS:
        raise argparse.ArgumentTypeError(f"no number is called {name!r}; there are {', '.join(NUMBERS)}")
    try:
        return name, float(value) if isinstance(getattr(SPECS["gpt-oss-20b"], name), float) else int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number for {name}") from None


def problem(spec: Spec, published: Spec) -> str:
    """Why this graph cannot be made, or nothing."""
    if not 1 <= spec.layers <= published.layers:
        return f"layers must be 1 to {published.layers}, got {spec.layers}"
    for name in SIZES:
        if getattr(spec, name) < 1:
            return f"{name} must be at least 1, got {getattr(spec, name)}"
    for name in ("hidden", "expert_size"):
        if getattr(spec, name) % spec.block_size:
            return f"{name} must be a multiple of the block size {spec.block_size}, got {getattr(spec, name)}"
    if not 1 <= spec.top_k <= spec.experts:
        return f"top_k must be 1 to {spec.experts}, the number of experts, got {spec.top_k}"
    if spec.heads % spec.kv_heads:
        return f"heads must be a multiple of kv_heads {spec.kv_heads}, got {spec.heads}"
    return ""


def parse() -> tuple[argparse.Namespace, Spec]:
    parser = argparse.ArgumentParser(description="Writes a model of full size with random weights.")
    parser.add_argument("name", choices=SPECS, metavar="NAME", help=", ".join(SPECS))
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT_DIR", help="folder to write to; its model files are replaced (default: NAME)")
    parser.add_argument("--layers", type=int, help="only the first layers")
    parser.add_argument("--block-size", type=int, choices=(32, 64, 128), help="weights that share a scale (default 32)")
    parser.add_argument("--context", type=int, help="longest sequence (default: the published one)")
    parser.add_argument("--io-dtype", choices=("float16", "float32"), help="of activations, caches and scales (default float16)")
    parser.add_argument("--graph-capture", action="store_true", default=None,
                        help="a mask that lets onnxruntime capture the graph (the builder's enable_webgpu_graph=true)")
    parser.add_argument("--seed", type=int, default=1, help="of the random weights (default %(default)s)")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="NUMBER=VALUE", dest="settings",
                        help=f"change another number of the model: {', '.join(NUMBERS)}")
    options = parser.parse_args()
    options.out = options.out or Path(options.name)
    changes = {name: getattr(options, name) for name in ("layers", "block_size", "context", "io_dtype", "graph_capture") if getattr(options, name) is not None}
    spec = replace(SPECS[options.name], **{**changes, **dict(options.settings)})
    if wrong := problem(spec, SPECS[options.name]):
        parser.error(wrong)
    return options, spec


def main() -> None:
    options, spec = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with RandomFile(options.out / "model.onnx.data", options.seed) as data:
        graph = Graph(data)
        DECODERS[spec.kind](graph, spec).build()
    graph.save(options.out / "model.onnx", "sluice synth_model")
    write_genai_config(spec, options.out)
    size = (options.out / "model.onnx.data").stat().st_size
    print(f"{options.out}: {options.name}, {spec.layers} layers, {size / 1e9:.2f} GB in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
