// The table that tools/embed_wgsl.py generates at build time.
#pragma once

#include <span>
#include <string_view>

namespace sluice::shader {

struct EmbeddedFile {
  std::string_view path;  // relative to src/
  std::string_view text;
};

std::span<const EmbeddedFile> embedded_table();

}  // namespace sluice::shader
