"""Text generation."""

from __future__ import annotations

import operator
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np

from . import _core
from ._assign import assign
from ._devices import choice
from ._profile import Profile
from ._profile import options as profile_options


if TYPE_CHECKING:
    from typing_extensions import Unpack


class Sampling(TypedDict, total=False):
    """How the next token is chosen; what is left out is as the model's own configuration says."""

    greedy: bool  # always the most probable token
    temperature: float  # divides the logits; 0 is greedy
    top_k: int  # among the k most probable tokens; 0: all
    top_p: float  # among the most probable ones that together reach this probability; 1: all
    min_p: float  # none below this share of the most probable one's probability; 0: all
    repetition_penalty: float  # divides logits of tokens in the prompt or the answer; 1: off
    presence_penalty: float  # subtracted from logits of tokens in the answer; 0: off
    frequency_penalty: float  # the same, times how often the token is there; 0: off
    seed: int  # the same seed on the same device gives the same text; a random one otherwise
    stop: str | list[str]  # the text ends before any of them
    ignore_stop_tokens: bool  # go on to max_tokens, for measurements


class Token(NamedTuple):
    """A token and the text that it finished: whole characters, perhaps none. `id` is None for text that was held back until the end."""

    id: int | None
    text: str


class Generation(Iterator[Token]):
    """A generation under way: iterate over it for its tokens, each there as soon as it is computed. Leaving the loop, close(), or the `with`
    statement end it; so does another call of the same generator, after which its iteration raises Error."""

    def __init__(self, stream: _core.TokenStream) -> None:
        self._stream = stream
        self._result: _core.GenerationResult | None = None
        self._ids: list[int] = []
        self._pieces: list[str] = []

    def __next__(self) -> Token:
        if self._result is not None:
            raise StopIteration
        try:
            item = self._stream.next()
        except BaseException:  # Error, Ctrl-C
            self._stream.cancel()
            raise
        if item is None:
            self._result = self._stream.result
            raise StopIteration
        token = Token(*item)
        if token.id is not None:
            self._ids.append(token.id)
        self._pieces.append(token.text)
        return token

    def close(self) -> None:
        """Ends the generation; what was computed ahead is dropped."""
        if self._result is None:
            self._stream.cancel()
            for _ in self:
                pass

    def __enter__(self) -> Generation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def text(self) -> str:
        """The text so far, without special tokens and the stop string."""
        return "".join(self._pieces)

    @property
    def ids(self) -> list[int]:
        """The sampled tokens so far, a final stop token not among them."""
        return list(self._ids)

    @property
    def finish_reason(self) -> str | None:
        """"stop_token", "stop_string", "length" or "cancelled"; None while it goes on."""
        return None if self._result is None else self._result.reason.name

    @property
    def usage(self) -> dict[str, Any] | None:
        """At the end: prompt_tokens, prompt_run (of those, not taken from the cache), prompt_seconds (until the first token was there),
        decode_seconds (from then on)."""
        names = ("prompt_tokens", "prompt_run", "prompt_seconds", "decode_seconds")
        return None if self._result is None else {name: getattr(self._result, name) for name in names}


class Generator:
    """A language model: a folder with genai_config.json or config.json, its ONNX file and tokenizer.json.

    `variant` chooses among several ONNX files ("q4f16"), `chunk` is how many tokens of a prompt run at once where the device has room for
    them, `library` another WebGPU library. `progress(done, total)` is called with the bytes of weights on the device; Ctrl-C stops the
    loading. Raises Error with every obstacle: missing or broken files, unsupported operators, tensors over the device's limits.
    """

    def __init__(self, model_dir: str | os.PathLike[str], device: int | str | None = None, *, variant: str = "", chunk: int = 2048,
                 library: str = "", progress: Callable[[int, int], object] | None = None) -> None:
        self._model = _core.TextModel(os.fspath(model_dir), choice(device), library, variant, chunk, progress)

    @property
    def device(self) -> _core.DeviceInfo:
        return self._model.device

    @property
    def vocabulary(self) -> int:
        return self._model.vocabulary

    @property
    def context_length(self) -> int | None:
        return self._model.context_length

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights on the device."""
        return self._model.weight_bytes

    def tokenize(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return self._model.tokenize(text, add_special_tokens)

    def detokenize(self, ids: Iterable[int]) -> str:
        return self._model.detokenize(list(ids))

    def apply_chat_template(self, messages: Iterable[Mapping[str, str]]) -> str:
        """The prompt that the model's chat template makes of messages {"role": ..., "content": ...}, ready for the answer."""
        return self._model.apply_chat_template([(m["role"], m["content"]) for m in messages])

    def generate(self, prompt: str | Sequence[int], max_tokens: int = 256, **sampling: Unpack[Sampling]) -> Generation:
        """Continues a text or token ids.

        Sampling says the options. What the cache holds of the prompt from earlier calls is not run again. Ctrl-C ends the generation after
        the token under way. Raises Error for an empty prompt, an id outside the vocabulary, a prompt over the context length and options
        out of range.
        """
        return Generation(self._model.start(self._prompt(prompt), self._options(max_tokens, **sampling)))

    def chat(self, messages: Iterable[Mapping[str, str]], max_tokens: int = 256, **sampling: Unpack[Sampling]) -> Generation:
        """Answers a conversation of {"role": ..., "content": ...}, by the model's chat template; options as for generate()."""
        ids = self._model.tokenize(self.apply_chat_template(messages), False)
        return self.generate(ids, max_tokens, **sampling)

    def logits(self, prompt_ids: Iterable[int]) -> np.ndarray:
        """Logits of every position, float32 [len(prompt_ids), vocabulary], from an empty cache."""
        return self._model.logits(self._ids(prompt_ids))

    def profile(self, prompt: str | Sequence[int], tokens: int = 32, *, phase: str = "both", repeats: int = 3,
                read_limit: bool = True) -> Profile:
        """Runs the prompt and `tokens` more several times and says where the time went. `phase` is "prefill", "decode" or "both";
        `read_limit` measures what the device can read, which takes about a second. Forgets what the cache holds."""
        return Profile(self._model.profile(self._prompt(prompt), profile_options(phase, tokens, repeats, read_limit)))

    def clear(self) -> None:
        """Forgets what the cache holds."""
        self._model.clear()

    def _prompt(self, prompt: str | Sequence[int]) -> list[int]:
        return self._model.tokenize(prompt, True) if isinstance(prompt, str) else self._ids(prompt)

    def _ids(self, ids: Iterable[int]) -> list[int]:
        whole = [operator.index(i) for i in ids]
        for i in whole:
            if not 0 <= i < self.vocabulary:
                raise _core.Error(f"[prompt] token id {i} is outside the vocabulary of {self.vocabulary}")
        return whole

    def _options(self, max_tokens: int, **sampling: Any) -> _core.SamplingOptions:
        unknown = sampling.keys() - Sampling.__annotations__.keys()
        if unknown:
            raise TypeError(f"generate() has no option {', '.join(sorted(unknown))}")
        greedy, stop = sampling.pop("greedy", False), sampling.pop("stop", [])
        options = self._model.defaults()
        # Who asks for a choice among tokens does not mean the greedy default of the model.
        if sampling.keys() & {"top_k", "top_p", "min_p"} and options.temperature == 0:
            options.temperature = 1.0
        options.seed = random.getrandbits(64)
        assign(options, {"max_tokens": max_tokens, "stop": [stop] if isinstance(stop, str) else list(stop), **sampling})
        if greedy:
            options.temperature = 0.0
        return options
