"""What the graphs of all models share: mask, embedding, norms, projections, attention, dense and expert blocks.

Structure, node names and attributes are those of onnxruntime-genai 0.18's exports with `-p int4 -e webgpu` (int4 weights in blocks
with float16 scales, float16 activations and cache), or with `-p fp32` where nothing is quantised. A subclass gives the layers of one
architecture.
"""

from math import log, pi

import numpy as np

from synth.data import Constant, Int4Scales, Normal, RandomBytes
from synth.graph import F16, F32, I32, I64, MICROSOFT, SEQUENCE, U8, Graph, Shape
from synth.specs import Spec

LOGIT_GAIN = 3.0  # so that some tokens are clearly likelier than others
BIAS_STD = 0.1
HEAD_NORM = 1.5  # of queries and keys: scores of 1 on average would mix all tokens into one, layer by layer
ROWS = "batch_size * sequence_length"


def weight_name(node: str) -> str:
    """'model.layers.0.attn.o_proj.MatMul' for '/model/layers.0/attn/o_proj/MatMul'."""
    return node[1:].replace("/", ".")


class Decoder:
    activation = {"activation_alpha": 1.0, "activation_beta": 0.0}  # of the experts' SwiGLU
    expert_bias = Constant(0.0)  # the operator's inputs exist even where the model has no biases
    sparse_op = "QMoE"  # last part of the quantised expert node's name

    def __init__(self, graph: Graph, spec: Spec):
        self.g, self.s = graph, spec
        self.io = {"float16": F16, "float32": F32}[spec.io_dtype]
        self.root = ""  # the residual stream
        self.skip = ""  # what is still to be added to it

    def build(self) -> None:
        self.add_inputs_and_outputs()
        self.add_mask()
        self.root = self.embedding()
        for layer in range(self.s.layers):
            self.layer(layer)
        hidden = self.norm(f"/model/layers.{self.s.layers}/final_norm_layernorm", last=True)
        self.linear("/lm_head/MatMul", hidden, self.s.hidden, self.s.vocab, gain=LOGIT_GAIN, output="logits")

    def layer(self, layer: int) -> None:
        raise NotImplementedError

    def hidden_shape(self, width: int | None = None) -> Shape:
        return [*SEQUENCE, width or self.s.hidden]

    def add_inputs_and_outputs(self) -> None:
        g, s = self.g, self.s
        g.input("input_ids", I64, SEQUENCE)
        g.input("attention_mask", I64, ["batch_size", "total_sequence_length"])
        g.output("logits", self.io, self.hidden_shape(s.vocab))
        for part in ("key", "value"):
            for layer in filter(s.is_attention, range(s.layers)):
                before, after = (["batch_size", s.kv_heads, f"{p}_sequence_length", "kv_cache_dim"] for p in ("past", "total"))
                g.input(f"past_key_values.{layer}.{part}", self.io, before)
                g.output(f"present.{layer}.{part}", self.io, after)
        for layer in range(s.layers):
            if not s.is_attention(layer):
                g.input(f"past.{layer}.conv", self.io, ["batch_size", s.hidden, s.conv_cache])
                g.output(f"present.{layer}.conv", self.io, ["batch_size", s.hidden, s.conv_cache])

    def add_mask(self) -> None:
        """The mask as GroupQueryAttention wants it: length of each sequence less one, and the greatest length."""
        g, base = self.g, "/model/attn_mask_reformat/attn_mask_subgraph"
        if self.s.graph_capture:
            self.add_capturable_mask(base)
            return
        one = g.int64([1])
        total = g.op("ReduceSum", f"{base}/ReduceSum", ["attention_mask", one], I64, ["batch_size"], keepdims=0)
        less = g.op("Sub", f"{base}/Sub", [total, one], I64, ["batch_size"])
        self.lengths = g.op("Cast", f"{base}/Sub/Cast", [less], I32, ["batch_size"], to=I32)
        shape = g.op("Shape", f"{base}/Shape", ["attention_mask"], I64, [2])
        longest = g.op("Gather", f"{base}/Gather", [shape, g.int64(1)], I64, [], axis=0)
        self.longest = g.op("Cast", f"{base}/Gather/Cast", [longest], I32, [], to=I32)

    def add_capturable_mask(self, base: str) -> None:
        """The same from the mask's elements alone, not from its shape, and in int32: nothing that has to run on the CPU."""
        g = self.g
        mask = g.op("Cast", f"{base}/Cast", ["attention_mask"], I32, ["batch_size", "total_sequence_length"], to=I32)
        total = g.op("ReduceSum", f"{base}/ReduceSum", [mask, g.int64([1])], I32, ["batch_size"], keepdims=0)
        self.lengths = g.op("Sub", f"{base}/Sub", [total, g.constant("INT32", [1], np.int32)], I32, ["batch_size"])
        self.longest = g.op("ReduceMax", f"{base}/ReduceMax", [total], I32, [], keepdims=0)

    def embedding(self) -> str:
        g, s = self.g, self.s
        if s.tied and s.int4:
            return self.shared_embedding()
        table = g.tensor("model.embed_tokens.weight", self.io, [s.vocab, s.hidden], Normal(1.0))
        return g.op("Gather", "/model/embed_tokens/Gather", [table, "input_ids"], self.io, self.hidden_shape())

    def shared_embedding(self) -> str:
        """Looks rows up in the output projection's int4 matrix, seen as one row of bytes for each token."""
        g, s = self.g, self.s
        weights, scales = self.int4_matrix("lm_head.MatMul.weight", s.hidden, s.vocab, LOGIT_GAIN)
        flat = [s.vocab, s.hidden // 2]
        return self.gather_quantized(g.op("Reshape", "/model/embed_tokens/Reshape", [weights, g.int64(flat)], U8, flat), scales)

    def gather_quantized(self, rows: str, scales: str) -> str:
        return self.g.op(f"{MICROSOFT}.GatherBlockQuantized", "/model/embed_tokens/GatherBlockQuantized", [rows, "input_ids", scales], self.io,
                         self.hidden_shape(), bits=4, block_size=self.s.block_size, gather_axis=0, quantize_axis=1)

    def int4_matrix(self, name: str, columns: int, rows: int, gain: float) -> tuple[str, str]:
        blocks = -(-columns // self.s.block_size)
        weights = self.g.tensor(f"{name}_Q4", U8, [rows, blocks, self.s.block_size // 2], RandomBytes())
        return weights, self.g.tensor(f"{name}_scales", self.io, [rows, blocks], Int4Scales(columns, gain))

    def linear(self, base: str, x: str, columns: int, rows: int, gain: float = 1.0, output: str = "") -> str:
        """A MatMulNBits called `base`_Q4, or the MatMul `base`; returns its output."""
        if not self.s.int4:
            return self.float_linear(base, x, columns, rows, output)
        weights, scales = self.int4_matrix(f"{weight_name(base)}.weight", columns, rows, gain)
        result = output or self.g.value(f"{base}/output_0", self.io, self.hidden_shape(rows))
        self.g.node(f"{MICROSOFT}.MatMulNBits", f"{base}_Q4", [x, weights, scales], [result], K=columns, N=rows, accuracy_level=4,
                    bits=4, block_size=self.s.block_size)
        return result

    def float_linear(self, base: str, x: str, columns: int, rows: int, output: str = "") -> str:
        weights = self.g.tensor(f"{weight_name(base)}.weight", self.io, [columns, rows], Normal(columns**-0.5))
        result = output or self.g.value(f"{base}/output_0", self.io, self.hidden_shape(rows))
        self.g.node("MatMul", base, [x, weights], [result])
        return result

    def bias(self, base: str, x: str, width: int) -> str:
        weights = self.g.tensor(f"{weight_name(base)}.bias", self.io, [width], Normal(BIAS_STD))
        return self.g.op("Add", base, [x, weights], self.io, self.hidden_shape(width))

    def norm(self, base: str, last: bool = False) -> str:
        """Normalises the residual stream, after adding what is still to be added."""
        g, epsilon = self.g, self.s.epsilon
        weight = g.tensor(f"{weight_name(base)}.weight", self.io, [self.s.hidden], Constant(1.0))
        result = g.value(f"{base}/output_0", self.io, self.hidden_shape())
        if not self.skip:
            g.node("SimplifiedLayerNormalization", f"{base}/LayerNorm", [self.root, weight], [result], epsilon=epsilon, axis=-1,
                   stash_type=1)
            return result
        total = [] if last else ["", "", g.value(f"{base}/output_3", self.io, self.hidden_shape())]
        g.node(f"{MICROSOFT}.SkipSimplifiedLayerNormalization", f"{base}/SkipLayerNorm", [self.root, self.skip, weight], [result, *total],
               epsilon=epsilon)
        self.root, self.skip = (total or [""])[-1], ""
        return result

    def rotary_caches(self) -> list[str]:
        if not self.g.has("cos_cache"):
            cos, sin = rotary_tables(self.s)
            self.g.array("cos_cache", cos)
            self.g.array("sin_cache", sin)
        return ["cos_cache", "sin_cache"]

    def packed_qkv(self, base: str, x: str) -> str:
        return self.linear(f"{base}/qkv_proj/MatMul", x, self.s.hidden, (self.s.heads + 2 * self.s.kv_heads) * self.s.head_size)

    def split_qkv(self, base: str, packed: str) -> list[str]:
        widths = [n * self.s.head_size for n in (self.s.heads, self.s.kv_heads, self.s.kv_heads)]
        return self.split(f"{base}/qkv_proj/Split", packed, widths, [self.hidden_shape(n) for n in widths], axis=-1)

    def split(self, name: str, x: str, sizes: list[int], shapes: list[Shape], axis: int) -> list[str]:
        parts = [self.g.value(f"{name}/output_{i}", self.io, shape) for i, shape in enumerate(shapes)]
        self.g.node("Split", name, [x, self.g.int64(sizes)], parts, axis=axis)
        return parts

    def attention(self, layer: int, qkv: list[str], extra: list[str], window: int = -1, rotary: bool = True, **attributes) -> str:
        """GroupQueryAttention; `qkv` is one packed value or three, `extra` the inputs from position_ids on."""
        g, s, base = self.g, self.s, f"/model/layers.{layer}/attn/GroupQueryAttention"
        past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
        caches = self.rotary_caches() if rotary else (["", ""] if extra else [])
        result = g.value(f"{base}/output_0", self.io, self.hidden_shape(s.heads * s.head_size))
        g.node(f"{MICROSOFT}.GroupQueryAttention", base,
               [*qkv, *[""] * (3 - len(qkv)), *past, self.lengths, self.longest, *caches, *extra],
               [result, f"present.{layer}.key", f"present.{layer}.value"],
               num_heads=s.heads, kv_num_heads=s.kv_heads, scale=s.head_size**-0.5, local_window_size=window, softcap=0.0,
               do_rotary=int(rotary), rotary_interleaved=0, **attributes)
        return result

    def normed_attention(self, layer: int, x: str) -> str:
        """Attention whose operator normalises queries and keys itself, with its output projection."""
        base = f"/model/layers.{layer}/attn"
        qkv = self.split_qkv(base, self.packed_qkv(base, x))
        norms = [self.head_norm_weight(layer, part) for part in "qk"]
        mixed = self.attention(layer, qkv, ["", "", "", "", "", *norms], qk_norm_epsilon=self.s.epsilon)
        return self.linear(f"{base}/o_proj/MatMul", mixed, self.s.heads * self.s.head_size, self.s.hidden)

    def head_norm_weight(self, layer: int, part: str) -> str:
        return self.g.tensor(f"model.layers.{layer}.attn.{part}_norm.layernorm.weight", self.io, [self.s.head_size], Constant(HEAD_NORM))

    def mlp(self, base: str, x: str, width: int) -> str:
        """A dense SwiGLU block."""
        g, shape = self.g, self.hidden_shape(width)
        gate = self.linear(f"{base}/gate_proj/MatMul", x, self.s.hidden, width)
        up = self.linear(f"{base}/up_proj/MatMul", x, self.s.hidden, width)
        sigmoid = g.op("Sigmoid", f"{base}/act_fn/Sigmoid", [gate], self.io, shape)
        act = g.op("Mul", f"{base}/act_fn/Mul", [gate, sigmoid], self.io, shape)
        product = g.op("Mul", f"{base}/Mul", [act, up], self.io, shape)
        return self.linear(f"{base}/down_proj/MatMul", product, width, self.s.hidden)

    def router_rows(self, base: str, logits: str) -> str:
        shape = self.g.int64([-1, self.s.experts])
        return self.g.op("Reshape", f"{base}/router/Reshape", [logits, shape], self.io, [ROWS, self.s.experts])

    def experts(self, base: str, x: str, scores: str) -> str:
        """QMoE, or MoE where nothing is quantised, with interleaved gate and up rows."""
        s = self.s
        first = self.expert_tensors(f"{weight_name(base)}.experts.gate_up_proj", s.hidden, 2 * s.expert_size)
        second = self.expert_tensors(f"{weight_name(base)}.experts.down_proj", s.expert_size, s.hidden)
        op, name, missing, stored = "MoE", "MoE", 2, {}
        if s.int4:
            op, name, missing, stored = "QMoE", self.sparse_op, 6, {"expert_weight_bits": 4, "block_size": s.block_size}
        return self.g.op(f"{MICROSOFT}.{op}", f"{base}/{name}", [x, scores, *first, *second, *[""] * missing], self.io, self.hidden_shape(),
                         activation_type="swiglu", k=s.top_k, normalize_routing_weights=1, swiglu_fusion=1, use_sparse_mixer=0,
                         **stored, **self.activation)

    def expert_tensors(self, name: str, columns: int, rows: int) -> list[str]:
        g, n = self.g, self.s.experts
        if not self.s.int4:
            weights = [g.tensor(f"{name}.weight", self.io, [n, rows, columns], Normal(columns**-0.5))]
        else:
            weights = [g.tensor(f"{name}.qweight", U8, [n, rows, columns // 2], RandomBytes()),
                       g.tensor(f"{name}.scales", self.io, [n, rows, columns // self.s.block_size], Int4Scales(columns, 1.0))]
        return [*weights, g.tensor(f"{name}.bias", self.io, [n, rows], self.expert_bias)]

    def selection_bias(self, layer: int, dtype: int) -> str:
        return self.g.tensor(f"model.layers.{layer}.moe.expert_bias", dtype, [self.s.experts], Normal(0.02))


def rotary_tables(spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of shape (context, head_size / 2), stretched by YaRN where the model has it; in float32, as models compute them."""
    half = spec.head_size // 2
    frequencies = 1 / np.float32(spec.rope_theta) ** (np.arange(half, dtype=np.float32) / np.float32(half))
    scale = 1.0
    if spec.yarn:
        turns = np.array([spec.yarn.beta_fast, spec.yarn.beta_slow])
        low, high = half * np.log(spec.yarn.original_context / (turns * 2 * pi)) / log(spec.rope_theta)
        slow = np.clip((np.arange(half) - low) / (high - low), 0, 1)
        frequencies *= 1 - slow + slow / spec.yarn.factor
        scale = 0.1 * log(spec.yarn.factor) + 1
    angles = np.outer(np.arange(spec.context, dtype=np.float32), frequencies.astype(np.float32)).astype(np.float64)
    return (np.cos(angles) * scale).astype(spec.io_dtype), (np.sin(angles) * scale).astype(spec.io_dtype)
