"""What the attention and state operators do not take is refused by name: the message has the node and the limit."""

import subprocess

import numpy as np
import onnx
import pytest
from op_cases import MS, case, normal, rope_tables
from op_cases_attention import ints, with_opset
from command import BUILD, disabled

F32 = np.float32


def group_query(new=2, past=3, size=16, heads=4, kv=2, outputs=3, extra=(), total=None, lengths=None, tables=None, capacity=None, **attributes):
    rng = np.random.default_rng(1)
    total = new + past if total is None else total
    cache = [normal(rng, F32, 1, kv, past if capacity is None else capacity, size) for _ in range(2)]
    inputs = [*(normal(rng, F32, 1, new, n * size) for n in (heads, kv, kv)), *cache, ints(*(lengths or [total - 1])), np.array(total, np.int32),
              *(tables or (None, None)), *extra]
    return case("", "GroupQueryAttention", inputs, outputs, domain=MS, num_heads=heads, kv_num_heads=kv, **attributes)


def multi_head(shapes, masks=(), outputs=1, **attributes):
    rng = np.random.default_rng(2)
    inputs = [None if s is None else normal(rng, F32, *s) for s in shapes]
    return case("", "MultiHeadAttention", [*inputs, *masks], outputs, domain=MS, **{"num_heads": 2, **attributes})


def attention(mask=None, more=(), outputs=1, opset=24, shapes=((1, 2, 3, 8), (1, 2, 5, 8), (1, 2, 5, 8)), **attributes):
    rng = np.random.default_rng(3)
    return with_opset(case("", "Attention", [*(normal(rng, F32, *s) for s in shapes), mask, *more], outputs, **attributes), opset)


def rotary(shape=(1, 3, 32), ids=None, half=8, **attributes):
    rng = np.random.default_rng(4)
    return case("", "RotaryEmbedding", [normal(rng, F32, *shape), np.array([0]) if ids is None else ids, *rope_tables(rng, F32, 20, half)], domain=MS,
                **attributes)


def state_conv(shape=(1, 4, 5), kernel=(4, 1, 3), state=(1, 4, 2), **attributes):
    rng = np.random.default_rng(5)
    return case("", "CausalConvWithState", [normal(rng, F32, *shape), normal(rng, F32, *kernel), None, normal(rng, F32, *state)], 2, domain=MS, **attributes)


def linear(decay=True, beta=True, heads=2, states=2, key=16, **attributes):
    rng = np.random.default_rng(6)
    inputs = [normal(rng, F32, 1, 3, n) for n in (16, key, 12)]
    inputs += [None, normal(rng, F32, 1, 3, 2) if decay else None, normal(rng, F32, 1, 3, 2) if beta else None]
    return case("", "LinearAttention", inputs, 2, domain=MS, q_num_heads=heads, kv_num_heads=states, **attributes)


def ones(*shape):
    return np.ones(shape, F32)


