#!/usr/bin/env python3
"""Writes requirements-build.txt and requirements-test.txt: every package pinned, with the SHA-256 of its wheel for each platform.

Run it to move to other versions: change PACKAGES, run, commit the two files.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = {
    # Only unpacked for the WebGPU library and the ONNX schema, so any Python version's wheel will do.
    "requirements-build.txt": (["3.12"], ["wgpu==0.32.0", "onnx==1.23.2"]),
    "requirements-test.txt": (
        ["3.11", "3.12", "3.13", "3.14"],
        ["onnxruntime==1.31.1", "onnx==1.23.2", "numpy==2.4.6", "nanobind==3.1.0", "pytest==9.2.0", "pytest-xdist", "execnet", "flatbuffers", "iniconfig", "ml_dtypes", "packaging",
         "pluggy", "protobuf", "pygments", "typing_extensions"],
    ),
}
PLATFORMS = {
    "Linux x86-64": ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
    "Linux arm64": ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"],
    "macOS arm64": ["macosx_15_0_arm64", "macosx_14_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64", "macosx_11_0_universal2",
                    "macosx_12_0_universal2", "macosx_10_9_universal2"],
    "Windows x86-64": ["win_amd64"],
}


def wheels(packages, python, platform):
    """(name, version, SHA-256) of the wheels that pip would take, without downloading them."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--no-deps",
               "--only-binary", ":all:", "--python-version", python, "--target", "unused"]
    for tag in platform:
        command += ["--platform", tag]
    done = subprocess.run(command + packages, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    for item in json.loads(done.stdout)["install"]:
        metadata = item["metadata"]
        yield metadata["name"].lower().replace("_", "-"), metadata["version"], item["download_info"]["archive_info"]["hashes"]["sha256"]


def main():
    for file, (pythons, packages) in PACKAGES.items():
        versions, hashes = {}, {}
        for python in pythons:
            for platform in PLATFORMS.values():
                for name, version, digest in wheels(packages, python, platform):
                    if versions.setdefault(name, version) != version:
                        raise SystemExit(f"{name}: {versions[name]} and {version} for different platforms: pin one in PACKAGES")
                    hashes.setdefault(name, set()).add(digest)
        lines = [f"# Written by {Path(__file__).name}. Python {', '.join(pythons)}; {', '.join(PLATFORMS)}."]
        for name in sorted(versions):
            lines.append(" \\\n    ".join([f"{name}=={versions[name]}", *(f"--hash=sha256:{h}" for h in sorted(hashes[name]))]))
        (HERE / file).write_text("\n".join(lines) + "\n")
        print(f"wrote {file}: {len(versions)} packages")


if __name__ == "__main__":
    main()
