"""config.json of an AfmoeForCausalLM -> the description of a graph. What the graph cannot express is refused by the name of its key.

Defaults of missing keys are those of transformers' AfmoeConfig (5.23).
"""

from pathlib import Path

from afmoe_export import ExportError
from afmoe_export.checkpoint import read_json
from synth.specs import Spec

REQUIRED = object()
# Keys that change what the model computes, with the values that the graph expresses. Some are of older code for these models; transformers'
# AfmoeForCausalLM reads only the first three and always does what the listed values say.
EXPRESSED = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "quantization_config": (),
    "score_func": ("sigmoid",),
    "route_norm": (True,),
    "n_group": (0, 1),
    "topk_group": (0, 1),
    "num_expert_groups": (0, 1),
    "num_limited_groups": (0, 1),
    "partial_rotary_factor": (1,),
}
SLIDING, FULL = "sliding_attention", "full_attention"


class Config:
    def __init__(self, file: Path):
        self.file = file
        self.values = read_json(file)

    def refuse(self, key: str, rule: str) -> ExportError:
        return ExportError(f"{self.file}: {key} is {self.values.get(key)!r}; {rule}")

    def integer(self, key: str, default: int | object = REQUIRED, low: int = 1) -> int:
        value = self.values.get(key, default)
        if value is REQUIRED:
            raise ExportError(f"{self.file}: {key} is missing")
        if type(value) is not int or value < low:
            raise self.refuse(key, f"it must be a whole number, at least {low}")
        return value

    def number(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise self.refuse(key, "it must be a number greater than 0")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if value not in (None, True, False):
            raise self.refuse(key, "it must be true or false")
        return bool(value)


def read_spec(folder: Path, storage: dict) -> Spec:
    """What the graph is made from; `storage` gives those fields of Spec that say how it is stored."""
    config = Config(folder / "config.json")
    refuse_others(config)
    heads = config.integer("num_attention_heads", 16)
    layers = config.integer("num_hidden_layers", 32)
    full = full_layers(config, layers)
    has_experts = (dense := config.integer("num_dense_layers", 1, low=0)) < layers
    expert_size = config.integer("moe_intermediate_size", 1408) if has_experts else 0
    spec = Spec(
        kind="afmoe", layers=layers, hidden=config.integer("hidden_size"), heads=heads, head_size=config.integer("head_dim", 128),
        kv_heads=heads if config.values.get("num_key_value_heads") is None else config.integer("num_key_value_heads"),
        experts=config.integer("num_experts", 64) if has_experts else 0, top_k=config.integer("num_experts_per_tok", 6) if has_experts else 0,
        expert_size=expert_size, vocab=config.integer("vocab_size"), context=config.integer("max_position_embeddings", 16384),
        epsilon=config.number("rms_norm_eps", 1e-5), rope_theta=rope_theta(config), **special_tokens(config),
        tied=config.flag("tie_word_embeddings"), window=config.integer("sliding_window", 1024) if len(full) < layers else -1,
        dense_layers=min(dense, layers), dense_size=config.integer("intermediate_size", 6144) if dense else 0, full_layers=full,
        shared_size=expert_size * config.integer("num_shared_experts", 2, low=0) if has_experts else 0,
        route_scale=config.number("route_scale", 1.0), scaled_embedding=config.flag("mup_enabled"),
        **{"int4_values": layers // 8, **storage})
    check_sizes(config, spec)
    return spec


def refuse_others(config: Config) -> None:
    if config.values.get("model_type") != "afmoe":
        raise config.refuse("model_type", "only afmoe (AfmoeForCausalLM) can be exported")
    for key, expressed in EXPRESSED.items():
        value = config.values.get(key)
        if value is not None and value not in expressed:
            raise config.refuse(key, f"the graph can express {' and '.join(map(str, expressed)) or 'none'} only")


def full_layers(config: Config, layers: int) -> tuple[int, ...]:
    """The layers that see everything and have no rotary embedding."""
    kinds = config.values.get("layer_types")
    if kinds is None:
        every = config.integer("global_attn_every_n_layers", 4)
        return tuple(range(every - 1, layers, every))
    if not isinstance(kinds, list) or len(kinds) != layers or not all(kind in (SLIDING, FULL) for kind in kinds):
        raise config.refuse("layer_types", f"it must be a list of {SLIDING} and {FULL}, one for each of the {layers} layers")
    return tuple(i for i, kind in enumerate(kinds) if kind == FULL)


def rope_theta(config: Config) -> float:
    theta = config.number("rope_theta", 10000.0)
    for key in ("rope_parameters", "rope_scaling"):
        rope = config.values.get(key)
        if rope is None:
            continue
        kind = isinstance(rope, dict) and rope.get("rope_type", rope.get("type", "default"))
        if kind != "default" or rope.get("partial_rotary_factor", 1) != 1 or SLIDING in rope or FULL in rope:
            raise config.refuse(key, "the graph can express rope_type default with one rope_theta only")
        theta = rope.get("rope_theta", theta)
        if type(theta) not in (int, float) or not 1 < theta < float("inf"):
            raise config.refuse(key, "rope_theta must be a number greater than 1")
    return float(theta)


def special_tokens(config: Config) -> dict:
    """Token ids of generation_config.json or config.json; what ends a turn for the tokenizer ends a text, too."""
    file = config.file.parent / "generation_config.json"
    values = {**config.values, **(read_json(file) if file.exists() else {})}
    ends = values.get("eos_token_id")
    if ends is None:
        ends = config.values.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    if not ends or not all(type(i) is int and i >= 0 for i in ends):
        raise ExportError(f"{config.file}: eos_token_id is {ends}; it must be a token id or a list of them, here or in generation_config.json")
    if (turn_end := tokenizer_end(config.file.parent)) is not None and turn_end not in ends:
        ends.append(turn_end)
    others = {name: values.get(f"{name}_token_id") for name in ("bos", "pad")}
    return {"eos": ends[0] if len(ends) == 1 else tuple(ends), **{k: ends[0] if v is None else v for k, v in others.items()}}


def tokenizer_end(folder: Path) -> int | None:
    files = [folder / name for name in ("tokenizer_config.json", "tokenizer.json")]
    if not all(file.exists() for file in files):
        return None
    token = read_json(files[0]).get("eos_token")
    text = token.get("content") if isinstance(token, dict) else token
    return next((t["id"] for t in read_json(files[1]).get("added_tokens") or [] if t.get("content") == text), None)


def sampling(folder: Path) -> dict:
    """What generation_config.json says about choosing tokens, for the "search" part of genai_config.json."""
    file = folder / "generation_config.json"
    values = read_json(file) if file.exists() else {}
    keys = ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty")
    return {key: values[key] for key in keys if values.get(key) is not None}


def check_sizes(config: Config, spec: Spec) -> None:
    if spec.heads % spec.kv_heads:
        raise config.refuse("num_key_value_heads", f"it must divide num_attention_heads, {spec.heads}")
    if spec.head_size % 16:
        raise config.refuse("head_dim", "GroupQueryAttention needs a multiple of 16")
    if spec.top_k > spec.experts:
        raise config.refuse("num_experts_per_tok", f"it must be at most num_experts, {spec.experts}")
    for key, size in (("hidden_size", spec.hidden), ("moe_intermediate_size", spec.expert_size)):
        if spec.int4 and size % spec.block_size:
            raise config.refuse(key, f"with --precision int4 it must be a multiple of the block size {spec.block_size}")
