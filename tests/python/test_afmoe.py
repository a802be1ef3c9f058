"""tools/export_afmoe.py: its graph has the published export's operators, its models compute what transformers' AfmoeForCausalLM computes.

The models tests/models/afmoe-* hold transformers' results (transformers.npz, made by make_models.py). Exported again from their own
weights they must come out the same, byte for byte: so the exporter of today writes what those results vouch for. test_models.py compares
them with ONNX Runtime.
"""

import json
import subprocess
import sys

import afmoe
import numpy as np
import pytest
from command import MODELS, ROOT, disabled, succeed

sys.path.append(str(ROOT / "tools"))
import export_afmoe  # noqa: E402
from afmoe_export import ExportError  # noqa: E402
from afmoe_export.config import read_spec  # noqa: E402
from afmoe_export.weights import quantise  # noqa: E402
from synth.data import NoData  # noqa: E402
from synth.specs import SPECS  # noqa: E402

# Options of each model's export, as make_models.py has them, and the largest difference from transformers in standard deviations of the
# logits: computed in float32 only the order of sums differs; the third model's rotary tables and constants are rounded to float16.
STORAGE = {
    "afmoe-float": (dict(int4=False, io_dtype="float32"), 1e-4),
    "afmoe-int4": (dict(int4_values=2, io_dtype="float32"), 1e-4),
    "afmoe-webgpu": (dict(int4_values=2, block_size=64), 4e-3),
}
TRINITY_NANO = dict(
    model_type="afmoe", hidden_size=1024, num_hidden_layers=56, num_attention_heads=8, num_key_value_heads=2, head_dim=128,
    intermediate_size=3072, moe_intermediate_size=256, num_dense_layers=2, num_experts=128, num_experts_per_tok=8, num_shared_experts=1,
    vocab_size=200192, max_position_embeddings=131072, rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None, route_scale=2.826,
    route_norm=True, score_func="sigmoid", n_group=1, topk_group=1, mup_enabled=True, sliding_window=2048, global_attn_every_n_layers=4,
    tie_word_embeddings=False, attention_bias=False, hidden_act="silu", bos_token_id=0, eos_token_id=3, pad_token_id=12,
)
# Counts in the profile of the published Trinity-Nano export (onnxruntime pull request 27560), a thirteenth each: it sums 13 passes.
PUBLISHED = dict(
    QMoE=54, Add=220, SimplifiedLayerNormalization=336, MatMulNBits=400, GroupQueryAttention=56, Mul=223, Reshape=278, Sigmoid=166, MatMul=103,
    TopK=54, Neg=108, Expand=54, ScatterElements=54, GatherElements=54, Softplus=54, GatherBlockQuantized=1, Shape=55,
    SkipSimplifiedLayerNormalization=1, Cast=2, ReduceSum=1, Sub=1, Gather=1,
)
PUBLISHED_NODES = [
    "/model/layers.2/moe/MoE_Quant", "/model/layers.20/moe/router/TopK", "/model/layers.55/moe/router/TopK",
    "/model/attn_mask_reformat/attn_mask_subgraph/Sub/Cast", "/model/attn_mask_reformat/attn_mask_subgraph/Gather/Cast",
]


def write_config(folder, values):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def checkpoint(name, folder, change=None, **options):
    """A Hugging Face folder of a stored model: its configuration and its weights, which `change` may edit."""
    write_config(folder, json.loads((MODELS / name / "config.json").read_text()))
    state = afmoe.state_dict(MODELS / name / "model.onnx")
    if change:
        change(state)
    afmoe.write_safetensors(folder / "model.safetensors", state, **options)
    return folder


def export(source, out, **storage):
    export_afmoe.export(source, out, read_spec(source, storage))
    return {name: (out / name).read_bytes() for name in export_afmoe.WRITTEN}


def stored(name):
    return {file: (MODELS / name / file).read_bytes() for file in export_afmoe.WRITTEN}


def command(*arguments):
    return subprocess.run([sys.executable, ROOT / "tools/export_afmoe.py", *map(str, arguments)], capture_output=True, text=True)


def run_as_transformers(folder, expected, tmp_path):
    """Runs the model on the prompt; returns each position's largest difference, in standard deviations of the logits, and the new tokens."""
    result = succeed("run", folder, "--prompt-ids", ",".join(map(str, expected["prompt"])), "--greedy", "--output", "ids", "-q",
                     "--logits", tmp_path / "logits.npy", "--max-tokens", len(expected["ids"]), env=disabled("f16,dot4i8"))
    logits = expected["logits"]
    return np.abs(np.load(tmp_path / "logits.npy") - logits).max(axis=-1) / logits.std(), result.ids


