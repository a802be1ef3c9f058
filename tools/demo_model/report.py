"""Measures what the model card shows besides perplexity: use of every expert, and sample text.

Works on the export's int4 weights, dequantised in PyTorch, in float32.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import Lfm2MoeForCausalLM

from perplexity import DEFAULT_MODEL, HERE
from weights import load_exported

PROMPTS = ["In the beginning", "And it came to pass", "Elizabeth was", "The king said to"]


def expert_shares(model: Lfm2MoeForCausalLM, windows: np.ndarray) -> dict[int, torch.Tensor]:
    """For each sparse layer, the share of all choices (tokens times top-k) that went to each expert."""
    experts = model.config.num_experts
    counts: dict[int, torch.Tensor] = {}

    def count(index: int, router_output: tuple[torch.Tensor, ...]) -> None:
        counts[index] = counts.get(index, 0) + torch.bincount(router_output[2].flatten(), minlength=experts)

    hooks = [
        layer.feed_forward.gate.register_forward_hook(lambda _router, _inputs, output, i=index: count(i, output))
        for index, layer in enumerate(model.model.layers)
        if index >= model.config.num_dense_layers
    ]
    with torch.no_grad():
        for window in windows.astype(np.int64):
            model(torch.from_numpy(window)[None])
    for hook in hooks:
        hook.remove()
    return {index: count / count.sum() for index, count in counts.items()}


def print_shares(shares: dict[int, torch.Tensor]) -> None:
    experts = len(next(iter(shares.values())))
    print("| layer | " + " | ".join(str(expert) for expert in range(experts)) + " |")
    print("| --- |" + " ---: |" * experts)
    for index, share in shares.items():
        print(f"| {index} | " + " | ".join(f"{100 * value:.1f}" for value in share.tolist()) + " |")


def sampling_settings(model_folder: Path) -> dict:
    search = json.loads((model_folder / "genai_config.json").read_text())["search"]
    return {key: search[key] for key in ("do_sample", "temperature", "top_k", "top_p")}


def sample(model: Lfm2MoeForCausalLM, tokenizer: Tokenizer, prompt: str, tokens: int, settings: dict) -> str:
    ids = torch.tensor([tokenizer.encode(prompt).ids])
    output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, **settings)
    return tokenizer.decode(output[0].tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="folder of the exported model")
    parser.add_argument("--tokens", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    model = load_exported(args.model)
    print_shares(expert_shares(model, np.load(HERE / "validation.npy")))
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    settings = sampling_settings(args.model)
    for prompt in PROMPTS:
        torch.manual_seed(args.seed)
        print("---\n" + sample(model, tokenizer, prompt, args.tokens, settings))


if __name__ == "__main__":
    main()
