#!/usr/bin/env python3
"""Runs clang-tidy on the C++ files that changed since the last common commit with the main branch (or on all), within a time limit."""

import argparse
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from sources import ROOT, cpp_files


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else []


def changed_files():
    base = git("merge-base", "HEAD", "origin/main") or git("rev-parse", "HEAD")
    names = set(git("diff", "--name-only", "--diff-filter=d", *base)) | set(git("ls-files", "--others", "--exclude-standard"))
    return [f for f in cpp_files((".cpp",)) if f.relative_to(ROOT).as_posix() in names]


def main():
    parser = argparse.ArgumentParser(description="Runs clang-tidy.")
    parser.add_argument("build", help="build folder with compile_commands.json")
    parser.add_argument("--all", action="store_true", help="every file, not just the changed ones")
    parser.add_argument("--seconds", type=int, default=480, help="start no file after so long (default %(default)s)")
    options = parser.parse_args()
    if not shutil.which("clang-tidy"):
        raise SystemExit("tidy: clang-tidy is not installed (sudo apt-get install clang-tidy)")
    files = cpp_files((".cpp",)) if options.all else changed_files()
    deadline = time.monotonic() + options.seconds

    def tidy(file):
        if time.monotonic() > deadline:
            return None
        return subprocess.run(["clang-tidy", "--quiet", "-p", options.build, str(file)], cwd=ROOT, capture_output=True, text=True)

    bad = late = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, done in zip(files, pool.map(tidy, files)):
            if done is None:
                late += 1
            elif done.returncode:
                bad += 1
                print(done.stdout, flush=True)
    print(f"tidy: {len(files) - bad - late} of {len(files)} files are clean" + (f", {late} not reached in time" if late else ""))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
