// The expander over any source of files; shader.h's expand() reads the embedded ones.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "shader/shader.h"

namespace sluice::shader {

// Text of a file, empty if there is none.
using FileReader = std::function<std::string_view(std::string_view path)>;

// enable, requires and diagnostic must precede everything else in WGSL, wherever an included file states them.
bool is_global_directive(std::string_view line);

std::string expand(const Shader& shader, const Dialect& dialect, const FileReader& read);

}  // namespace sluice::shader
