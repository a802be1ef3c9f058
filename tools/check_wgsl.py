#!/usr/bin/env python3
"""Checks expanded shaders with naga and tint, the compilers of wgpu and of Dawn: a shader must pass both to run everywhere.

The GPU layer writes every variant that a process asks for to the folder in SLUICE_DUMP_WGSL, as NAME-HASH.naga.wgsl and
NAME-HASH.tint.wgsl (only the second where a shader uses what naga does not know). `--collect BUILD` runs a build's test programs that way, with and without subgroups and f16, and checks the result.

    cargo install naga-cli     installs naga; tint comes with Dawn
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

VARIANTS = ("", "f16,subgroups,dot4i8")


def collect(build, folder):
    for program in sorted(Path(build).glob("*_test")):
        for disabled in VARIANTS:
            environment = {**os.environ, "SLUICE_DUMP_WGSL": str(folder), "SLUICE_DISABLE": disabled}
            done = subprocess.run([program, "--gtest_brief=1"], env=environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{program.name} failed with SLUICE_DISABLE={disabled!r}\n{done.stdout}{done.stderr}")


def naga(file):
    return subprocess.run(["naga", file], capture_output=True, text=True)


def tint(file):
    return subprocess.run(["tint", "--format", "wgsl", file], capture_output=True, text=True)


def check(compiler, files):
    """Number of files that the compiler refuses; prints its words."""
    bad = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, done in zip(files, pool.map(compiler, files)):
            if done.returncode:
                bad += 1
                print(f"{compiler.__name__} refuses {file.name}\n{done.stdout}{done.stderr}")
    return bad


def main():
    parser = argparse.ArgumentParser(description="Checks expanded shaders with naga and tint.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("folder", nargs="?", type=Path, help="folder of expanded shaders")
    source.add_argument("--collect", metavar="BUILD", help="run the test programs of a build folder and check what they compile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if options.collect:
            collect(options.collect, folder)
        bad = 0
        for compiler in (naga, tint):
            name = compiler.__name__
            files = sorted(folder.glob(f"*.{name}.wgsl"))
            if not files:
                raise SystemExit(f"wgsl: no *.{name}.wgsl in {folder}")
            if not shutil.which(name):
                print(f"wgsl: {name} is not installed, {len(files)} shaders not checked with it")
                continue
            refused = check(compiler, files)
            print(f"wgsl: {name} takes {len(files) - refused} of {len(files)} shaders")
            bad += refused
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
