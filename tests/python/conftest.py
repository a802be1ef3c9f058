import pytest
from sluice import PROGRAM


def pytest_sessionstart(session):
    if not PROGRAM.exists():
        raise pytest.UsageError(f"{PROGRAM} is not built: run `make test`")
