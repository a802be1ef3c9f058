import os
import sys

import pytest
from command import BUILD, PROGRAM

# The package of the build under test, here and in processes that tests start.
PACKAGES = str((BUILD / "python").resolve())
sys.path.insert(0, PACKAGES)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [PACKAGES, os.environ.get("PYTHONPATH")]))


def pytest_sessionstart(session):
    if not PROGRAM.exists():
        raise pytest.UsageError(f"{PROGRAM} is not built: run `make test`")
