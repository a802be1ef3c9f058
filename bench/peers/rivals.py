"""Language models on other runtimes: each class runs greedy generation the way that runtime's users do.

All offer the same: start() forgets everything, prompt(ids) runs a prompt and waits for it, first() is the most probable token after
it, decode(token, count) the tokens that follow that one, which it waits for, too; logits(ids) are those after a prompt, in float32.
"""

import json
from pathlib import Path

import numpy as np

FLOATS = {"tensor(float16)": np.float16, "tensor(float)": np.float32}


class BoundSession:
    """onnxruntime with IO binding: KV cache and logits in the provider's memory, past and present one buffer.

    The next token is chosen on the host, from one row of logits. With `capture` a token's dispatches are captured once and replayed,
    which fixes every shape: the mask then is as long as the cache.
    """

    def __init__(self, folder: Path, length: int, capture: bool, library: str | None):
        from provider import Provider

        self.config = json.loads((folder / "genai_config.json").read_text())["model"]
        self.provider, self.length, self.capture = Provider(library), length, capture
        model = str(folder / self.config["decoder"]["filename"])
        self.session = self.provider.session(model)
        # A captured graph takes one shape, so prompts need a session of their own.
        self.replayed = self.provider.session(model, enableGraphCapture="1", enableInt64="1") if capture else self.session
        self.vocabulary = self.config["vocab_size"]
        self.logits_type = FLOATS[next(o.type for o in self.session.get_outputs() if o.name == "logits")]
        self.buffers: dict[int, object] = {}
        self.rows = self.past = 0
        self.states = {i.name: self.new_state(i) for i in self.session.get_inputs() if i.name.startswith("past")}
        if capture and any(past is not present for past, present in self.states.values()):
            raise SystemExit("a captured graph cannot take turns between two buffers, as convolution states need")
        self.ids, self.mask = (self.provider.upload(np.zeros((1, n), np.int64)) for n in (1, length))
        self.captured = self.capturable() if capture else None

    def new_state(self, info) -> list:
        """The buffers of a past input and the present output: the same twice for a cache, two that change places for a convolution."""
        decoder = self.config["decoder"]
        if info.name.startswith("past_key_values"):
            shape = (1, decoder["num_key_value_heads"], self.length, decoder["head_size"])
            return [self.provider.upload(np.zeros(shape, FLOATS[info.type]))] * 2
        shape = (1, *info.shape[1:])
        return [self.provider.upload(np.zeros(shape, FLOATS[info.type])) for _ in range(2)]

    def start(self) -> None:
        self.past = 0
        for first, second in self.states.values():
            if first is not second:
                self.provider.copy(np.zeros(first.shape(), first.numpy().dtype), first)

    def bind(self, session, count: int):
        binding = session.io_binding()
        for name, (past, present) in self.states.items():
            binding.bind_ortvalue_input(name, past)
            binding.bind_ortvalue_output(name.replace("past_key_values.", "present.").replace("past.", "present."), present)
        if count not in self.buffers:
            self.buffers[count] = self.provider.empty((1, count, self.vocabulary), self.logits_type)
        binding.bind_ortvalue_output("logits", self.buffers[count])
        return binding

    def run(self, ids: list[int]) -> None:
        """Returns when all is submitted."""
        binding = self.bind(self.session, len(ids))
        total = self.past + len(ids)
        binding.bind_cpu_input("input_ids", np.array([ids], np.int64))
        binding.bind_cpu_input("attention_mask", np.ones((1, total), np.int64))
        self.session.run_with_iobinding(binding)
        self.ran(len(ids))

    def wait(self) -> None:
        """Until the device is done, for little to copy."""
        min(self.states.values(), key=lambda state: np.prod(state[0].shape()))[0].numpy()

    def capturable(self):
        """The one binding of a captured graph: a replay writes into the buffers that were captured."""
        binding = self.bind(self.replayed, 1)
        binding.bind_ortvalue_input("input_ids", self.ids)
        binding.bind_ortvalue_input("attention_mask", self.mask)
        return binding

    def replay(self, token: int) -> None:
        mask = np.zeros((1, self.length), np.int64)
        mask[0, : self.past + 1] = 1
        self.provider.copy(np.array([[token]], np.int64), self.ids)
        self.provider.copy(mask, self.mask)
        self.replayed.run_with_iobinding(self.captured)
        self.ran(1)

    def ran(self, count: int) -> None:
        self.rows = count
        self.past += count
        for state in self.states.values():
            state.reverse()

    def prompt(self, ids: list[int]) -> None:
        self.run(ids)
        self.wait()

    def last_row(self) -> np.ndarray:
        return self.buffers[self.rows].numpy()[0, -1]

    def logits(self, ids: list[int]) -> np.ndarray:
        self.start()
        self.prompt(ids)
        return self.last_row().astype(np.float32)

    def first(self) -> int:
        return int(self.last_row().argmax())

    def decode(self, token: int, count: int) -> list[int]:
        tokens = [token]
        while len(tokens) <= count:
            self.replay(tokens[-1]) if self.capture else self.run(tokens[-1:])
            tokens.append(self.first())
        return tokens[1:]


class Genai:
    """onnxruntime-genai, what most people run these models with."""

    def __init__(self, folder: Path, length: int, capture: bool, library: str | None):
        import onnxruntime_genai as og

        from provider import NAME, default_library

        self.og, self.length = og, length
        self.vocabulary = json.loads((folder / "genai_config.json").read_text())["model"]["vocab_size"]
        og.register_execution_provider_library(NAME, library or default_library())
        config = og.Config(str(folder))
        config.clear_providers()
        config.append_provider("webgpu")
        config.set_provider_option("webgpu", "enableGraphCapture", str(int(capture)))
        self.model = og.Model(config)

    def start(self) -> None:
        params = self.og.GeneratorParams(self.model)
        params.set_search_options(max_length=self.length, do_sample=False)
        self.generator = self.og.Generator(self.model, params)

    def prompt(self, ids: list[int]) -> None:
        self.generator.append_tokens(np.array(ids, np.int32))
        self.token = self.next()

    def next(self) -> int:
        self.generator.generate_next_token()
        return int(self.generator.get_next_tokens()[0])

    def logits(self, ids: list[int]) -> np.ndarray:
        self.start()
        self.generator.append_tokens(np.array(ids, np.int32))
        return np.array(self.generator.get_logits(), np.float32).reshape(-1, self.vocabulary)[-1]

    def first(self) -> int:
        return self.token

    def decode(self, _: int, count: int) -> list[int]:
        tokens: list[int] = []
        while len(tokens) < count and not self.generator.is_done():
            tokens.append(self.next())
        return tokens


RIVALS = {
    "ort": (BoundSession, False),
    "ort-capture": (BoundSession, True),
    "genai": (Genai, False),
    "genai-capture": (Genai, True),
}
