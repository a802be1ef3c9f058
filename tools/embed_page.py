#!/usr/bin/env python3
"""Writes a C++ file that holds src/profile/report.html."""

import sys
from pathlib import Path

from embed_wgsl import literal


def main(page: Path, output: Path) -> None:
    output.write_text(
        '#include "profile/page.h"\n\nnamespace sluice::profile {\n\nstatic constexpr std::string_view kPage =\n'
        f"{literal(page.read_text())};\n\nstd::string_view page_template() {{ return kPage; }}\n\n}}  // namespace sluice::profile\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
