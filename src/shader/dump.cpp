#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "shader/shader.h"

namespace sluice::shader {

bool is_for_tint_only(std::string_view wgsl) {
  return wgsl.find("enable chromium_experimental_subgroup_matrix;") != std::string_view::npos;
}

void dump(const Shader& shader) {
  const char* folder = std::getenv("SLUICE_DUMP_WGSL");
  if (!folder || !*folder) return;
  const auto write = [&](const char* dialect_name, const Dialect& dialect) {
    const std::string wgsl = expand(shader, dialect);
    if (dialect == Dialect{} && is_for_tint_only(wgsl)) return;
    const auto file = fmt::format("{}-{:016x}.{}.wgsl", std::filesystem::path(shader.file).stem().string(),
                                  std::hash<std::string>{}(shader.file + wgsl), dialect_name);
    std::ofstream(std::filesystem::path(folder) / file) << "// " << shader.file << "\n" << wgsl;
  };
  write("naga", {});
  write("tint", {.enable_subgroups = true, .requires_packed_dot = true});
}

}  // namespace sluice::shader
