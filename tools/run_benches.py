#!/usr/bin/env python3
"""Runs every *_bench program of a build folder, one after the other: they must not share the device."""

import argparse
import subprocess
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description="Runs the benchmarks of a build folder; further arguments go to each program.")
    parser.add_argument("build", type=Path, help="build folder")
    options, arguments = parser.parse_known_args()
    programs = sorted(options.build.glob("*_bench"))
    if not programs:
        print("bench: no benchmarks are built")
    failed = [p.name for p in programs if subprocess.run([p, *arguments]).returncode]
    if failed:
        raise SystemExit(f"bench: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
