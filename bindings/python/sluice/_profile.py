"""Where a run's time goes."""

from __future__ import annotations

import json
import os
from typing import Any

from . import _core
from ._assign import assign

_LAST_RUN = 0xFFFFFFFF


class Profile:
    """What Generator.profile() and Session.profile() measured, or a file. Times are in microseconds.

    text() is the report; data() everything as dictionaries and lists: phases with their operators, kernels, layers, transfers and steps.
    json(), csv(), trace() (for Perfetto) and html() are for files.
    """

    def __init__(self, core: _core.Profile) -> None:
        self._core = core

    @classmethod
    def load(cls, file: str | os.PathLike[str], first_run: int = 0, last_run: int = _LAST_RUN) -> Profile:
        """A file that json() wrote or ONNX Runtime's profiler; of the latter, runs first_run to last_run. Raises Error if it is neither."""
        return cls(_core.Profile.load(os.fspath(file), first_run, last_run))

    @staticmethod
    def compare(a: Profile, b: Profile) -> str:
        """The operators of two profiles side by side, with ratios."""
        return _core.Profile.compare(a._core, b._core)

    def data(self) -> dict[str, Any]:
        return json.loads(self._core.json())

    def text(self) -> str:
        return self._core.text()

    def json(self) -> str:
        return self._core.json()

    def csv(self) -> str:
        return self._core.csv()

    def trace(self) -> str:
        return self._core.trace()

    def html(self) -> str:
        return self._core.html()


def options(phase: str = "both", tokens: int = 32, repeats: int = 3, read_limit: bool = True) -> _core.ProfileOptions:
    if phase not in ("prefill", "decode", "both"):
        raise ValueError(f'phase must be "prefill", "decode" or "both", got {phase!r}')
    result = _core.ProfileOptions()
    result.phase = getattr(_core.ProfilePhase, phase)
    assign(result, {"tokens": tokens, "repeats": repeats, "read_limit": read_limit})
    return result
