"""Single-operator models of attention, rotary embeddings, recurrent states and convolutions: part of op_cases.all_cases()."""

import numpy as np

from op_cases import MS, both_types, case, normal, rope_tables


def with_opset(one, opset):
    """The case with another version of the default domain."""
    next(o for o in one.model.opset_import if o.domain == "").version = opset
    return one


def defined_rows(one, rows, shape):
    """The case with caches of a shape of which only so many rows of each sequence are defined."""
    mask = np.arange(shape[2])[None, None, :, None] >= np.array(rows)[:, None, None, None]
    one.undefined = {name: np.broadcast_to(mask, shape) for name in ("out1", "out2")}
    return one


def ints(*values):
    return np.array(values, np.int32)


# --- GroupQueryAttention --------------------------------------------------------------------------------------------------------------


def group_query(rng, dtype):
    def one(label, new, past, lengths=None, batch=1, heads=4, kv=2, size=16, packed=False, half=None, outputs=3, capacity=None, **extra):
        total = new + past if lengths is None else max(lengths)
        inputs = [normal(rng, dtype, batch, new, n * size) for n in (heads, kv, kv)]
        if packed:
            inputs = [np.concatenate(inputs, axis=2), None, None]
        rows = past if capacity is None else capacity
        inputs += [normal(rng, dtype, batch, kv, rows, size) if rows else None for _ in range(2)]
        inputs += [np.array(lengths or [total] * batch, np.int32) - 1, np.array(total, np.int32)]
        inputs += rope_tables(rng, dtype, 64, half) if half else (None, None)
        for name, shape in (("positions", None), ("bias", "bias"), ("sink", None)):
            value = extra.pop(name, None)
            inputs.append(value.astype(dtype) if value is not None and value.dtype.kind == "f" else value)
        constants = [i for i in (7, 8, 11) if i < len(inputs) and inputs[i] is not None]
        attributes = {"num_heads": heads, "kv_num_heads": kv, "do_rotary": int(half is not None), **extra}
        one = case(f"GroupQueryAttention-{label}", "GroupQueryAttention", inputs, outputs, constants=constants, domain=MS, **attributes)
        return defined_rows(one, lengths or [total] * batch, (batch, kv, max(rows, total), size)) if outputs != 1 else one

    yield one("batch-prompt", 5, 0, lengths=[5, 5, 5], batch=3, half=8)
    yield one("batch-decode", 1, 9, lengths=[10, 10], batch=2, half=8, packed=True)
    yield one("batch-decode-lengths", 1, 12, lengths=[9, 3, 12], batch=3, half=8)
    yield one("batch-decode-lengths-grow", 1, 8, lengths=[9, 3, 5], batch=3, half=8, sink=normal(rng, np.float32, 4))
    yield one("batch-bias", 1, 7, lengths=[8, 5], batch=2, bias=normal(rng, np.float32, 2, 4, 1, 8))
    yield one("one-output", 6, 0, outputs=1, half=8)
    yield one("capacity-prompt", 4, 0, capacity=9, half=8)
    yield one("capacity-decode", 1, 5, capacity=9, half=8, packed=True)
    yield one("capacity-full", 1, 8, capacity=9, local_window_size=3)
    yield one("capacity-chunk", 3, 5, capacity=20, half=8)
    yield one("partial-rotary", 5, 3, size=64, half=16)
    yield one("partial-rotary-interleaved", 5, 3, size=64, half=8, rotary_interleaved=1)
    yield one("positions", 1, 6, half=8, positions=np.array([[3]]))
    yield one("positions-batch", 1, 6, lengths=[7, 5], batch=2, half=8, positions=np.array([[3], [9]]))
    yield one("positions-prompt", 4, 0, half=8, positions=np.array([[7, 8, 9, 10]]))
    yield one("positions-chunk", 3, 5, half=8, positions=np.array([[5, 6, 6]]))
    for shape in ((1, 1), (1, 4)):
        yield one(f"bias-{shape[1]}", 5, 4, bias=normal(rng, np.float32, *shape, 5, 9), softcap=2.0)
    yield one("smooth", 5, 4, smooth_softmax=1)
    yield one("smooth-window", 1, 40, smooth_softmax=1, local_window_size=5)
    yield one("sink-softcap", 5, 4, sink=normal(rng, np.float32, 4), softcap=3.0)
    for size in (272, 512):
        yield one(f"size{size}", 3, 4, size=size, sink=normal(rng, np.float32, 4), local_window_size=4)
        yield one(f"size{size}", 1, 17, size=size, half=size // 2 // 8 * 8, bias=normal(rng, np.float32, 1, 1, 1, 18), softcap=4.0)
    for new, past in ((5, 0), (1, 20), (4, 6)):
        yield one(f"both-ways-{new}-{past}", new, past, causal=0, half=8, packed=True)
        yield one(f"both-ways-smooth-{new}-{past}", new, past, causal=0, smooth_softmax=1, softcap=2.0)
    yield one("both-ways-batch", 4, 0, lengths=[4, 2], batch=2, causal=0)
    for kind in (1, 2):
        for new, past in ((4, 0), (1, 8), (3, 5)):
            yield one(f"qk{kind}-{new}-{past}", new, past, outputs=4, qk_output=kind, half=8)
        yield one(f"qk{kind}-options", 5, 6, outputs=4, qk_output=kind, softcap=1.0, local_window_size=4,
                  bias=normal(rng, np.float32, 1, 4, 5, 11), smooth_softmax=1)
        yield one(f"qk{kind}-capacity", 1, 5, capacity=9, outputs=4, qk_output=kind)
        yield one(f"qk{kind}-both-ways", 4, 3, outputs=4, qk_output=kind, causal=0)
        yield one(f"qk{kind}-sink", 4, 3, outputs=4, qk_output=kind, sink=normal(rng, np.float32, 4))
    yield from shared_keys(rng, dtype)
    yield from windowed_cache(rng, dtype)


def shared_keys(rng, dtype):
    """Queries over a cache that another layer filled: key and value have no tokens."""
    for new, total in ((1, 7), (3, 7)):
        inputs = [normal(rng, dtype, 1, new, 64), *(normal(rng, dtype, 1, 0, 32) for _ in range(2)), *(normal(rng, dtype, 1, 2, 7, 16) for _ in range(2)),
                  ints(total - 1), np.array(total, np.int32), *rope_tables(rng, dtype, 64, 8)]
        yield case(f"GroupQueryAttention-shared-keys-{new}", "GroupQueryAttention", inputs, 3, constants=(7, 8), domain=MS, num_heads=4, kv_num_heads=2,
                   do_rotary=1)


def windowed_cache(rng, dtype):
    for window, capacity in ((4, 4), (4, 7), (1, 3), (8, 8)):
        for new, past in ((1, 2), (1, 6), (1, 7), (1, 8), (5, 0), (9, 0), (3, 4), (20, 0), (6, 13)):
            for rotary in (0, 1):
                total = new + past
                inputs = [normal(rng, dtype, 1, new, n * 16) for n in (4, 2, 2)] + [normal(rng, dtype, 1, 2, capacity, 16) for _ in range(2)]
                inputs += [ints(total - 1), np.array(total, np.int32), *(rope_tables(rng, dtype, 64, 8) if rotary else (None, None))]
                if not rotary:
                    inputs += [None, normal(rng, dtype, 1, 4, new, total)]
                one = case(f"GroupQueryAttention-windowed-{window}-{capacity}-{new}-{past}{'-rope' if rotary else ''}", "GroupQueryAttention", inputs, 3,
                           constants=(7, 8) if rotary else (), domain=MS, num_heads=4, kv_num_heads=2, do_rotary=rotary, local_window_size=window,
                           sliding_window_cache=1)
                block = capacity - window + 1
                resident = total if total <= capacity else total - block * -(-(total - capacity) // block)
                yield defined_rows(one, [resident], (1, 2, capacity, 16))


# --- MultiHeadAttention ---------------------------------------------------------------------------------------------------------------


def multi_head(rng, dtype):
    batch, new, heads, size = 2, 3, 2, 8

    def one(label, keys=5, value_size=8, past=0, bias=False, mask=None, scores=None, outputs=1, **extra):
        inputs = [normal(rng, dtype, batch, new, heads * size), normal(rng, dtype, batch, keys, heads * size),
                  normal(rng, dtype, batch, keys, heads * value_size), normal(rng, dtype, heads * (2 * size + value_size)) if bias else None,
                  mask, None if scores is None else normal(rng, dtype, *scores),
                  *([normal(rng, dtype, batch, heads, past, n) for n in (size, value_size)] if past else (None, None))]
        return case(f"MultiHeadAttention-{label}", "MultiHeadAttention", inputs, outputs, domain=MS, num_heads=heads, **extra)

    yield one("plain")
    yield one("one-key", keys=1)
    yield one("long", keys=70)
    yield one("bias", bias=True, outputs=3)
    yield one("values", value_size=20, bias=True, outputs=3)
    yield one("past", past=4, bias=True, outputs=3)
    yield one("scale", scale=0.3)
    yield one("causal", keys=3, unidirectional=1)
    yield one("causal-past", keys=3, past=20, outputs=3, unidirectional=1)
    for shape in ((2, 2, 3, 5), (1, 1, 3, 5), (1, 2, 3, 5), (2, 1, 3, 5)):
        yield one(f"scores-{shape[0]}-{shape[1]}", scores=shape)
    for label, mask in (("lengths", ints(3, 5)), ("runs", ints(3, 5, 0, 3, 6, 0, 5, 10)), ("rows", rng.integers(0, 2, (2, 5)) | [1, 0, 0, 0, 0]),
                        ("matrix", rng.integers(0, 2, (2, 3, 5)) | [1, 0, 0, 0, 0])):
        yield one(f"mask-{label}", mask=mask.astype(np.int32), scores=(1, 1, 3, 5))
    yield one("mask-past", past=4, mask=rng.integers(0, 2, (2, 9)).astype(np.int32) | ints(*[1] + 8 * [0]), outputs=3)
    yield one("mask-past-lengths", past=4, mask=ints(7, 9), outputs=3)
    yield one("mask-value", mask=ints(3, 5), mask_filter_value=-1.5)
    yield one("qk", keys=3, outputs=["out0", "", "", "out3"], scores=(1, 1, 3, 3))
    yield one("qk-past", past=2, outputs=4, mask=ints(7, 4), mask_filter_value=-3.0)
    for label, outputs in (("", 1), ("-present", 3)):
        cross = [normal(rng, dtype, batch, new, heads * size), *(normal(rng, dtype, batch, heads, 6, size) for _ in range(2))]
        yield case(f"MultiHeadAttention-cross{label}", "MultiHeadAttention", cross, outputs, domain=MS, num_heads=heads)
        yield case(f"MultiHeadAttention-cross-mask{label}", "MultiHeadAttention", [*cross, None, ints(2, 6)], outputs, domain=MS, num_heads=heads)
        yield case(f"MultiHeadAttention-cross-bias{label}", "MultiHeadAttention", [*cross, normal(rng, dtype, 3 * heads * size)], outputs, domain=MS,
                   num_heads=heads)
    yield from packed_multi_head(rng, dtype, batch, heads, size)


def plain_attention(q, k, v):
    """Float64 attention of (B, S, N, D) tensors; output (B, S, N * D)."""
    q, k, v = (np.swapaxes(x.astype(np.float64), 1, 2) for x in (q, k, v))
    scores = q @ np.swapaxes(k, 2, 3) / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    out = np.swapaxes(weights / weights.sum(-1, keepdims=True) @ v, 1, 2)
    return out.reshape(*out.shape[:2], -1)


def packed_multi_head(rng, dtype, batch, heads, size):
    """Packed layouts, which ONNX Runtime's CPU provider leaves out."""
    qkv, bias = normal(rng, dtype, batch, 5, heads, 3, size), normal(rng, dtype, 3 * heads * size)
    past = [normal(rng, dtype, batch, heads, 4, size) for _ in range(2)]
    for label, add, old in (("", False, False), ("-bias", True, False), ("-past", False, True), ("-past-bias", True, True)):
        parts = [(qkv[:, :, :, i].astype(np.float64) + (bias.reshape(3, heads, size)[i] if add else 0)) for i in range(3)]
        present = [np.concatenate([p, np.swapaxes(x, 1, 2)], 2) if old else np.swapaxes(x, 1, 2) for p, x in zip(past, parts[1:])]
        inputs = [qkv, None, None, bias if add else None, None, None, *(past if old else (None, None))]
        one = case(f"MultiHeadAttention-packed-qkv{label}", "MultiHeadAttention", inputs, 3, domain=MS, num_heads=heads)
        out = plain_attention(parts[0], *(np.swapaxes(p, 1, 2) for p in present))
        one.expected = {f"out{i}": a.astype(dtype) for i, a in enumerate((out, *present))}
        yield one
    query, kv = normal(rng, dtype, batch, 3, heads * size), normal(rng, dtype, batch, 5, heads, 2, size)
    one = case("MultiHeadAttention-packed-kv", "MultiHeadAttention", [query, kv], domain=MS, num_heads=heads)
    one.expected = {"out0": plain_attention(query.reshape(batch, 3, heads, size), kv[:, :, :, 0], kv[:, :, :, 1]).astype(dtype)}
    yield one


# --- ai.onnx Attention ----------------------------------------------------------------------------------------------------------------


def attention(rng, dtype):
    def one(label, heads=2, kv=None, new=3, keys=5, size=8, value_size=8, past=0, mask=None, flat=False, outputs=1, opset=23, **extra):
        kv = kv or heads
        def pack(count, tokens, width):
            x = normal(rng, dtype, 2, count, tokens, width)
            return np.swapaxes(x, 1, 2).reshape(2, tokens, count * width) if flat else x
        if flat:
            extra |= {"q_num_heads": heads, "kv_num_heads": kv}
        inputs = [pack(heads, new, size), pack(kv, keys, size), pack(kv, keys, value_size),
                  mask if mask is None or mask.dtype.kind == "b" else mask.astype(dtype)]
        if past:
            inputs += [normal(rng, dtype, 2, kv, past, size), normal(rng, dtype, 2, kv, past, value_size)]
        if "nonpad" in extra:
            inputs += [None, None, extra.pop("nonpad")]
        return with_opset(case(f"Attention-{opset}-{label}", "Attention", inputs, outputs, **extra), opset)

    for opset in (23, 24):
        for flat in (False, True):
            layout = "3d" if flat else "4d"
            more = {"opset": opset, "flat": flat}
            yield one(f"{layout}", **more)
            yield one(f"{layout}-values", value_size=20, outputs=3, **more)
            yield one(f"{layout}-groups", heads=6, kv=2, keys=33, **more)
            yield one(f"{layout}-past", heads=4, kv=2, past=7, outputs=3, **more)
            yield one(f"{layout}-causal", is_causal=1, new=5, **more)
            yield one(f"{layout}-causal-more-keys", is_causal=1, new=3, **more)
            yield one(f"{layout}-causal-past", is_causal=1, new=4, keys=4, past=20, heads=4, kv=1, outputs=3, **more)
            yield one(f"{layout}-decode", is_causal=1, new=1, keys=1, past=40, heads=4, kv=2, outputs=3, size=24, **more)
            yield one(f"{layout}-scale-softcap", scale=0.7, softcap=1.5, mask=rng.standard_normal((3, 5)), **more)
        for shape in ((3, 5), (1, 3, 5), (2, 3, 5), (1, 1, 3, 5), (2, 1, 3, 5), (1, 2, 3, 5), (2, 2, 3, 5)):
            name = "x".join(map(str, shape))
            yield one(f"mask-{name}", mask=rng.standard_normal(shape), opset=opset)
            yield one(f"mask-bool-{name}", mask=rng.random(shape) < 0.5, opset=opset, softcap=2.0)
        hidden = rng.random((3, 5)) < 0.5
        hidden[1] = False
        yield one("mask-hides-row", mask=hidden, opset=opset)
        yield one("mask-infinite", mask=np.where(hidden, 0.5, -np.inf), opset=opset)
        yield one("mask-causal", mask=rng.standard_normal((2, 1, 3, 5)), is_causal=1, opset=opset, heads=4, kv=2)
        for mode in range(4):
            yield one(f"qk{mode}", outputs=["out0", "", "", "out3"], qk_matmul_output_mode=mode, softcap=1.0, mask=rng.standard_normal((3, 5)), opset=opset)
            yield one(f"qk{mode}-present", outputs=4, qk_matmul_output_mode=mode, opset=opset, past=3, heads=4, kv=2)
        for precision in (1, 10, 16):
            yield one(f"precision-{precision}", softmax_precision=precision, opset=opset)
    for causal in (0, 1):
        for label, lengths in (("full", [5, 5]), ("short", [4, 2]), ("none", [0, 3])):
            yield one(f"nonpad-{label}-{causal}", nonpad=np.array(lengths), is_causal=causal, opset=24, heads=4, kv=2)
    yield one("nonpad-mask", nonpad=np.array([2, 4]), mask=rng.standard_normal((1, 1, 3, 5)), opset=24, outputs=["out0", "", "", "out3"],
              qk_matmul_output_mode=3)


# --- rotary embeddings and norms ------------------------------------------------------------------------------------------------------


def rotary(rng, dtype):
    batch, tokens, heads, size = 2, 3, 4, 16
    for interleaved in (0, 1):
        for flat in (False, True):
            x = normal(rng, dtype, batch, tokens, heads * size) if flat else normal(rng, dtype, batch, heads, tokens, size)
            kind = f"{'3d' if flat else '4d'}{'-interleaved' if interleaved else ''}"
            for half, partial in ((8, {}), (3, {"rotary_embedding_dim": 6})):
                cos, sin = rope_tables(rng, dtype, 20, half)
                more = {"interleaved": interleaved, "num_heads": heads, **partial}
                name = f"{kind}-{'partial' if partial else 'full'}"
                ids = rng.integers(0, 20, (batch, tokens))
                yield case(f"RotaryEmbedding-ms-{name}", "RotaryEmbedding", [x, ids, cos, sin], constants=(2, 3), domain=MS, **more)
                yield case(f"RotaryEmbedding-ms-{name}-offset", "RotaryEmbedding", [x, np.array([5]), cos, sin], constants=(2, 3), domain=MS, **more)
                yield with_opset(case(f"RotaryEmbedding-{name}", "RotaryEmbedding", [x, cos, sin, ids], constants=(1, 2), **more), 23)
                tables = [t[ids] for t in (cos, sin)]
                yield with_opset(case(f"RotaryEmbedding-{name}-no-ids", "RotaryEmbedding", [x, *tables], **more), 23)


def rms_norms(rng, dtype):
    x = normal(rng, dtype, 2, 3, 4, 5)
    for axis, shape in ((-1, (5,)), (3, (5,)), (2, (4, 5)), (1, (3, 4, 5)), (0, (2, 3, 4, 5)), (-2, (4, 5))):
        yield with_opset(case(f"RMSNormalization-{axis}", "RMSNormalization", [x, normal(rng, dtype, *shape)], axis=axis, epsilon=1e-3), 23)
    yield with_opset(case("RMSNormalization-defaults", "RMSNormalization", [x, normal(rng, dtype, 5)], stash_type=1), 23)


# --- states and convolutions ----------------------------------------------------------------------------------------------------------


def linear_attention(rng, dtype):
    def one(label, rule="gated_delta", tokens=5, heads=2, keys=2, states=2, size=8, value_size=12, past=True, key_decay=False, one_beta=False, **extra):
        batch = 2
        key = rng.standard_normal((batch, tokens, keys, size))
        key /= np.linalg.norm(key, axis=-1, keepdims=True)
        inputs = [normal(rng, dtype, batch, tokens, heads * size), key.reshape(batch, tokens, -1), normal(rng, dtype, batch, tokens, states * value_size),
                  normal(rng, dtype, batch, states, size, value_size) if past else None,
                  -np.abs(rng.standard_normal((batch, tokens, states * (size if key_decay else 1)))) if "gated" in rule else None,
                  rng.random((batch, tokens, 1 if one_beta else states)) if "delta" in rule else None]
        inputs = [i if i is None else i.astype(dtype) for i in inputs]
        return case(f"LinearAttention-{label}-{rule}", "LinearAttention", inputs, 2, domain=MS, q_num_heads=heads, kv_num_heads=states,
                    update_rule=rule, **extra)

    for rule in ("linear", "gated", "delta", "gated_delta"):
        for tokens in (1, 5, 40):
            yield one(f"{tokens}", rule, tokens)
        yield one("no-past", rule, past=False)
        yield one("groups", rule, heads=6, scale=0.4)
        yield one("inverse", rule, heads=1, keys=1, states=4)
        yield one("key-heads", rule, heads=4, keys=1, states=2)
        for size, value_size in ((1, 1), (16, 16), (17, 33), (128, 128)):
            yield one(f"{size}x{value_size}", rule, tokens=3, size=size, value_size=value_size)
    for rule in ("gated", "gated_delta"):
        yield one("key-decay", rule, key_decay=True)
        yield one("key-decay-groups", rule, key_decay=True, heads=4, size=20)
    yield one("one-beta", one_beta=True)
    yield one("one-beta", "delta", one_beta=True, heads=4)


def linear_gates(rng, dtype):
    for shape in ((1, 1, 1), (2, 3, 5), (1, 70, 32)):
        gates = [3 * normal(rng, np.float32, shape[-1]), -np.abs(normal(rng, np.float32, shape[-1]))]
        a, b = (4 * normal(rng, np.float32, *shape)).astype(dtype), normal(rng, dtype, *shape)
        name = "x".join(map(str, shape))
        yield case(f"LinearAttentionGate-{name}", "LinearAttentionGate", [a, *gates], domain=MS)
        yield case(f"LinearAttentionGate-{name}-beta", "LinearAttentionGate", [a, *gates, b], 2, domain=MS)
    for shape, size in (((2, 3, 8), 8), ((2, 3, 8), 4), ((5, 33), 33), ((1, 7, 256), 64), ((4,), 4), ((3, 6), 1)):
        for activation in ("silu", "swish", "sigmoid"):
            inputs = [normal(rng, dtype, *shape), normal(rng, dtype, size), normal(rng, dtype, *shape)]
            yield case(f"GatedRMSNorm-{'x'.join(map(str, shape))}-{size}-{activation}", "GatedRMSNorm", inputs, domain=MS, activation=activation)
    large = (200 * normal(rng, np.float32, 2, 64)).astype(dtype)
    yield case("GatedRMSNorm-large", "GatedRMSNorm", [large, normal(rng, dtype, 64), normal(rng, dtype, 2, 64)], domain=MS, epsilon=1e-6)


def causal_convolutions(rng, dtype):
    for length in (1, 2, 7, 40):
        for kernel, dilation in ((3, 2), (4, 1), (2, 5), (1, 3), (20, 1)):
            for last in (0, 1):
                shape = lambda n: (2, n, 3, 5) if last else (2, 15, n)  # noqa: E731, B023
                tail = (kernel - 1) * dilation
                inputs = [normal(rng, dtype, *shape(length)), normal(rng, dtype, 15, 1, kernel), normal(rng, dtype, 15),
                          normal(rng, dtype, *shape(tail)) if tail else None]
                yield case(f"CausalConvWithState-{length}-k{kernel}-d{dilation}{'-last' if last else ''}", "CausalConvWithState", inputs, 2,
                           constants=(1, 2), domain=MS, dilation=dilation, channels_last=last, activation="silu" if kernel == 3 else "none")
    yield case("CausalConvWithState-no-past", "CausalConvWithState", [normal(rng, dtype, 1, 4, 6), normal(rng, dtype, 4, 1, 3)], 2, constants=(1,), domain=MS)


def convolutions(rng, dtype):
    def one(label, x, w, bias=True, **extra):
        inputs = [normal(rng, dtype, *x), normal(rng, dtype, *w), normal(rng, dtype, w[0]) if bias else None]
        return case(f"Conv-{label}", "Conv", inputs, constants=(1, 2), **extra)

    for length in (1, 3, 33):
        yield one(f"depthwise-{length}", (2, 8, length), (8, 1, 3), bias=False, group=8, pads=[2, 0])
    yield one("defaults", (1, 3, 9), (5, 3, 4))
    yield one("groups", (2, 6, 20), (4, 3, 3), group=2, strides=[2], dilations=[3], pads=[1, 2])
    yield one("pointwise", (1, 16, 5), (8, 16, 1))
    yield one("2d", (2, 3, 8, 9), (4, 3, 3, 2), strides=[2, 1], pads=[1, 0, 1, 2])
    yield one("2d-depthwise", (1, 4, 6, 5), (8, 1, 3, 3), group=4, dilations=[1, 2])
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        yield one(f"{pad}", (1, 2, 10), (3, 2, 4), auto_pad=pad, strides=[3])
        yield one(f"2d-{pad}", (1, 2, 7, 10), (3, 2, 3, 4), auto_pad=pad, strides=[2, 3])


def attention_cases():
    for make in (group_query, multi_head, attention, rotary, rms_norms, linear_attention, linear_gates, causal_convolutions, convolutions):
        yield from both_types(make)