REFUSALS = {
    "gqa-heads": (group_query(heads=3), "num_heads 3 is not a multiple of kv_num_heads 2"),
    "gqa-head-size": (group_query(size=12), "multiple of 8, got 12"),
    "gqa-window-both-ways": (group_query(causal=0, local_window_size=4), "local_window_size must be -1"),
    "gqa-window": (group_query(local_window_size=0), "local_window_size must be -1 or at least 1, got 0"),
    "gqa-qk-kind": (group_query(outputs=4, qk_output=3), "qk_output must be 0, 1 or 2, got 3"),
    "gqa-qk-absent": (group_query(qk_output=1), "qk_output is 1, but output 3 (output_qk) is absent"),
    "gqa-qk-unasked": (group_query(outputs=4), "qk_output is 0, but output 3 (output_qk) is wanted"),
    "gqa-k-scale": (group_query(extra=(None, None, None, ones(1), ones(1))), "k_scale"),
    "gqa-quantised": (group_query(k_quant_type="PER_TENSOR"), "k_quant_type must be NONE"),
    "gqa-bits": (group_query(kv_cache_bit_width=8), "kv_cache_bit_width must be 0, got 8"),
    "gqa-sink-smooth": (group_query(extra=(None, None, ones(4)), smooth_softmax=1), "head_sink and smooth_softmax exclude"),
    "gqa-softcap": (group_query(softcap=-1.0), "softcap must not be negative, got -1"),
    "gqa-one-norm": (group_query(extra=(*[None] * 5, ones(16))), "q_norm_weight and k_norm_weight must be given both"),
    "gqa-tables": (group_query(do_rotary=1), "do_rotary needs cos_cache"),
    "gqa-short-tables": (group_query(do_rotary=1, tables=(ones(4, 8), ones(4, 8))), "cos_cache has 4 rows for a total_sequence_length of 5"),
    "gqa-wide-tables": (group_query(do_rotary=1, tables=(ones(9, 9), ones(9, 9))), "1 to 8 columns"),
    "gqa-total": (group_query(total=9), "total_sequence_length is 9, past and new tokens make 5"),
    "gqa-lengths": (group_query(lengths=[5]), "seqlens_k must be 0 to 4, got 5"),
    "gqa-negative-length": (group_query(lengths=[-1]), "seqlens_k must be 0 to 4, got -1"),
    "gqa-bias": (group_query(extra=(None, ones(1, 3, 2, 5))), "attention_bias"),
    "gqa-windowed-short": (group_query(sliding_window_cache=1, local_window_size=4), "a cache of 3 rows is shorter than local_window_size 4"),
    "gqa-windowed-unbounded": (group_query(sliding_window_cache=1), "sliding_window_cache needs local_window_size"),
    "gqa-windowed-qk": (group_query(sliding_window_cache=1, local_window_size=2, outputs=4, qk_output=1), "output_qk is not supported"),
    "mha-shared-past": (multi_head([(1, 3, 16)] * 3, [None, None, None, ones(1, 2, 4, 8), ones(1, 2, 4, 8), ints(4)]), "past_sequence_length"),
    "mha-beams": (multi_head([(1, 3, 16)] * 3, [None] * 6 + [np.zeros((1, 1, 4), np.int32)]), "cache_indirection"),
    "mha-causal": (multi_head([(1, 3, 16), (1, 5, 16), (1, 5, 16)], unidirectional=1), "as many new keys as queries, got 5 and 3"),
    "mha-kv-bias": (multi_head([(1, 3, 16), (1, 5, 2, 2, 8), None, (48,)]), "bias is not supported with a packed key"),
    "mha-packed-and-key": (multi_head([(1, 3, 2, 3, 8), (1, 3, 16)]), "holds key and value too"),
    "mha-packed-query": (multi_head([(1, 3, 48)]), "needs a key"),
    "mha-cross-past": (multi_head([(1, 3, 16), (1, 2, 5, 8), (1, 2, 5, 8)], [None, None, None, ones(1, 2, 4, 8), ones(1, 2, 4, 8)]),
                       "not supported with a key of rank 4"),
    "mha-mask": (multi_head([(1, 3, 16)] * 3, [None, np.ones((1, 4), np.int32)]), "key_padding_mask must be [1, 3]"),
    "mha-bias-size": (multi_head([(1, 3, 16)] * 3 + [(40,)]), "bias must be [48]"),
    "mha-scores": (multi_head([(1, 3, 16)] * 3, [None, None, ones(1, 2, 3, 4)]), "attention_bias must broadcast"),
    "mha-heads": (multi_head([(1, 3, 16)] * 3, num_heads=3), "multiple of 3"),
    "attention-scale": (attention(scale=0.0), "scale must be above 0, got 0"),
    "attention-mode": (attention(outputs=4, qk_matmul_output_mode=4), "qk_matmul_output_mode must be 0 to 3, got 4"),
    "attention-double": (attention(softmax_precision=11), "softmax_precision must be 1, 10 or 16"),
    "attention-mask-type": (attention(np.ones((3, 5), np.int32)), "attn_mask"),
    "attention-mask": (attention(ones(4, 5)), "attn_mask must broadcast to [1, 2, 3, 5], got [4, 5]"),
    "attention-column": (attention(ones(3, 1)), "attn_mask must broadcast"),
    "attention-short-mask": (attention(ones(3, 4), opset=23), "attn_mask must broadcast"),
    "attention-nonpad-past": (attention(None, [ones(1, 2, 4, 8), ones(1, 2, 4, 8), np.array([5])]), "nonpad_kv_seqlen and past_key exclude"),
    "attention-nonpad-present": (attention(None, [None, None, np.array([5])], outputs=3), "nonpad_kv_seqlen and present outputs exclude"),
    "attention-nonpad-range": (attention(None, [None, None, np.array([6])]), "nonpad_kv_seqlen must be 0 to 5, got 6"),
    "attention-one-past": (attention(None, [ones(1, 2, 4, 8)]), "past_key and past_value must be given both"),
    "attention-heads": (attention(shapes=((1, 3, 3, 8), (1, 2, 5, 8), (1, 2, 5, 8))), "3 query heads are not a multiple of 2"),
    "attention-sizes": (attention(shapes=((1, 2, 3, 8), (1, 2, 5, 4), (1, 2, 5, 8))), "differ in head size"),
    "attention-lengths": (attention(shapes=((1, 2, 3, 8), (1, 2, 5, 8), (1, 2, 4, 8))), "differ in length"),
    "attention-ranks": (attention(shapes=((1, 3, 16), (1, 2, 5, 8), (1, 2, 5, 8))), "one rank, 3 or 4"),
    "rotary-packed": (rotary(is_packed_batching=1), "is_packed_batching must be 0, got 1"),
    "rotary-scale": (rotary(scale=2.0), "scale must be 1, got 2"),
    "rotary-partial": (rotary(half=4, rotary_embedding_dim=8), "needs num_heads"),
    "rotary-tables": (rotary(half=6, num_heads=2, rotary_embedding_dim=8), "rotary_embedding_dim 8"),
    "rotary-ids": (rotary(ids=np.array([[1, 2]])), "position_ids must be 1 or 3 integers, got 2"),
    "rotary-rank": (rotary(shape=(3, 32)), "rank 3 or 4"),
    "conv-state-2d": (state_conv((1, 4, 5, 5), (4, 1, 3, 3), (1, 4, 5, 2), ndim=2), "ndim must be 1"),
    "conv-state-window": (state_conv(state=(2, 1, 4, 2), state_window=2), "state_window must be 0"),
    "conv-state-activation": (state_conv(activation="relu"), 'activation "relu" is not supported'),
    "conv-state-dilation": (state_conv(dilation=2), "past_state must be [1, 4, 4], got [1, 4, 2]"),
    "conv-state-width": (state_conv(kernel=(4, 1, 65), state=(1, 4, 64)), "1 to 64 wide, got 65"),
    "linear-window": (linear(state_window=2), "state_window must be 0"),
    "linear-rule": (linear(update_rule="other"), 'update_rule "other" is not supported'),
    "linear-decay": (linear(decay=False), "update_rule gated_delta needs decay"),
    "linear-beta": (linear(beta=False, update_rule="delta"), "update_rule delta needs beta"),
    "linear-heads": (linear(heads=4, states=3), "do not divide each other"),
    "linear-key": (linear(key=12), "does not hold heads of 8"),
    "gate-beta": (case("", "LinearAttentionGate", [ones(1, 2, 3), ones(3), ones(3)], 2, domain=MS), "output beta needs input b"),
    "gate-bias": (case("", "LinearAttentionGate", [ones(1, 2, 3), ones(2), ones(3)], domain=MS), "dt_bias must be [3]"),
    "gated-norm-activation": (case("", "GatedRMSNorm", [ones(2, 8), ones(8), ones(2, 8)], domain=MS, activation="relu"), 'activation "relu"'),
    "gated-norm-scale": (case("", "GatedRMSNorm", [ones(2, 8), ones(3), ones(2, 8)], domain=MS), "not a multiple of scale's length 3"),
    "norm-stash": (with_opset(case("", "RMSNormalization", [ones(2, 8), ones(8)], stash_type=10), 23), "stash_type must be 1, got 10"),
    "norm-scale": (with_opset(case("", "RMSNormalization", [ones(2, 8), ones(1)]), 23), "weight must have 8 elements, got 1"),
    "norm-scale-axis": (with_opset(case("", "RMSNormalization", [ones(2, 3, 4), ones(4)], axis=1), 23), "scale must hold the 12 normalized elements"),
    "conv-3d": (case("", "Conv", [ones(1, 2, 3, 3, 3), ones(2, 2, 1, 1, 1)]), "1 or 2 spatial axes, got 3"),
    "conv-pad": (case("", "Conv", [ones(1, 2, 5), ones(2, 2, 3)], auto_pad="OTHER"), 'auto_pad "OTHER"'),
    "conv-kernel": (case("", "Conv", [ones(1, 2, 2), ones(2, 2, 3)]), "larger than the padded input"),
}


@pytest.fixture(scope="module")
def errors(request, tmp_path_factory):
    """{case: message} of the chosen cases, all run by one process."""
    root = tmp_path_factory.mktemp("refusals")
    chosen = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    lines = []
    for name in chosen:
        one, folder = REFUSALS[name][0], root / name
        (folder / "in").mkdir(parents=True)
        onnx.save(one.model, folder / "model.onnx")
        for feed, array in one.feeds.items():
            np.save(folder / "in" / f"{feed}.npy", array)
        lines.append(f"{folder / 'model.onnx'} {folder / 'in'} {folder / 'out'}\n")
    (root / "list").write_text("".join(lines))
    done = subprocess.run([BUILD / "run_graph", root / "list"], env=disabled(), capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    files = {name: root / name / "out/error.txt" for name in chosen}
    return {name: file.read_text() if file.exists() else "" for name, file in files.items()}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(name, errors):
    assert errors[name], "was accepted"
    assert REFUSALS[name][1] in errors[name], errors[name]
    assert f"test/{REFUSALS[name][0].model.graph.node[0].op_type}" in errors[name], errors[name]
