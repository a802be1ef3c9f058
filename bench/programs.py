"""Runs the programs that benchmarks start, for a limited time: what they printed until then is kept."""

import subprocess
import tempfile


def run_lines(command: list, limit: float, environment: dict[str, str] | None = None) -> tuple[list[str], str]:
    """What a program printed to stdout, and why it ended early, if it did. `environment` takes the place of this process's."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        try:
            code = subprocess.run(list(map(str, command)), stdout=out, stderr=errors, timeout=limit, env=environment).returncode
            errors.seek(0)
            said = [line.strip() for line in errors if line.strip()]
            problem = ": ".join([f"exit code {code}", *(line[:300] for line in said[-1:])]) if code else ""
        except subprocess.TimeoutExpired:
            problem = f"stopped after {limit:.0f} s"
        out.seek(0)
        return out.read().splitlines(), problem