@pytest.mark.parametrize("name", STORAGE)
def test_transformers_logits_and_greedy_text(name, tmp_path):
    expected, tolerance = np.load(MODELS / name / "transformers.npz"), STORAGE[name][1]
    worst, ids = run_as_transformers(MODELS / name, expected, tmp_path)
    assert worst.max() < tolerance, f"position {worst.argmax()} is off by {worst.max():.2e} standard deviations"
    assert expected["gaps"].min() > 4 * tolerance * expected["logits"].std(), "a near tie: choose another seed"
    assert ids == expected["ids"].tolist()


@pytest.mark.parametrize("name, storage", [("afmoe-float", dict(int4=False)), ("afmoe-int4", dict(int4_values=2))])
def test_transformers_logits_in_float16(name, storage, tmp_path):
    """The same weights in another storage: float16 throughout; 4 bits with float16 scales."""
    export(checkpoint(name, tmp_path / "hf"), tmp_path / "out", **storage)
    worst, _ = run_as_transformers(tmp_path / "out", np.load(MODELS / name / "transformers.npz"), tmp_path)
    assert worst.max() < 0.03, f"position {worst.argmax()} is off by {worst.max():.2e} standard deviations"


@pytest.mark.parametrize("name", STORAGE)
def test_export_of_its_own_weights(name, tmp_path):
    """Packed experts, one file."""
    source = checkpoint(name, tmp_path / "hf")
    assert export(source, tmp_path / "out", **STORAGE[name][0]) == stored(name)


@pytest.mark.parametrize("name", STORAGE)
def test_single_experts_in_several_files(name, tmp_path):
    source = write_config(tmp_path / "hf", json.loads((MODELS / name / "config.json").read_text()))
    tensors = dict(afmoe.split_experts(afmoe.state_dict(MODELS / name / "model.onnx")))
    files = {tensor: f"model-0000{i % 2 + 1}-of-00002.safetensors" for i, tensor in enumerate(tensors)}
    for file in set(files.values()):
        afmoe.write_safetensors(source / file, {t: v for t, v in tensors.items() if files[t] == file})
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    assert export(source, tmp_path / "out", **STORAGE[name][0]) == stored(name)


@pytest.mark.parametrize("dtype, kept_bits", [("BF16", 0xFFFF0000), ("F16", 0xFFFFE000)])
def test_half_precision_checkpoints(dtype, kept_bits, tmp_path):
    """Read exactly: the same model as from float32 tensors of the same values."""
    def shorten(state):
        for name, value in state.items():
            short = (np.ascontiguousarray(value).view(np.uint32) & np.uint32(kept_bits)).view(np.float32)
            state[name] = short.astype(np.float16).astype(np.float32) if dtype == "F16" else short

    wide, short = (checkpoint("afmoe-float", tmp_path / d, shorten, dtype=d) for d in ("F32", dtype))
    assert export(short, tmp_path / "a", int4=False, io_dtype="float32") == export(wide, tmp_path / "b", int4=False, io_dtype="float32")


@pytest.mark.parametrize("io_dtype", ["float16", "float32"])
@pytest.mark.parametrize("block, columns", [(32, 64), (32, 40), (64, 64), (128, 200)])
def test_int4_numbers_are_the_nearest(block, columns, io_dtype):
    rows = np.random.default_rng(columns).standard_normal((7, columns)).astype(np.float32)
    rows[3, :block] = 0
    packed, scales = quantise(rows, block, np.dtype(io_dtype))
    blocks = -(-columns // block)
    assert packed.shape == (7, blocks, block // 2) and scales.shape == (7, blocks) and scales.dtype == io_dtype
    steps = np.abs(np.repeat(scales, block, axis=1)[:, :columns].astype(np.float32))
    reach = np.where(np.abs(rows) > 7.5 * steps, 1.001, 0.501) * steps  # there is -8 but no 8
    assert (np.abs(afmoe.dequantise(packed, scales, columns) - rows) <= reach).all()
    extremes = np.abs(np.pad(rows, [(0, 0), (0, blocks * block - columns)]).reshape(7, blocks, block)).max(axis=-1)
    assert np.allclose(np.abs(scales.astype(np.float32)) * 8, extremes, rtol=1e-3)


def test_operators_of_the_published_export(tmp_path):
    source = write_config(tmp_path / "hf", TRINITY_NANO)
    spec = read_spec(source, {})
    assert spec == SPECS["trinity-nano"]
    graph = export_afmoe.build_graph(spec, NoData())
    assert graph.operators() == PUBLISHED
    assert graph.node_names().issuperset(PUBLISHED_NODES)
    printed = command(source, "--counts").stdout.split("\n")
    assert {line.split()[1]: int(line.split()[0]) for line in printed if line} == PUBLISHED


def test_float_graph_of_the_published_sizes(tmp_path):
    graph = export_afmoe.build_graph(read_spec(write_config(tmp_path / "hf", TRINITY_NANO), dict(int4=False)), NoData())
    moved = {"QMoE": 0, "MoE": 54, "MatMulNBits": 0, "MatMul": 503, "GatherBlockQuantized": 0, "Gather": 2}
    assert graph.operators() == {op: count for op, count in {**PUBLISHED, **moved}.items() if count}


def test_without_shared_experts(tmp_path):
    graph = export_afmoe.build_graph(read_spec(write_config(tmp_path / "hf", {**TRINITY_NANO, "num_shared_experts": 0}), {}), NoData())
    assert graph.operators()["Add"] == PUBLISHED["Add"] - 54 and not any("shared_expert" in name for name in graph.node_names())


def test_tokens_and_sampling(tmp_path):
    """generation_config.json comes before config.json, and the tokenizer's end of a turn is added."""
    source = checkpoint("afmoe-float", tmp_path / "hf")
    (source / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 8], "bos_token_id": 5, "temperature": 0.5, "top_k": 9, "do_sample": True}))
    (source / "tokenizer.json").write_text(json.dumps({"added_tokens": [{"id": 3, "content": "<a>"}, {"id": 4, "content": "<b>"}]}))
    (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "<b>"}}))
    genai = json.loads(export(source, tmp_path / "out", int4=False, io_dtype="float32")["genai_config.json"])
    assert (genai["model"]["eos_token_id"], genai["model"]["bos_token_id"], genai["model"]["pad_token_id"]) == ([7, 8, 4], 5, 0)
    assert (genai["search"]["temperature"], genai["search"]["top_k"], genai["search"]["do_sample"]) == (0.5, 9, True)
    assert (tmp_path / "out/tokenizer.json").exists()


