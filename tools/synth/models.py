"""The layers of each architecture that synth_model.py makes."""

from synth.data import Normal
from synth.decoder import BIAS_STD, ROWS, Decoder
from synth.graph import F32, I64, MICROSOFT, Shape


class GptOss(Decoder):
    """Attention with sinks and a window on every other layer; every layer has experts, with biases throughout."""

    activation = {"activation_alpha": 1.702, "activation_beta": 1.0, "swiglu_limit": 7.0}
    expert_bias = Normal(BIAS_STD)

    def layer(self, layer: int) -> None:
        s, base = self.s, f"/model/layers.{layer}"
        packed = self.packed_qkv(f"{base}/attn", self.norm(f"{base}/input_layernorm"))
        packed = self.bias(f"{base}/attn/qkv_proj/Add", packed, (s.heads + 2 * s.kv_heads) * s.head_size)
        sinks = self.g.tensor(f"model.layers.{layer}.attn.sinks", self.io, [s.heads], Normal(0.5))
        mixed = self.attention(layer, [packed], ["", "", sinks], window=-1 if layer % 2 else s.window)
        projected = self.linear(f"{base}/attn/o_proj/MatMul", mixed, s.heads * s.head_size, s.hidden)
        self.skip = self.bias(f"{base}/attn/o_proj/Add", projected, s.hidden)
        x = self.norm(f"{base}/post_attention_layernorm")
        logits = self.bias(f"{base}/moe/router/Add", self.linear(f"{base}/moe/router/MatMul", x, s.hidden, s.experts), s.experts)
        self.skip = self.experts(f"{base}/moe", x, self.router_rows(f"{base}/moe", logits))


class Qwen3Moe(Decoder):
    """Attention of the builder's Qwen3, experts of its Qwen3.5-MoE without the shared one (0.18 itself does not export Qwen3-MoE)."""

    def layer(self, layer: int) -> None:
        base = f"/model/layers.{layer}"
        self.skip = self.normed_attention(layer, self.norm(f"{base}/input_layernorm"))
        x = self.norm(f"{base}/post_attention_layernorm")
        logits = self.linear(f"{base}/moe/router/MatMul", x, self.s.hidden, self.s.experts)
        self.skip = self.experts(f"{base}/moe", x, self.router_rows(f"{base}/moe", logits))


