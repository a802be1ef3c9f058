#!/usr/bin/env python3
"""Formats every C++ file with clang-format, or with --check only names the files that it would change."""

import argparse
import shutil
import subprocess

from sources import ROOT, cpp_files


def main():
    parser = argparse.ArgumentParser(description="Formats every C++ file.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is not formatted")
    options = parser.parse_args()
    if not shutil.which("clang-format"):
        raise SystemExit("format: clang-format is not installed (sudo apt-get install clang-format)")
    mode = ["--dry-run", "-Werror"] if options.check else ["-i"]
    done = subprocess.run(["clang-format", *mode, *map(str, cpp_files())], cwd=ROOT)
    if done.returncode:
        raise SystemExit("format: run `make format`" if options.check else done.returncode)


if __name__ == "__main__":
    main()
