#!/usr/bin/env python3
"""Checks that #include lines follow the arrows of ARCHITECTURE.md: a folder may include itself, base, and what is listed here."""

import re
import sys

from sources import ROOT, cpp_files

# Folder below src/ -> folders it may include, transitively closed by allowed().
ARROWS = {
    "base": [],
    "shader": ["base"],
    "gpu": ["shader"],
    "graph": ["base"],
    "graph/passes": ["graph"],
    "onnx": ["graph"],
    "rust": [],
    "text": ["base", "rust"],
    "kernels/common": ["gpu", "shader"],
    "kernels/*": ["kernels/common"],
    "lower": ["graph/passes", "kernels/*"],
    "runtime": ["lower"],
    "profile": ["runtime"],
    "decode": ["runtime"],
    "api": ["decode", "profile", "onnx", "text"],
}
# One family that needs another: (from, to), with the reason.
EXCEPTIONS = {
    ("kernels/moe", "kernels/matmul"): "experts are rows quantised as MatMulNBits has them",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
SYSTEM_WEBGPU = re.compile(r'^\s*#\s*include\s+[<"](webgpu|wgpu)\.h[">]', re.M)


def node(folder):
    """The row of ARROWS that a folder belongs to."""
    return "kernels/*" if folder.startswith("kernels/") and folder != "kernels/common" else folder


def allowed(folder):
    seen, todo = set(), [node(folder)]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += ARROWS.get(name, [])
    return seen


def folder_of(path):
    """'kernels/moe' for 'kernels/moe/qmoe.h': the longest prefix that is a row of ARROWS."""
    parts = path.split("/")[:-1]
    for length in (2, 1):
        name = "/".join(parts[:length])
        if node(name) in ARROWS and len(parts) >= length:
            return name
    return None


def problems_in_src(file, text):
    source = file.relative_to(ROOT / "src").as_posix()
    here = folder_of(source)
    if here is None:
        yield f"{source}: the folder is not in ARROWS"
        return
    if SYSTEM_WEBGPU.search(text) and here != "gpu":
        yield f"{source}: only gpu may include webgpu.h"
    for target in INCLUDE.findall(text):
        if target.startswith("sluice/"):
            if here != "api" and target != "sluice/error.h":
                yield f"{source}: only api may include the public header {target}"
            continue
        there = folder_of(target)
        if there is None or there == here or (here, there) in EXCEPTIONS:
            continue
        crosses_families = node(there) == node(here) == "kernels/*"
        if crosses_families or node(there) not in allowed(here):
            yield f"{source}: {here} must not include {target}"


def problems_outside(file, text):
    """Programs and bindings see include/ (and the Rust crate) only; tests and benches may see everything."""
    place = file.relative_to(ROOT).as_posix()
    if place.split("/")[0] in ("apps", "bindings", "include"):
        for target in INCLUDE.findall(text):
            if folder_of(target) not in (None, "rust"):
                yield f"{place}: may include sluice/*.h and the Rust crate's headers only, not {target}"


def main():
    problems = []
    for file in cpp_files():
        inside = (ROOT / "src") in file.parents
        problems += (problems_in_src if inside else problems_outside)(file, file.read_text())
    print("\n".join(problems) or "layers: every include follows the arrows")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
