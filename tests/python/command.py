"""Runs the real `sluice` command of the build under test."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))
PROGRAM = BUILD / ("sluice.exe" if os.name == "nt" else "sluice")
MODELS = ROOT / "tests/models"
DEMO = ROOT / "models/demo"


# What Mesa's device-select layer writes to stderr where there is no desktop session.
DRIVER_NOISE = "error: XDG_RUNTIME_DIR"


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def ids(self):
        return [int(line) for line in self.out.split()]


def disabled(more=""):
    """The environment with `more` added to the features that SLUICE_DISABLE names."""
    words = {w for w in [*os.environ.get("SLUICE_DISABLE", "").split(","), *more.split(",")] if w}
    return {**os.environ, "SLUICE_DISABLE": ",".join(sorted(words))}


def sluice(*arguments, stdin="", env=None, timeout=300):
    command = [str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, timeout=timeout)
    err = "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith(DRIVER_NOISE))
    return Result(done.returncode, done.stdout, err)


def succeed(*arguments, **options):
    result = sluice(*arguments, **options)
    assert result.code == 0, f"sluice {' '.join(map(str, arguments))}\nexit {result.code}\n{result.err}"
    return result
