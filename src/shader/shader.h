// The shader generator: a .wgsl file of the source tree plus definitions, expanded to plain WGSL.
//
// A file may hold #include "path", #if EXPR / #elif / #else / #endif, where EXPR is NAME, !NAME, or NAME == VALUE /
// NAME != VALUE (joined by && or ||). An undefined name in an #if is an error, so that a misspelt flag cannot pass
// silently. Every number becomes `const NAME: u32 = 32u;` and every type `alias NAME = f16;` at the head of the text,
// after the directives that the definitions call for (`enable f16;` when a type is f16, `enable subgroups;` when
// SUBGROUPS is not 0, ...). A string that begins with `{` is no type but a block of statements, put in the place of the
// line `#insert NAME`: for kernels whose body is put together from a table (fused element-wise chains).
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sluice::shader {

using DefinedValue = std::variant<uint32_t, std::string>;  // a number, the name of a WGSL type, or a block
using Defines = std::vector<std::pair<std::string, DefinedValue>>;

// One of several shaders that stand in one text.
struct ShaderPart {
  std::string file;
  Defines defines;
  uint32_t storage = 0;        // of its bindings; its uniforms, if there are any, are the one behind them
  uint32_t uniform_bytes = 0;  // a multiple of 16; 0: it has none
  std::strong_ordering operator<=>(const ShaderPart&) const = default;
  bool operator==(const ShaderPart&) const = default;
};

// The whole input of the generator, hence the whole key of the pipeline cache.
struct Shader {
  std::string file;  // relative to src/: "kernels/norm/rms_norm.wgsl"
  Defines defines;
  // Not empty: the text is these shaders side by side (side_by_side.h). There are no definitions then, and `file` is
  // for messages.
  std::vector<ShaderPart> parts = {};
  std::strong_ordering operator<=>(const Shader&) const = default;
  bool operator==(const Shader&) const = default;
};

// What the library's WGSL compiler wants spelt out: naga takes subgroup operations without `enable`, Tint demands it.
struct Dialect {
  bool enable_subgroups = false;
  bool requires_packed_dot = false;
  bool operator==(const Dialect&) const = default;
};

// Plain WGSL for a shader. Throws Error naming file and line for a bad directive, a missing file or an undefined name.
std::string expand(const Shader& shader, const Dialect& dialect);

// Whether a text uses what only Tint compiles (subgroup matrices): naga is then not asked to take it.
bool is_for_tint_only(std::string_view wgsl);

// With SLUICE_DUMP_WGSL=<folder>: keeps the text of a shader there in both dialects, for checking with other compilers,
// as NAME-HASH.naga.wgsl and NAME-HASH.tint.wgsl. The device does it for every variant that it compiles.
void dump(const Shader& shader);

// Text of an embedded .wgsl file by its path relative to src/; empty if there is none.
std::string_view embedded_file(std::string_view path);
std::vector<std::string_view> embedded_files();

}  // namespace sluice::shader
