"""The layers of AfMoE (Trinity): four norms a layer, gated attention, experts chosen by sigmoid scores, one shared expert.

Operators and node names follow the profile of the published Trinity-Nano export, and their counts are the same. Of that export's
projections 49 are not quantised, the profile does not say which: here they are those of the values, the smallest, from layer
`int4_values` on (7 of 56). What the layers compute is what transformers' AfmoeForCausalLM computes.
"""

from synth.data import Constant, Int4Scales, RandomBytes
from synth.decoder import ROWS, Decoder, weight_name
from synth.graph import I64, SEQUENCE, U8


class Afmoe(Decoder):
    sparse_op = "MoE_Quant"

    def embedding(self) -> str:
        s = self.s
        rows = self.int4_embedding() if s.int4 and not s.tied else super().embedding()
        if not s.scaled_embedding:
            return rows
        factor = self.g.number(s.hidden**0.5, self.io)
        return self.g.op("Mul", "/model/embed_tokens/Mul", [rows, factor], self.io, self.hidden_shape())

    def int4_embedding(self) -> str:
        g, s, name = self.g, self.s, "model.embed_tokens.weight"
        table = g.tensor(f"{name}_Q4", U8, [s.vocab, s.hidden // 2], RandomBytes())
        return self.gather_quantized(table, g.tensor(f"{name}_scales", self.io, [s.vocab, s.hidden // s.block_size], Int4Scales(s.hidden, 1.0)))

    def layer(self, layer: int) -> None:
        base = f"/model/layers.{layer}"
        x = self.gated_attention(layer, self.plain_norm(f"{base}/input_layernorm", self.root))
        self.add_to_root(f"{base}/attn_residual/Add", self.plain_norm(f"{base}/post_attention_layernorm", x))
        x = self.plain_norm(f"{base}/pre_mlp_layernorm", self.root)
        dense = layer < self.s.dense_layers
        x = self.mlp(f"{base}/mlp", x, self.s.dense_size) if dense else self.sparse(layer, x)
        before, x = self.root, self.plain_norm(f"{base}/post_mlp_layernorm", x)
        self.add_to_root(f"{base}/mlp_residual/Add", x)
        if layer == self.s.layers - 1:  # the last norm adds for itself: in the published graph, too, nobody reads the last Add
            self.root, self.skip = before, x

    def add_to_root(self, name: str, x: str) -> None:
        self.root = self.g.op("Add", name, [self.root, x], self.io, self.hidden_shape())

    def plain_norm(self, base: str, x: str) -> str:
        weight = self.g.tensor(f"{weight_name(base)}.weight", self.io, [self.s.hidden], Constant(1.0))
        return self.g.op("SimplifiedLayerNormalization", f"{base}/LayerNorm", [x, weight], self.io, self.hidden_shape(),
                         epsilon=self.s.epsilon, axis=-1, stash_type=1)

    def gated_attention(self, layer: int, x: str) -> str:
        g, s, base = self.g, self.s, f"/model/layers.{layer}/attn"
        width, kv_width = s.heads * s.head_size, s.kv_heads * s.head_size
        q = self.head_norm(layer, "q", self.linear(f"{base}/q_proj/MatMul", x, s.hidden, width), width)
        k = self.head_norm(layer, "k", self.linear(f"{base}/k_proj/MatMul", x, s.hidden, kv_width), kv_width)
        project = self.linear if layer < self.s.int4_values else self.float_linear
        v = project(f"{base}/v_proj/MatMul", x, s.hidden, kv_width)
        gate = self.linear(f"{base}/gate_proj/MatMul", x, s.hidden, width)
        everywhere = layer in s.full_layers
        mixed = self.attention(layer, [q, k, v], [], window=-1 if everywhere else s.window, rotary=not everywhere)
        gate = g.op("Sigmoid", f"{base}/gate_proj/Sigmoid", [gate], self.io, self.hidden_shape(width))
        gated = g.op("Mul", f"{base}/gate_proj/Mul", [mixed, gate], self.io, self.hidden_shape(width))
        return self.linear(f"{base}/o_proj/MatMul", gated, width, s.hidden)

    def head_norm(self, layer: int, part: str, x: str, width: int) -> str:
        g, size, base = self.g, self.s.head_size, f"/model/layers.{layer}/attn/{part}_norm"
        heads = ["batch_size", f"sequence_length * {part}_heads", size]
        rows = g.op("Reshape", f"{base}/Reshape_1", [x, g.int64([0, -1, size])], self.io, heads)
        normed = g.op("SimplifiedLayerNormalization", f"{base}/SimplifiedLayerNormalization", [rows, self.head_norm_weight(layer, part)],
                      self.io, heads, epsilon=self.s.epsilon, axis=-1, stash_type=1)
        return g.op("Reshape", f"{base}/Reshape_2", [normed, g.int64([0, -1, width])], self.io, self.hidden_shape(width))

    def sparse(self, layer: int, x: str) -> str:
        g, base = self.g, f"/model/layers.{layer}"
        mixed = self.experts(f"{base}/moe", x, self.router(layer, x))
        scaled = g.op("Mul", f"{base}/moe/Mul", [mixed, g.number(self.s.route_scale, self.io)], self.io, self.hidden_shape())
        if not self.s.shared_size:
            return scaled
        shared = self.mlp(f"{base}/shared_expert", x, self.s.shared_size)
        return g.op("Add", f"{base}/moe/Add", [scaled, shared], self.io, self.hidden_shape())

    def router(self, layer: int, x: str) -> str:
        """Logarithms of the chosen experts' sigmoid scores and -10000 elsewhere; the operator's softmax normalises them."""
        g, s, base = self.g, self.s, f"/model/layers.{layer}/moe/router"
        full, top = self.hidden_shape(s.experts), self.hidden_shape(s.top_k)
        logits = self.float_linear(f"{base}/MatMul", x, s.hidden, s.experts)
        scores = g.op("Sigmoid", f"{base}/Sigmoid", [logits], self.io, full)
        biased = g.op("Add", f"{base}/Add", [scores, self.selection_bias(layer, self.io)], self.io, full)
        chosen = [g.value(f"{base}/TopK/output_{i}", dtype, top) for i, dtype in enumerate((self.io, I64))]
        g.node("TopK", f"{base}/TopK", [biased, g.int64([s.top_k])], chosen, axis=-1, largest=1)
        logs = g.op("GatherElements", f"{base}/GatherElements", [logits, chosen[1]], self.io, top, axis=-1)
        for op, name in (("Neg", "Neg_1"), ("Softplus", "Softplus"), ("Neg", "Neg_2")):
            logs = g.op(op, f"{base}/{name}", [logs], self.io, top)
        size = g.op("Shape", f"{base}/Shape", [logits], I64, [len(SEQUENCE) + 1])
        low = g.op("Expand", f"{base}/Expand", [g.number(-10000.0, self.io), size], self.io, full)
        spread = g.op("ScatterElements", f"{base}/ScatterElements", [low, chosen[1], logs], self.io, full, axis=-1)
        return g.op("Reshape", f"{base}/Reshape", [spread, g.int64([-1, s.experts])], self.io, [ROWS, s.experts])
