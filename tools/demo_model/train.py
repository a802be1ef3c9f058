"""Trains the demo model from scratch and saves a checkpoint that Lfm2MoeForCausalLM loads.

The network below is Lfm2MoeForCausalLM written for training speed: the same parameter names and the
same function, with every expert computed densely and masked by the router, so that one matrix product
serves all experts. Experts are balanced without an auxiliary loss: after each step the selection bias
of an expert moves by a fixed amount against its load error. The last part of the run rounds the
weights to the exporter's int4 grid in the forward pass.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from architecture import CONFIG
from quantization import fake_quantize

BOS = CONFIG["bos_token_id"]
SHARD_BYTES = 15 * 2**20


class RMSNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight, CONFIG["norm_eps"])


class QuantizableLinear(nn.Linear):
    """A bias-free linear layer that can round its weight as the exporter will."""

    rounding = False

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, fake_quantize(self.weight) if self.rounding else self.weight)


class ShortConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        size, taps = CONFIG["hidden_size"], CONFIG["conv_L_cache"]
        self.conv = nn.Conv1d(size, size, taps, groups=size, bias=False)
        self.in_proj = QuantizableLinear(size, 3 * size)
        self.out_proj = QuantizableLinear(size, size)

    def forward(self, x: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        before, after, value = self.in_proj(x).chunk(3, dim=-1)
        gated, length = before * value, x.shape[1]
        taps = self.conv.weight.shape[-1]
        padded = F.pad(gated, (0, 0, taps - 1, 0))
        mixed = sum(padded[:, tap : tap + length] * self.conv.weight[:, 0, tap] for tap in range(taps))
        return self.out_proj(after * mixed)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        size, self.heads, self.kv_heads = (
            CONFIG[key] for key in ("hidden_size", "num_attention_heads", "num_key_value_heads")
        )
        self.head_size = size // self.heads
        self.q_proj = QuantizableLinear(size, size)
        self.k_proj = QuantizableLinear(size, self.kv_heads * self.head_size)
        self.v_proj = QuantizableLinear(size, self.kv_heads * self.head_size)
        self.out_proj = QuantizableLinear(size, size)
        self.q_layernorm = RMSNorm(self.head_size)
        self.k_layernorm = RMSNorm(self.head_size)

    def forward(self, x: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        batch, length, _ = x.shape
        query = self.q_layernorm(self.q_proj(x).view(batch, length, self.heads, -1)).transpose(1, 2)
        key = self.k_layernorm(self.k_proj(x).view(batch, length, self.kv_heads, -1)).transpose(1, 2)
        value = self.v_proj(x).view(batch, length, self.kv_heads, -1).transpose(1, 2)
        query, key = (rotate(part, rotary).to(value.dtype) for part in (query, key))
        key, value = (part.repeat_interleave(self.heads // self.kv_heads, dim=1) for part in (key, value))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, -1))


def rotary_table(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    head_size = CONFIG["hidden_size"] // CONFIG["num_attention_heads"]
    theta = CONFIG["rope_parameters"]["rope_theta"]
    frequencies = theta ** -(torch.arange(0, head_size, 2).float() / head_size)
    angles = torch.outer(torch.arange(length).float(), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * rotary[0] + torch.cat((-second, first), dim=-1) * rotary[1]


class DenseFeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        size, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
        self.w1 = QuantizableLinear(size, inner)
        self.w3 = QuantizableLinear(size, inner)
        self.w2 = QuantizableLinear(inner, size)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.w2(F.silu(self.w1(x)) * self.w3(x)), None


class Experts(nn.Module):
    rounding = False

    def __init__(self) -> None:
        super().__init__()
        count, size, inner = (CONFIG[key] for key in ("num_experts", "hidden_size", "moe_intermediate_size"))
        self.gate_up_proj = nn.Parameter(torch.empty(count, 2 * inner, size))
        self.down_proj = nn.Parameter(torch.empty(count, size, inner))

    def forward(self, x: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        gate_up, down = self.gate_up_proj, self.down_proj
        if self.rounding:
            gate_up, down = fake_quantize(gate_up), fake_quantize(down)
        gate, up = F.linear(x, gate_up.flatten(0, 1)).unflatten(-1, (gate_up.shape[0], -1)).chunk(2, dim=-1)
        inner = F.silu(gate) * up * shares.unsqueeze(-1).to(gate.dtype)
        return F.linear(inner.flatten(-2), down.transpose(0, 1).flatten(1))


class Router(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(CONFIG["num_experts"], CONFIG["hidden_size"]))


class SparseFeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = Router()
        self.experts = Experts()
        self.register_buffer("expert_bias", torch.zeros(CONFIG["num_experts"]))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            scores = F.linear(x.float(), self.gate.weight).sigmoid()
            chosen = (scores + self.expert_bias).topk(CONFIG["num_experts_per_tok"], dim=-1).indices
            mask = torch.zeros_like(scores).scatter(-1, chosen, 1.0)
            shares = scores * mask
            shares = shares / (shares.sum(-1, keepdim=True) + 1e-6)
        return self.experts(x, shares), mask.detach().sum((0, 1))


class Layer(nn.Module):
    def __init__(self, index: int, dropout: float) -> None:
        super().__init__()
        if CONFIG["layer_types"][index] == "conv":
            self.conv = ShortConv()
        else:
            self.self_attn = Attention()
        self.feed_forward = DenseFeedForward() if index < CONFIG["num_dense_layers"] else SparseFeedForward()
        self.operator_norm = RMSNorm(CONFIG["hidden_size"])
        self.ffn_norm = RMSNorm(CONFIG["hidden_size"])
        self.dropout = dropout

    def forward(
        self, x: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        mixer = self.conv if hasattr(self, "conv") else self.self_attn
        x = x + F.dropout(mixer(self.operator_norm(x), rotary), self.dropout, self.training)
        change, load = self.feed_forward(self.ffn_norm(x))
        return x + F.dropout(change, self.dropout, self.training), load


class Backbone(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(CONFIG["vocab_size"], CONFIG["hidden_size"])
        self.layers = nn.ModuleList(Layer(index, dropout) for index in range(CONFIG["num_hidden_layers"]))
        self.embedding_norm = RMSNorm(CONFIG["hidden_size"])


class LanguageModel(nn.Module):
    rounding = False

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.model = Backbone(dropout)
        self.dropout = dropout
        for index, table in enumerate(rotary_table(CONFIG["max_position_embeddings"])):
            self.register_buffer(f"rotary{index}", table, persistent=False)
        self.initialize()

    def initialize(self) -> None:
        """Normal weights; what writes into the residual stream starts smaller, by its depth."""
        residual_scale = (2 * CONFIG["num_hidden_layers"]) ** -0.5
        for name, weight in self.named_parameters():
            if weight.ndim < 2:
                continue
            if name.endswith("conv.conv.weight"):
                nn.init.uniform_(weight, -(CONFIG["conv_L_cache"] ** -0.5), CONFIG["conv_L_cache"] ** -0.5)
            else:
                deviation = CONFIG["initializer_range"] if "embed" in name else weight.shape[-1] ** -0.5
                writes = name.endswith(("out_proj.weight", "w2.weight", "down_proj"))
                nn.init.normal_(weight, std=deviation * (residual_scale if writes else 1.0))

    def set_rounding(self, rounding: bool) -> None:
        for module in self.modules():
            if hasattr(type(module), "rounding"):
                module.rounding = rounding

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        length = tokens.shape[1] - 1
        table = self.model.embed_tokens.weight
        if self.rounding:
            table = fake_quantize(table)
        rotary = (self.rotary0[:length], self.rotary1[:length])
        x = F.dropout(F.embedding(tokens[:, :-1], table), self.dropout, self.training)
        loads = []
        for layer in self.model.layers:
            x, load = layer(x, rotary)
            if load is not None:
                loads.append(load)
        logits = F.linear(self.model.embedding_norm(x), table)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())
        return loss, torch.stack(loads)


def load_stream(file: Path, device: str) -> torch.Tensor:
    return torch.from_numpy(np.load(file).astype(np.int64)).to(device)


def sample_batch(stream: torch.Tensor, count: int, length: int) -> torch.Tensor:
    """Random windows of the stream, each opened by <s>, as prompts are."""
    starts = torch.randint(0, len(stream) - length, (count, 1), device=stream.device)
    windows = stream[starts + torch.arange(length, device=stream.device)]
    windows[:, 0] = BOS
    return windows


def held_out_windows(stream: torch.Tensor, length: int) -> torch.Tensor:
    windows = stream[: len(stream) // length * length].view(-1, length).clone()
    windows[:, 0] = BOS
    return windows


@torch.no_grad()
def evaluate(model: LanguageModel, windows: torch.Tensor, rounding: bool) -> float:
    was_rounding = model.rounding
    model.eval()
    model.set_rounding(rounding)
    losses = [model(batch)[0].item() * len(batch) for batch in windows.split(32)]
    model.set_rounding(was_rounding)
    model.train()
    return sum(losses) / len(windows)


def make_optimizer(model: LanguageModel, rate: float, decay: float) -> torch.optim.AdamW:
    matrices = [weight for weight in model.parameters() if weight.ndim >= 2]
    vectors = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), fused=True)


def learning_rate(step: int, steps: int, peak: float, warmup: int = 200) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def balance_experts(model: LanguageModel, loads: torch.Tensor, rate: float) -> None:
    sparse = [layer.feed_forward for layer in model.model.layers if hasattr(layer.feed_forward, "expert_bias")]
    for block, load in zip(sparse, loads, strict=True):
        block.expert_bias += rate * torch.sign(load.mean() - load)


def save_checkpoint(model: LanguageModel, folder: Path) -> None:
    """float16 weights in shards, with the router and its bias in float32 so that choices stay as trained."""
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, torch.Tensor]] = [{}]
    used = 0
    for name, tensor in model.state_dict().items():
        keep_float = name.endswith(("expert_bias", "gate.weight"))
        tensor = tensor.detach().cpu().to(torch.float32 if keep_float else torch.float16).contiguous()
        if used + tensor.nbytes > SHARD_BYTES:
            shards.append({})
            used = 0
        shards[-1][name] = tensor
        used += tensor.nbytes
    names = [f"model-{index + 1:05}-of-{len(shards):05}.safetensors" for index in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, folder / name, metadata={"format": "pt"})
    weight_map = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
    total = sum(tensor.nbytes for shard in shards for tensor in shard.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")


def train(args: argparse.Namespace) -> dict:
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    stream = load_stream(args.data / "train.npy", device)
    windows = held_out_windows(load_stream(args.data / "val.npy", device), args.length)
    model = LanguageModel(args.dropout).to(device)
    run = torch.compile(model) if args.compile else model
    optimizer = make_optimizer(model, args.rate, args.decay)
    quantize_from = int(args.steps * (1 - args.quantized_share))
    history, begin = [], time.time()
    for step in range(args.steps):
        if step == quantize_from:
            model.set_rounding(True)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.rate)
        with torch.autocast(device, dtype=torch.bfloat16):
            loss, loads = run(sample_batch(stream, args.batch, args.length))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        balance_experts(model, loads, args.balance_rate)
        if (step + 1) % args.report == 0 or step + 1 == args.steps:
            with torch.autocast(device, dtype=torch.bfloat16):
                plain, rounded = (evaluate(model, windows, rounding) for rounding in (False, True))
            entry = {
                "step": step + 1,
                "seconds": round(time.time() - begin, 1),
                "train_loss": round(loss.item(), 4),
                "val_perplexity": round(math.exp(plain), 3),
                "val_perplexity_int4": round(math.exp(rounded), 3),
                "least_expert_share": round((loads.min(1).values / loads.sum(1)).min().item(), 4),
            }
            history.append(entry)
            print(json.dumps(entry), flush=True)
    save_checkpoint(model, args.out)
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()}
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    parameters = sum(weight.numel() for weight in model.parameters())
    log = {"device": name, "torch": torch.__version__, "parameters": parameters, "settings": settings}
    (args.out / "training.json").write_text(json.dumps({**log, "history": history}, indent=2) + "\n")
    return history[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that corpus.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--dropout", type=float, default=0.35)
    parser.add_argument("--quantized-share", type=float, default=0.3)
    parser.add_argument("--balance-rate", type=float, default=1e-3)
    parser.add_argument("--report", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    print(json.dumps(train(parser.parse_args())))


if __name__ == "__main__":
    main()
