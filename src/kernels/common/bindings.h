// Builds a dispatch whose bindings depend on which optional tensors are there. Every tensor NAME that could be bound
// gives the shader two numbers, HAS_NAME (0 or 1) and AT_NAME (its @binding); the uniforms are at AT_PARAMS.
#pragma once

#include <string>
#include <utility>

#include "kernels/common/plan.h"

namespace sluice::kernels {

class Bindings {
 public:
  Bindings(std::string name, std::string shader_file) {
    dispatch_.name = std::move(name);
    dispatch_.shader.file = std::move(shader_file);
  }

  Bindings& read(const std::string& name, const Tensor& tensor) {
    return bind(name, static_cast<bool>(tensor), in(tensor));
  }
  Bindings& write(const std::string& name, const Tensor& tensor) {
    return bind(name, static_cast<bool>(tensor), out(tensor));
  }
  // The operand as it should be bound, where the kernel touches only a part of the tensor or reads what it writes.
  Bindings& bind(const std::string& name, bool is_there, const Operand& operand) {
    define("HAS_" + name, is_there ? 1 : 0);
    define("AT_" + name, is_there ? count() : 0);
    if (is_there) dispatch_.operands.push_back(operand);
    return *this;
  }
  Bindings& define(const std::string& name, uint32_t value) {
    dispatch_.shader.defines.emplace_back(name, value);
    return *this;
  }
  Bindings& type(const std::string& name, const std::string& wgsl) {
    dispatch_.shader.defines.emplace_back(name, wgsl);
    return *this;
  }

  uint32_t count() const { return static_cast<uint32_t>(dispatch_.operands.size()); }

  template <class Params>
  Dispatch finish(const Params& params, std::array<uint32_t, 3> groups) {
    define("AT_PARAMS", count());
    dispatch_.set_uniforms(params);
    dispatch_.groups = groups;
    return std::move(dispatch_);
  }

 private:
  Dispatch dispatch_;
};

}  // namespace sluice::kernels