REFUSED = [
    ("model_type", "llama"), ("hidden_act", "gelu"), ("attention_bias", True), ("quantization_config", {"quant_method": "fp8"}),
    ("score_func", "softmax"), ("route_norm", False), ("n_group", 4), ("topk_group", 2), ("num_limited_groups", 2),
    ("rope_scaling", {"rope_type": "yarn", "factor": 4.0}), ("rope_parameters", {"rope_type": "linear", "factor": 2.0}),
    ("rope_parameters", {"sliding_attention": {"rope_theta": 1e4}}), ("partial_rotary_factor", 0.5), ("layer_types", ["full_attention"]),
    ("layer_types", ["chunked_attention"] * 56), ("sliding_window", None), ("num_key_value_heads", 3), ("head_dim", 40), ("head_dim", None),
    ("num_experts_per_tok", 129), ("num_experts", 0), ("hidden_size", 1000), ("moe_intermediate_size", 250), ("vocab_size", "many"),
    ("rms_norm_eps", -1), ("rope_theta", 0), ("route_scale", True), ("mup_enabled", 2), ("eos_token_id", None), ("eos_token_id", []),
    ("num_hidden_layers", 0), ("num_dense_layers", None),
]


@pytest.mark.parametrize("key, value", REFUSED)
def test_refused_by_the_name_of_the_key(key, value, tmp_path):
    with pytest.raises(ExportError, match=rf"config\.json.*{key}"):
        read_spec(write_config(tmp_path / "hf", {**TRINITY_NANO, key: value}), {})


def drop(name):
    return lambda state: state.pop(name)


def put(name, value):
    def change(state):
        with np.errstate(invalid="ignore"):
            state[name] = value if isinstance(value, np.ndarray) else state[name] * np.float32(value)
    return change


Q, DOWN = "model.layers.1.self_attn.q_proj.weight", "model.layers.3.mlp.experts.down_proj"
WRONG_WEIGHTS = [
    (drop("model.layers.2.mlp.expert_bias"), "model.layers.2.mlp.expert_bias of shape [8] is missing"),
    (drop(DOWN), "model.layers.3.mlp.experts.0.down_proj.weight of shape [64, 32] is missing"),
    (drop("lm_head.weight"), "lm_head.weight of shape [328, 64] is missing"),
    (put("model.norm.weight", np.ones(31, np.float32)), "model.norm.weight has the shape [31]; by config.json it should be [64]"),
    (put(Q, np.nan), "model.layers.1.attn.q_proj.MatMul.weight: a weight or scale is not a finite number"),
    (put(DOWN, np.inf), "model.layers.3.moe.experts.down_proj: a weight or scale is not a finite number"),
    (put("model.layers.3.self_attn.v_proj.weight", 1e7), "model.layers.3.attn.v_proj.MatMul.weight: a weight or scale is beyond float16's range"),
    (put(Q, 1e8), "model.layers.1.attn.q_proj.MatMul.weight: a weight or scale is beyond float16's range"),
]


