"""Which C++ files are ours: shared by the checks."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "include", "apps", "bindings", "tests", "bench")


def cpp_files(suffixes=(".h", ".cpp")):
    files = (f for folder in FOLDERS for f in (ROOT / folder).rglob("*") if f.suffix in suffixes)
    return sorted(f for f in files if "target" not in f.parts)
