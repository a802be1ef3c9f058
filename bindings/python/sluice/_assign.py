"""Options from Python's values."""

from __future__ import annotations

from typing import Any


def assign(target: Any, values: dict[str, Any]) -> None:
    """Sets attributes of an options object of _core. Raises TypeError naming the option that does not take its value."""
    for name, value in values.items():
        try:
            setattr(target, name, value)
        except TypeError:
            raise TypeError(f"{name} cannot be {value!r}: it is of another type or out of range") from None