class Lfm2Moe(Decoder):
    """Short convolutions with attention on some layers; dense blocks first, then experts chosen by sigmoid scores plus a bias."""

    def layer(self, layer: int) -> None:
        base = f"/model/layers.{layer}"
        x = self.norm(f"{base}/operator_layernorm")
        self.skip = self.normed_attention(layer, x) if self.s.is_attention(layer) else self.convolution(layer, x)
        x = self.norm(f"{base}/ffn_layernorm")
        dense = layer < self.s.dense_layers
        self.skip = self.mlp(f"{base}/mlp", x, self.s.dense_size) if dense else self.sparse(layer, x)

    def convolution(self, layer: int, x: str) -> str:
        g, h, base = self.g, self.s.hidden, f"/model/layers.{layer}/conv"
        column: Shape = ["batch_size", h, "sequence_length"]
        projected = self.linear(f"{base}/in_proj/MatMul", x, h, 3 * h)
        turned = g.op("Transpose", f"{base}/Transpose_1", [projected], self.io, ["batch_size", 3 * h, "sequence_length"], perm=[0, 2, 1])
        b, c, value = self.split(f"{base}/Split", turned, [h, h, h], [column] * 3, axis=1)
        gated = g.op("Mul", f"{base}/Mul_1", [b, value], self.io, column)
        weight = g.tensor(f"model.layers.{layer}.conv.conv.weight", self.io, [h, 1, self.s.conv_cache + 1], Normal(0.5))
        node = f"{base}/CausalConvWithState"
        mixed = g.value(f"{node}/output_0", self.io, column)
        g.node(f"{MICROSOFT}.CausalConvWithState", node, [gated, weight, "", f"past.{layer}.conv"], [mixed, f"present.{layer}.conv"],
               ndim=1, activation="none", state_window=0)
        gated = g.op("Mul", f"{base}/Mul_2", [c, mixed], self.io, column)
        turned = g.op("Transpose", f"{base}/Transpose_2", [gated], self.io, self.hidden_shape(), perm=[0, 2, 1])
        return self.linear(f"{base}/out_proj/MatMul", turned, h, h)

    def sparse(self, layer: int, x: str) -> str:
        g, s, base = self.g, self.s, f"/model/layers.{layer}/moe"
        rows = self.router_rows(base, self.float_linear(f"{base}/router/MatMul", x, s.hidden, s.experts))
        scores = self.sigmoid(f"{base}/router", rows)
        biased = g.op("Add", f"{base}/router/Add", [scores, self.selection_bias(layer, F32)], F32, [ROWS, s.experts])
        chosen = [g.value(f"{base}/router/TopK/output_{i}", dtype, [ROWS, s.top_k]) for i, dtype in enumerate((F32, I64))]
        g.node("TopK", f"{base}/router/TopK", [biased, g.int64([s.top_k])], chosen, axis=-1, largest=1)
        picked = g.op("GatherElements", f"{base}/router/GatherElements", [scores, chosen[1]], F32, [ROWS, s.top_k], axis=1)
        scale = self.mixing_scale(f"{base}/router/scale", x, picked)
        mixed = self.experts(base, x, self.log_scores(f"{base}/router", scores, chosen[1], picked))
        return g.op("Mul", f"{base}/Mul", [mixed, scale], self.io, self.hidden_shape())

    def sigmoid(self, base: str, rows: str) -> str:
        g, shape = self.g, [ROWS, self.s.experts]
        x = g.op("Cast", f"{base}/Cast", [rows], F32, shape, to=F32)
        x = g.op("Neg", f"{base}/sigmoid/Neg", [x], F32, shape)
        x = g.op("Exp", f"{base}/sigmoid/Exp", [x], F32, shape)
        x = g.op("Add", f"{base}/sigmoid/Add", [x, g.float32(1.0)], F32, shape)
        return g.op("Reciprocal", f"{base}/sigmoid/Reciprocal", [x], F32, shape)

    def mixing_scale(self, base: str, x: str, picked: str) -> str:
        """sum / (sum + 1e-6): what the model's own normalisation leaves besides the operator's."""
        g, one = self.g, [ROWS, 1]
        total = g.op("ReduceSum", f"{base}/ReduceSum", [picked, g.int64([-1])], F32, one, keepdims=1)
        padded = g.op("Add", f"{base}/Add", [total, g.float32(1e-06)], F32, one)
        ratio = g.op("Div", f"{base}/Div", [total, padded], F32, one)
        shape = g.op("Shape", f"{base}/Shape", [x], I64, [3])
        leading = g.op("Slice", f"{base}/Slice", [shape, g.int64([0]), g.int64([-1])], I64, [2])
        target = g.op("Concat", f"{base}/Concat", [leading, g.int64([1])], I64, [3], axis=0)
        ratio = g.op("Reshape", f"{base}/Reshape", [ratio, target], F32, self.hidden_shape(1))
        return g.op("Cast", f"{base}/Cast", [ratio], self.io, self.hidden_shape(1), to=self.io)

    def log_scores(self, base: str, scores: str, indices: str, picked: str) -> str:
        """Logarithms of the chosen scores and -10000 elsewhere: the operator's softmax then gives the chosen ones, normalised."""
        g, shape = self.g, [ROWS, self.s.experts]
        clipped = g.op("Clip", f"{base}/Clip", [picked, g.float32(1e-30), ""], F32, [ROWS, self.s.top_k])
        logs = g.op("Log", f"{base}/Log", [clipped], F32, [ROWS, self.s.top_k])
        size = g.op("Shape", f"{base}/Shape", [scores], I64, [2])
        low = g.op("ConstantOfShape", f"{base}/ConstantOfShape", [size], F32, shape, value=g.scalar_tensor(-10000.0))
        full = g.op("ScatterElements", f"{base}/ScatterElements", [low, indices, logs], F32, shape, axis=1)
        return g.op("Cast", f"{base}/Cast_1", [full], self.io, shape, to=self.io)
