"""Cases of QMoE, MoE, MatMulNBits and GatherBlockQuantized beyond those of the exporters: every variant that ONNX Runtime's CPU provider
runs, ties in the router, and random combinations with fixed seeds."""

import numpy as np
import op_cases
from onnx import TensorProto, helper, numpy_helper
from op_cases import MS, case, normal, onnx_type, quantised

ACTIVATIONS = ("relu", "gelu", "silu", "identity", "swiglu")


def weights(rng, dtype, count, rows, columns, bits, block, points):
    """(weights, scales, zero points or None) of one projection of all experts; scales of either sign."""
    packed = 8 // bits
    blocks = columns // block if block else 1
    scales = (rng.choice([-1, 1], (count, rows, blocks)) * (0.2 + rng.random((count, rows, blocks))) * 2 / 2**bits / columns**0.5).astype(dtype)
    zeros = quantised(rng, count, rows, -(-blocks // packed)) if block else quantised(rng, count, -(-rows // packed))
    return quantised(rng, count, rows, columns // packed), scales if block else scales[..., 0], zeros if points else None


def qmoe(rng, dtype, name, tokens=3, hidden=64, inner=64, experts=8, k=2, bits=4, block=32, activation="swiglu", bias=True, points=False,
         given=False, normalize=1, logits=None, rank=2, **attributes):
    fused = 2 if activation == "swiglu" else 1
    fc1 = weights(rng, dtype, experts, fused * inner, hidden, bits, block, points)
    fc2 = weights(rng, dtype, experts, hidden, inner, bits, block, points)
    add = lambda n: normal(rng, dtype, experts, n) if bias else None  # noqa: E731
    x = normal(rng, dtype, *((tokens, hidden) if rank == 2 else (1, tokens, hidden)))
    router = np.asarray(normal(rng, dtype, tokens, experts) if logits is None else logits, dtype)
    inputs = [x, router, fc1[0], fc1[1], add(fused * inner), fc2[0], fc2[1], add(hidden), None, None, None, fc1[2], fc2[2], None,
              rng.random((tokens, experts)).astype(dtype) if given else None]
    if block:
        attributes["block_size"] = block
    if activation == "swiglu":
        attributes["swiglu_fusion"] = 1
    return case(name, "QMoE", inputs, constants=range(2, 14), domain=MS, k=k, activation_type=activation, expert_weight_bits=bits,
                normalize_routing_weights=normalize, **attributes)


def moe(rng, dtype, name, tokens=3, hidden=32, inner=48, experts=5, k=2, activation="swiglu", bias=True, normalize=1, logits=None, **attributes):
    fused = 2 if activation == "swiglu" else 1
    w1 = normal(rng, dtype, experts, fused * inner, hidden) / np.asarray(hidden**0.5, dtype)
    w2 = normal(rng, dtype, experts, hidden, inner) / np.asarray(inner**0.5, dtype)
    router = np.asarray(normal(rng, dtype, tokens, experts) if logits is None else logits, dtype)
    inputs = [normal(rng, dtype, tokens, hidden), router, w1, normal(rng, dtype, experts, fused * inner) if bias else None, w2,
              normal(rng, dtype, experts, hidden) if bias else None]
    if activation == "swiglu":
        attributes["swiglu_fusion"] = 1
    return case(name, "MoE", inputs, constants=range(2, 6), domain=MS, k=k, activation_type=activation, normalize_routing_weights=normalize,
                **attributes)


def variants(rng, dtype):
    for activation in ACTIVATIONS:
        for bits in (2, 4, 8):
            yield qmoe(rng, dtype, f"QMoE-{activation}-q{bits}", bits=bits, activation=activation)
        yield moe(rng, dtype, f"MoE-{activation}", activation=activation)
        yield moe(rng, dtype, f"MoE-{activation}-all", activation=activation, normalize=0)
    for bits in (2, 4, 8):
        for block in (0, 16, 32, 64, 128, 256):
            size = max(block, 64)
            yield qmoe(rng, dtype, f"QMoE-b{block}-q{bits}-zp", hidden=size, inner=size, experts=3, bits=bits, block=block, points=True)
        # 3 and 5 blocks in a row; rows that fill no whole byte of zero points.
        yield qmoe(rng, dtype, f"QMoE-odd-blocks-q{bits}", hidden=48, inner=80, bits=bits, block=16, points=True)
        yield qmoe(rng, dtype, f"QMoE-odd-rows-q{bits}", hidden=44, inner=52, experts=3, bits=bits, block=0, points=True, activation="silu")
    for experts, k in ((1, 1), (2, 2), (3, 1), (7, 7), (33, 5), (129, 8), (512, 10)):
        yield qmoe(rng, dtype, f"QMoE-e{experts}-k{k}", tokens=4, hidden=16, inner=16, experts=experts, k=k, block=16)
    for normalize in (0, 1):
        yield qmoe(rng, dtype, f"QMoE-given-{normalize}", given=True, normalize=normalize, tokens=9)
        yield qmoe(rng, dtype, f"QMoE-normalize-{normalize}", normalize=normalize, tokens=12, k=3)
    for limit in (0.0, 0.5, 7.0):
        yield qmoe(rng, dtype, f"QMoE-limit-{limit}", swiglu_limit=limit, activation_alpha=1.702, activation_beta=1.0)
    yield qmoe(rng, dtype, "QMoE-rank3", rank=3, tokens=5)
    yield qmoe(rng, dtype, "QMoE-accuracy-1", accuracy_level=1)
    yield qmoe(rng, dtype, "QMoE-no-tokens", tokens=0)


def routers(rng, dtype):
    """Equal logits, and logits that are no numbers: which experts the provider takes."""
    for experts, k in ((2, 1), (4, 2), (8, 3), (33, 8), (64, 63)):
        for levels in (1, 2, 4):
            logits = rng.integers(0, levels, (12, experts)) / 2
            yield qmoe(rng, dtype, f"QMoE-ties-e{experts}-k{k}-{levels}", 12, 16, 16, experts, k, block=16, logits=logits)
            yield moe(rng, dtype, f"MoE-ties-e{experts}-k{k}-{levels}", 12, 16, 16, experts, k, logits=logits)
    zeros = np.array([[0.0, -0.0, 0.0, -0.0], [-0.0, 0.0, -0.0, -0.0], [-1, -0.0, 0.0, -1]])
    yield qmoe(rng, dtype, "QMoE-signed-zeros", experts=4, k=1, logits=zeros)
    inf, nan = np.inf, np.nan
    special = np.array([[1, -inf, 2, -inf], [inf, 1, 2, 3], [inf, inf, 0, -inf], [-inf] * 4, [nan] * 4, [-inf, -inf, -inf, 3]])
    for k in (1, 2, 4):
        yield qmoe(rng, dtype, f"QMoE-no-numbers-k{k}", tokens=6, experts=4, k=k, logits=special)
        yield moe(rng, dtype, f"MoE-no-numbers-k{k}", tokens=6, experts=4, k=k, logits=special)
    negative = qmoe(rng, dtype, "QMoE-given-not-positive", given=True, normalize=0, k=4)
    negative.feeds["in14"][:, ::2] *= -1
    negative.feeds["in14"][0, 1] = 0
    yield negative


def random_experts(rng, dtype):
    for i in range(50):
        bits = int(rng.choice([2, 4, 8]))
        block = int(rng.choice([0, 0, 16, 32, 64]))
        step = block or 8 // bits
        hidden, inner = (step * int(rng.integers(1, 5 if block else 80 // step)) for _ in range(2))
        experts = int(rng.integers(1, 40))
        tokens = int(rng.choice([1, 2, 3, 8, 9, 33, 70]))
        swiglu = {"activation_alpha": float(rng.choice([1, 1.702])), "activation_beta": float(rng.choice([0, 1])),
                  "swiglu_limit": float(rng.choice([0.75, 7]))}
        activation = str(rng.choice(ACTIVATIONS))
        yield qmoe(rng, dtype, f"QMoE-random-{i}", tokens, hidden, inner, experts, int(rng.integers(1, min(experts, 8) + 1)), bits, block, activation,
                   bool(rng.integers(2)), bool(rng.integers(2)), bool(rng.integers(3) == 0), int(rng.integers(2)), rank=int(rng.integers(2, 4)),
                   **(swiglu if activation == "swiglu" else {}))
    for i in range(15):
        experts = int(rng.integers(1, 20))
        yield moe(rng, dtype, f"MoE-random-{i}", int(rng.choice([1, 5, 40])), int(rng.integers(1, 70)), int(rng.integers(1, 70)), experts,
                  int(rng.integers(1, min(experts, 6) + 1)), str(rng.choice(ACTIVATIONS)), bool(rng.integers(2)), int(rng.integers(2)))


def matmul_nbits(rng, dtype):
    def one(name, lead, inner, columns, block, bits, points, bias=False, flat=False, **attributes):
        blocks = -(-inner // block)
        scales = (rng.standard_normal((columns, blocks)) * 4 / 2**bits / inner**0.5).astype(dtype)
        zeros = {"": None, "packed": quantised(rng, columns, -(-blocks * bits // 8)),
                 "float": (rng.random((columns, blocks)) * 2**bits).astype(dtype)}[points]
        if flat:
            scales = scales.reshape(-1)
            zeros = None if zeros is None else zeros.reshape(-1)
        inputs = [normal(rng, dtype, *lead, inner), quantised(rng, columns, blocks, block * bits // 8), scales, zeros, None,
                  normal(rng, dtype, columns) if bias else None]
        return case(f"MatMulNBits-{name}", "MatMulNBits", inputs, constants=(1, 2, 3, 5), domain=MS, K=inner, N=columns, bits=bits, block_size=block,
                    **attributes)

    for bits in (2, 4, 8):
        for block in (16, 32, 64, 128, 256):
            for points in ("", "packed", "float") if bits != 8 else ("", "packed"):  # the provider lacks float ones of 8 bits
                yield one(f"q{bits}-b{block}-{points or 'none'}", (3,), 300, 19, block, bits, points)
        yield one(f"flat-q{bits}", (2,), 96, 7, 32, bits, "packed", flat=True)
    for lead in ((), (1,), (0,), (2, 3), (2, 1, 4), (1, 0, 5)):
        yield one(f"lead-{'x'.join(map(str, lead))}", lead, 64, 9, 32, 4, "")
    for level in range(4):
        yield one(f"accuracy-{level}", (4,), 64, 16, 32, 4, "packed", accuracy_level=level)
    for i in range(30):
        bits = int(rng.choice([2, 4, 8]))
        points = str(rng.choice(["", "packed", "float" if bits != 8 else "packed"]))
        yield one(f"random-{i}", (int(rng.integers(1, 40)),), int(rng.integers(1, 400)), int(rng.integers(1, 80)), 16 << int(rng.integers(5)), bits,
                  points, bool(rng.integers(2)))


def four_bit(values, signed, name):
    """An initializer of uint4 or int4 with the low four bits of `values`."""
    flat = values.reshape(-1) & 15
    flat = np.append(flat, np.zeros(flat.size % 2, flat.dtype)).astype(np.uint8)
    kind = TensorProto.INT4 if signed else TensorProto.UINT4
    return helper.make_tensor(name, kind, values.shape, (flat[::2] | flat[1::2] << 4).tobytes(), raw=True)


def gather_4bit(rng, dtype, shape, gather_axis, quantize_axis, block, signed, points, indices):
    scale_shape = [-(-n // block) if a == quantize_axis % len(shape) else n for a, n in enumerate(shape)]
    tensors = [four_bit(rng.integers(0, 16, shape), signed, "data"),
               numpy_helper.from_array(rng.standard_normal(scale_shape).astype(dtype), "scales")]
    if points:
        tensors.append(four_bit(rng.integers(0, 16, scale_shape), signed, "zero_points"))
    name = f"{'int4' if signed else 'uint4'}-{'x'.join(map(str, shape))}-g{gather_axis}-q{quantize_axis}-b{block}{'-zp' if points else ''}"
    node = helper.make_node("GatherBlockQuantized", ["data", "in0", "scales", "zero_points"][: 3 + points], ["out0"], "test/GatherBlockQuantized",
                            domain=MS, block_size=block, gather_axis=gather_axis, quantize_axis=quantize_axis)
    graph = helper.make_graph([node], "test", [helper.make_tensor_value_info("in0", onnx_type(indices), indices.shape)],
                              [helper.make_tensor_value_info("out0", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)
    return op_cases.Case(f"GatherBlockQuantized-{name}", model, {"in0": indices})


def gathers(rng, dtype):
    for shape, gather_axis, quantize_axis in (
            ((5, 33), 0, 1), ((33, 5), 0, 0), ((33, 5), 1, 0), ((33, 5), 1, 1), ((3, 4, 35), 1, 2), ((3, 35, 4), 2, 1), ((3, 35, 4), 1, 1),
            ((40, 3, 5), -1, -3), ((2, 3, 130, 2), -2, -1)):
        for signed in (False, True):
            for points in (False, True):
                size = shape[gather_axis]
                indices = rng.integers(-size - 2, size + 2, (2, 3)).astype(np.int32 if points else np.int64)
                yield gather_4bit(rng, dtype, shape, gather_axis, quantize_axis, 16 << int(rng.integers(3)), signed, points, indices)
    for bits in (2, 4, 8):
        for points in (False, True):
            for block, shape in ((16, (9, 7, 48)), (32, (9, 80)), (16, (3, 40)), (256, (3, 264))):
                blocks = -(-shape[-1] // block)
                lead = shape[:-1]
                indices = rng.integers(-shape[0] - 2, shape[0] + 2, (5,))
                inputs = [quantised(rng, *lead, shape[-1] * bits // 8), indices, normal(rng, dtype, *lead, blocks),
                          quantised(rng, *lead, -(-blocks * bits // 8)) if points else None]
                name = f"GatherBlockQuantized-q{bits}-{'x'.join(map(str, shape))}-b{block}{'-zp' if points else ''}"
                yield case(name, "GatherBlockQuantized", inputs, [("out0", onnx_type(inputs[2]))], constants=(0, 2, 3), domain=MS, bits=bits,
                           block_size=block, gather_axis=0, quantize_axis=-1)


def cases():
    for make in (variants, random_experts, matmul_nbits, gathers):
        yield from op_cases.both_types(make)
    yield from routers(np.random.default_rng(15), np.float32)
