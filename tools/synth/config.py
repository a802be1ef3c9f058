"""The genai_config.json of a model, in the form that onnxruntime-genai's builder writes."""

import json
from pathlib import Path

from synth.specs import Spec

GENAI_TYPES = ("gptoss", "lfm2_moe")  # onnxruntime-genai 0.18 refuses a type that it does not know; "decoder" is any such model


def write_genai_config(spec: Spec, folder: Path, sampling: dict | None = None) -> None:
    """`sampling` replaces defaults of the part that says how tokens are chosen."""
    model = {
        "bos_token_id": spec.bos,
        "context_length": spec.context,
        "decoder": decoder(spec),
        "eos_token_id": spec.eos,
        "pad_token_id": spec.pad,
        "type": spec.kind if spec.kind in GENAI_TYPES else "decoder",
        "vocab_size": spec.vocab,
    }
    (folder / "genai_config.json").write_text(json.dumps({"model": model, "search": {**search(spec), **(sampling or {})}}, indent=4))


def decoder(spec: Spec) -> dict:
    webgpu = {"enableGraphCapture": "0", "validationMode": "basic"}
    inputs = {"input_ids": "input_ids", "attention_mask": "attention_mask", "past_key_names": "past_key_values.%d.key",
              "past_value_names": "past_key_values.%d.value"}
    outputs = {"logits": "logits", "present_key_names": "present.%d.key", "present_value_names": "present.%d.value"}
    extra = {}
    if spec.conv_cache:
        inputs["past_conv_names"] = "past.%d.conv"
        outputs["present_conv_names"] = "present.%d.conv"
        kinds = ["full_attention" if spec.is_attention(i) else "conv" for i in range(spec.layers)]
        extra = {"layer_types": kinds, "conv_cache_size": spec.conv_cache}
    return {
        "session_options": {"log_id": "onnxruntime-genai", "provider_options": [{"webgpu": webgpu}]},
        "filename": "model.onnx",
        "head_size": spec.head_size,
        "hidden_size": spec.hidden,
        "inputs": inputs,
        "outputs": outputs,
        "num_attention_heads": spec.heads,
        "num_hidden_layers": spec.layers,
        "num_key_value_heads": spec.kv_heads,
        **extra,
    }


def search(spec: Spec) -> dict:
    return {
        "diversity_penalty": 0.0, "do_sample": False, "early_stopping": True, "length_penalty": 1.0, "max_length": spec.context,
        "min_length": 0, "no_repeat_ngram_size": 0, "num_beams": 1, "num_return_sequences": 1, "past_present_share_buffer": True,
        "repetition_penalty": 1.0, "temperature": 1.0, "top_k": 50, "top_p": 1.0,
    }
