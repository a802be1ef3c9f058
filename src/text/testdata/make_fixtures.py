"""Makes the files beside it: two small tokenizers, and what Python makes of the test cases.

Run with tokenizers 0.23 and transformers 5 installed: python make_fixtures.py
"""

import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
CORPUS = [
    "The river runs to the mill, and the sluice lets through what the wheel can use.",
    "Water that nobody needs goes round; water that is needed goes through the gate.",
    "def main():\n    for gate in gates:\n        print(gate.name, gate.level)\n",
    "Die Mühle läuft, solange das Wasser fließt. L'eau coule, l'été comme l'hiver.",
    "水は低きに流れる。 Вода течёт. 12345 67890 3.14",
]
TEXTS = [
    "",
    "The river runs.",
    " leading space",
    "two  spaces   and\ttabs\n\nlines ",
    "emoji 😀👩‍👩‍👧 flags 🇫🇷 and ☃",
    "Mühle été 水は Вода",
    "<|im_start|>user\nHi<|im_end|>",
    "a <think>b</think> c",
    "nul \0 and \u200b and \ufffd end",
]


# Looks ahead (\s+(?!\S)), as the patterns of most byte-level models do.
REGEX = Regex(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(REGEX, "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(["<|bos|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<think>"), AddedToken("</think>")])
    bos = tokenizer.token_to_id("<|bos|>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<|bos|> $A", special_tokens=[("<|bos|>", bos)])
    # Left over from training in many real files; a reader must ignore both.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_token="<|im_end|>", pad_id=tokenizer.token_to_id("<|im_end|>"))
    return tokenizer


def byte_fallback():
    words = Tokenizer(models.BPE())
    words.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    words.train_from_iterator(CORPUS[:2], trainers.BpeTrainer(vocab_size=120, show_progress=False))
    trained = json.loads(words.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + list(trained["vocab"])
    merges = [tuple(pair) for pair in trained["merges"]]
    vocab = {token: i for i, token in enumerate(tokens)}
    model = models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = words.normalizer
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def save(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def make_tokenizers():
    cases = []
    for name, tokenizer in (("byte_level", byte_level()), ("byte_fallback", byte_fallback())):
        (HERE / f"{name}.json").write_text(tokenizer.to_str(pretty=False) + "\n", encoding="utf-8")
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for text in TEXTS:
            ids = tokenizer.encode(text).ids
            cases.append({
                "tokenizer": name, "text": text, "ids": ids,
                "ids_plain": tokenizer.encode(text, add_special_tokens=False).ids,
                "decoded": tokenizer.decode(ids),
                "decoded_special": tokenizer.decode(ids, skip_special_tokens=False),
            })
    save("tokenizer_cases.json", cases)


TOOLS = [{"type": "function", "function": {
    "name": "open_gate", "description": "Opens a gate <slowly> & says \"é\"",
    "parameters": {"type": "object", "required": ["gate"], "properties": {
        "gate": {"type": "string", "description": "Which one", "enum": ["north", "south"]},
        "width": {"type": "number", "default": 1e-05},
        "now": {"type": "boolean", "default": True},
        "steps": {"type": "array", "items": {"type": "integer"}},
        "who": {"type": ["string", "null"], "default": None},
    }}}}]
CALL = {"type": "function", "function": {
    "name": "open_gate", "arguments": {"gate": "north", "width": 0.5, "now": True, "note": "é \"<\"", "who": None}}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


SYSTEM = {"role": "system", "content": "Be brief & <kind>."}
THOUGHT = "<think>\nhm\n</think>\n\nYes"
CONVERSATIONS = {
    "one": ([user("Hello ☃")], True, {}),
    "system": ([SYSTEM, user(" Hi "), assistant("Yes\n"), user("Again")], True, {}),
    "no_prompt": ([user("q"), assistant(THOUGHT), user("q2"), assistant(THOUGHT)], False, {}),
    "reasoning": ([user("q"), assistant("a", reasoning_content="deep")], False, {}),
    "no_thinking": ([user("q")], True, {"enable_thinking": False, "reasoning_effort": "high"}),
}
TOOL_CONVERSATIONS = {
    "tools": ([SYSTEM, user("Open it")], True, {"tools": TOOLS}),
    "tool_call": ([user("Open it"), assistant("", tool_calls=[CALL], reasoning_content="which"),
                   {"role": "tool", "content": "done"}], True, {"tools": TOOLS}),
}
PARTS = {"parts": ([user([{"type": "text", "text": "see"}, {"type": "image"}, {"type": "x", "n": 1}])], True, {})}
FEATURES = {"all": ([user("last")], True, {
    "value": {"b": 1, "a": [True, None, 0.5, 1e-05, "x'y\n"], "n": {"k": "é"}},
    "values": [1, "two", None, 3.0, {"k": "v"}],
    "people": [{"name": "Ann", "age": 40}, {"name": "Bo", "age": 20}, {"name": "Cy", "age": 0}],
})}
PLAN = {
    "chatml": CONVERSATIONS,
    "mistral": CONVERSATIONS,
    "llama3": CONVERSATIONS | TOOL_CONVERSATIONS,
    "qwen3": CONVERSATIONS | TOOL_CONVERSATIONS,
    "gpt_oss": CONVERSATIONS | TOOL_CONVERSATIONS,
    "lfm2": CONVERSATIONS | PARTS | {"tools": TOOL_CONVERSATIONS["tools"]},
    "features": FEATURES,
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class FixedClock:
    """strftime_now prints its own format: the test puts today's date there."""

    @staticmethod
    def now():
        return FixedClock()

    def strftime(self, text):
        return f"@{text}@"


def make_chats():
    chat_template_utils.datetime = FixedClock
    cases = []
    for template, conversations in PLAN.items():
        text = (HERE / "templates" / f"{template}.jinja").read_text(encoding="utf-8")
        for name, (messages, prompt, extra) in conversations.items():
            given = {"tools": None} | extra
            rendered, _ = chat_template_utils.render_jinja_template(
                [messages], chat_template=text, add_generation_prompt=prompt, **given, **TOKENS)
            cases.append({"template": template, "name": name, "messages": messages, "add_generation_prompt": prompt,
                          "extra": extra, "tokens": TOKENS, "expected": rendered[0]})
    save("chat_cases.json", cases)


if __name__ == "__main__":
    make_tokenizers()
    make_chats()
