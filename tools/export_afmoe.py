#!/usr/bin/env python3
"""Exports a Hugging Face AfmoeForCausalLM (Trinity) to ONNX, in the layout of onnxruntime-genai's builder, which has no such model.

    tools/export_afmoe.py HF_DIR OUT                      int4 experts and matrices in blocks of 32, float16 activations
    tools/export_afmoe.py HF_DIR OUT --io-dtype float32   the same with float32 activations, caches and scales
    tools/export_afmoe.py HF_DIR OUT --precision f32      nothing quantised
    tools/export_afmoe.py HF_DIR --counts                 only counts the graph's operators; needs config.json alone

HF_DIR holds config.json, *.safetensors (float32, float16 or bfloat16, also in several files) and usually a tokenizer, which is copied.
OUT then holds model.onnx, model.onnx.data and genai_config.json. Weights are read and written piece by piece. Needs numpy and onnx:

    pip install numpy==2.4.6 onnx==1.23.2
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from afmoe_export import ExportError
from afmoe_export.checkpoint import Checkpoint
from afmoe_export.config import read_spec, sampling
from afmoe_export.weights import CheckedSources, CheckpointFile, Sources
from synth.afmoe import Afmoe
from synth.config import write_genai_config
from synth.data import DataFile, NoData
from synth.graph import Graph
from synth.specs import Spec

IO_DTYPES = {"int4": "float16", "f16": "float16", "f32": "float32"}  # of a precision, where nothing else is asked for
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja")
WRITTEN = ("genai_config.json", "model.onnx", "model.onnx.data")


def build_graph(spec: Spec, data: DataFile) -> Graph:
    graph = Graph(data)
    Afmoe(graph, spec).build()
    return graph


def export(source: Path, out: Path, spec: Spec) -> list[str]:
    """Writes the model; returns the names of the checkpoint's tensors that it has no use for."""
    checkpoint = Checkpoint(source)
    sources = Sources(checkpoint, spec)
    build_graph(spec, CheckedSources(sources))
    search = sampling(source)
    out.mkdir(parents=True, exist_ok=True)
    for name in WRITTEN:  # an export that fails must not leave an old graph with new weights
        (out / name).unlink(missing_ok=True)
    with CheckpointFile(out / "model.onnx.data", sources) as data:
        graph = build_graph(spec, data)
    graph.save(out / "model.onnx", "sluice export_afmoe")
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, out / name)
    write_genai_config(spec, out, search)
    return [name for name in checkpoint.unread() if not name.endswith("rotary_emb.inv_freq") and not (spec.tied and name == "lm_head.weight")]


def print_counts(spec: Spec) -> None:
    for op, count in build_graph(spec, NoData()).operators().most_common():
        print(f"{count:6} {op}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Exports a Hugging Face AfmoeForCausalLM (Trinity) to ONNX.")
    parser.add_argument("source", type=Path, metavar="HF_DIR", help="folder with config.json, *.safetensors and a tokenizer")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", nargs="?", help="folder to write to; its model files are replaced")
    parser.add_argument("--precision", choices=IO_DTYPES, default="int4", help="of experts and matrices (default int4); the routers stay float")
    parser.add_argument("--io-dtype", choices=("float16", "float32"),
                        help="of activations, caches, norms, scales and routers (default float16, with --precision f32 float32)")
    parser.add_argument("--block-size", type=int, choices=(32, 64, 128), default=32, help="int4 weights that share a scale (default 32)")
    parser.add_argument("--int4-values", type=int, metavar="LAYERS",
                        help="first layers whose value projection is int4, too (default: an eighth of them, as in the published export)")
    parser.add_argument("--counts", action="store_true", help="print how often each operator runs in a pass, write nothing")
    options = parser.parse_args()
    options.io_dtype = options.io_dtype or IO_DTYPES[options.precision]
    if options.precision != "int4" and options.io_dtype != IO_DTYPES[options.precision]:
        parser.error(f"--precision {options.precision} means --io-dtype {IO_DTYPES[options.precision]}: MatMul and MoE take one type")
    if options.int4_values is not None and options.int4_values < 0:
        parser.error(f"--int4-values must be 0 or more, got {options.int4_values}")
    if not options.counts and options.out is None:
        parser.error("OUT_DIR is missing")
    if options.out is not None and options.out.resolve() == options.source.resolve():
        parser.error("OUT_DIR must be another folder than HF_DIR")
    return options


def main() -> None:
    options = parse()
    storage = {"int4": options.precision == "int4", "io_dtype": options.io_dtype, "block_size": options.block_size}
    if options.int4_values is not None:
        storage["int4_values"] = options.int4_values
    start = time.monotonic()
    try:
        spec = read_spec(options.source, storage)
        if options.counts:
            return print_counts(spec)
        unused = export(options.source, options.out, spec)
    except (ExportError, OSError) as error:
        sys.exit(f"export_afmoe: {error}")
    if unused:
        print(f"export_afmoe: the model has no use for {len(unused)} tensors: {', '.join(unused[:5])}{', ...' if len(unused) > 5 else ''}",
              file=sys.stderr)
    size = (options.out / "model.onnx.data").stat().st_size
    print(f"{options.out}: {spec.layers} layers, {size / 1e9:.2f} GB in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