def assert_refused(source, out, message):
    """By name, and no model is left that could be run."""
    result = command(source, out, "--int4-values", 2)
    assert result.returncode == 1 and message in result.stderr and "Traceback" not in result.stderr, result.stderr
    assert not (out / "model.onnx").exists() and not (out / "genai_config.json").exists()


@pytest.mark.parametrize("change, message", WRONG_WEIGHTS, ids=[message.split(" (")[0][:60] for _, message in WRONG_WEIGHTS])
def test_wrong_weights(change, message, tmp_path):
    assert_refused(checkpoint("afmoe-int4", tmp_path / "hf", change), tmp_path / "out", message)


def test_a_failed_export_leaves_no_old_model(tmp_path):
    export(checkpoint("afmoe-int4", tmp_path / "good"), tmp_path / "out", **STORAGE["afmoe-int4"][0])
    assert_refused(checkpoint("afmoe-int4", tmp_path / "bad", put(Q, np.nan)), tmp_path / "out", "not a finite number")


def edit_header(edit):
    """Damages model.safetensors: `edit` gets its header as an object and changes it."""
    def damage(file):
        data = file.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        text = json.dumps(edit(header) or header).encode()
        file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    return damage


DAMAGED_FILES = {
    "no file": (lambda f: f.unlink(), "holds no *.safetensors file"),
    "empty": (lambda f: f.write_bytes(b""), "is not a safetensors file"),
    "header cut short": (lambda f: f.write_bytes(f.read_bytes()[:100]), "is not a safetensors file, or cut short"),
    "data cut short": (lambda f: f.write_bytes(f.read_bytes()[:-1]), "is damaged, or the file is cut short"),
    "header of nonsense": (lambda f: f.write_bytes((8).to_bytes(8, "little") + b"nonsense"), "the header is not a JSON object"),
    "header is a list": (edit_header(lambda h: [1]), "the header is not a JSON object"),
    "integers": (edit_header(lambda h: h[Q].update(dtype="I32")), f"tensor {Q} holds I32; only F32, F16, BF16"),
    "fewer bytes": (edit_header(lambda h: h[Q].update(dtype="BF16")), f"tensor {Q} has 16384 bytes; BF16 of shape [64, 64] needs 8192"),
    "negative offset": (edit_header(lambda h: h[Q].update(data_offsets=[-4, 4])), f"entry of tensor {Q} is damaged"),
    "no shape": (edit_header(lambda h: h[Q].pop("shape") and None), f"entry of tensor {Q} is damaged"),
    "same tensor twice": (lambda f: (f.parent / "other.safetensors").write_bytes(f.read_bytes()), "is in another file, too"),
    "index of a missing file": (lambda f: (f.parent / "model.safetensors.index.json").write_text('{"weight_map": {"a": "b.safetensors"}}'),
                                "b.safetensors: No such file"),
    "index of a missing tensor": (lambda f: (f.parent / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model.safetensors"}}'),
                                  "tensor a is missing; model.safetensors.index.json says it is here"),
    "index of another folder": (lambda f: (f.parent / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b.safetensors"}}'),
                                "weight_map must give a file name of this folder"),
    "no configuration": (lambda f: (f.parent / "config.json").unlink(), "config.json: No such file"),
    "configuration of nonsense": (lambda f: (f.parent / "config.json").write_text("{"), "config.json is not JSON"),
}


@pytest.mark.parametrize("case", DAMAGED_FILES)
def test_damaged_files(case, tmp_path):
    damage, message = DAMAGED_FILES[case]
    source = checkpoint("afmoe-int4", tmp_path / "hf")
    damage(source / "model.safetensors")
    assert_refused(source, tmp_path / "out", message)


def test_what_the_model_has_no_use_for_is_named(tmp_path):
    source = checkpoint("afmoe-int4", tmp_path / "hf", put("model.layers.9.extra.weight", np.ones(3, np.float32)))
    result = command(source, tmp_path / "out")
    assert result.returncode == 0 and "no use for 1 tensors: model.layers.9.extra.weight" in result.stderr


@pytest.mark.parametrize("arguments, message", [
    ([], "OUT_DIR is missing"), (["SOURCE"], "OUT_DIR must be another folder"), (["out", "--precision", "f16", "--io-dtype", "float32"], "--io-dtype float16"),
    (["out", "--block-size", "16"], "--block-size"), (["out", "--int4-values", "-1"], "--int4-values must be 0 or more"),
])
def test_wrong_usage(arguments, message, tmp_path):
    result = command(tmp_path, *(tmp_path if a == "SOURCE" else a for a in arguments))
    assert result.returncode == 2 and message in result.stderr


def test_help():
    assert "--precision" in command("--help").stdout
