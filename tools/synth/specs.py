"""What a graph is made from: the numbers of a model and how it is stored; and those of synth_model.py's models, as published."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Yarn:
    """Stretching of the rotary frequencies to a longer context."""

    factor: float
    original_context: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0


@dataclass(frozen=True)
class Spec:
    kind: str  # the architecture
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    experts: int
    top_k: int
    expert_size: int
    vocab: int
    context: int
    epsilon: float
    rope_theta: float
    bos: int
    eos: int | tuple[int, ...]
    pad: int
    io_dtype: str = "float16"  # of activations, caches, norms, scales and what is not quantised: or "float32"
    int4: bool = True  # matrices and experts in blocks of 4-bit numbers
    int4_values: int = 0  # first layers whose value projection is quantised too, where an architecture distinguishes
    tied: bool = False  # the embedding is the output projection
    block_size: int = 32
    window: int = -1  # of layers that see only the last tokens
    dense_layers: int = 0  # that come first and have no experts
    dense_size: int = 0
    conv_cache: int = 0  # past columns that a convolution keeps
    attention_layers: tuple[int, ...] = ()  # of a model whose other layers are convolutions
    full_layers: tuple[int, ...] = ()  # without a window, of a model whose other layers have one
    shared_size: int = 0  # of the expert that sees every token
    route_scale: float = 1.0
    scaled_embedding: bool = False  # times the square root of the hidden size
    yarn: Yarn | None = None
    graph_capture: bool = False  # the mask without operators that onnxruntime keeps on the CPU (the builder's enable_webgpu_graph)

    def is_attention(self, layer: int) -> bool:
        return not self.attention_layers or layer in self.attention_layers


SPECS: dict[str, Spec] = {
    "gpt-oss-20b": Spec(
        kind="gptoss", layers=24, hidden=2880, heads=64, kv_heads=8, head_size=64, experts=32, top_k=4, expert_size=2880, vocab=201088,
        context=131072, epsilon=1e-5, rope_theta=150000.0, bos=199998, eos=200002, pad=199999, window=128,
        yarn=Yarn(factor=32.0, original_context=4096),
    ),
    "lfm2-8b-a1b": Spec(
        kind="lfm2_moe", layers=24, hidden=2048, heads=32, kv_heads=8, head_size=64, experts=32, top_k=4, expert_size=1792, vocab=65536,
        context=128000, epsilon=1e-5, rope_theta=1000000.0, bos=1, eos=7, pad=0, dense_layers=2, dense_size=7168, conv_cache=2,
        attention_layers=(2, 6, 10, 14, 18, 21), tied=True,
    ),
    "qwen3-30b-a3b": Spec(
        kind="qwen3_moe", layers=48, hidden=2048, heads=32, kv_heads=4, head_size=128, experts=128, top_k=8, expert_size=768,
        vocab=151936, context=40960, epsilon=1e-6, rope_theta=1000000.0, bos=151643, eos=151645, pad=151643,
    ),
    "trinity-nano": Spec(
        kind="afmoe", layers=56, hidden=1024, heads=8, kv_heads=2, head_size=128, experts=128, top_k=8, expert_size=256, vocab=200192,
        context=131072, epsilon=1e-5, rope_theta=10000.0, bos=0, eos=3, pad=12, window=2048, dense_layers=2, dense_size=3072,
        full_layers=tuple(range(3, 56, 4)), shared_size=256, route_scale=2.826, scaled_embedding=True, int4_values=7,
    ),
}
