#!/usr/bin/env python3
"""Writes a C++ file that holds every .wgsl file below a folder, by its path relative to that folder."""

import sys
from pathlib import Path


def literal(text: str) -> str:
    # MSVC limits one string literal to 16 kB: adjacent pieces are joined by the compiler.
    pieces = [text[i : i + 8000] for i in range(0, len(text), 8000)] or [""]
    return "\n".join(f'R"wgsl({piece})wgsl"' for piece in pieces)


def main(folder: Path, output: Path) -> None:
    files = sorted(folder.rglob("*.wgsl"))
    rows = [f'    {{"{f.relative_to(folder).as_posix()}", {literal(f.read_text())}}},' for f in files]
    output.write_text(
        "#include <array>\n#include <string_view>\n#include <utility>\n\n#include \"shader/embedded.h\"\n\n"
        "namespace sluice::shader {\n\n"
        f"static constexpr std::array<EmbeddedFile, {len(rows)}> kFiles = {{{{\n" + "\n".join(rows) + "\n}};\n\n"
        "std::span<const EmbeddedFile> embedded_table() { return kFiles; }\n\n}  // namespace sluice::shader\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
