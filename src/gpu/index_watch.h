// Which indices of a device's shaders were out of range, where ShaderChecks::kReport asks for it: shaders note it in a
// buffer, and a copy of that comes to the host behind every Readback.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "gpu/core.h"

namespace sluice::gpu {

class IndexWatch {
 public:
  static constexpr uint64_t kBytes = 4;

  explicit IndexWatch(Core& core);

  // Rewrites a shader so that it notes such an index in buffer(), at @binding(binding). From any thread.
  std::string rewrite(const std::string& name, const std::string& wgsl, uint32_t binding);
  WGPUBuffer buffer() const { return note_.get(); }
  // Takes a copy of the buffer: throws if an index was out of range, naming shader and expression, and begins anew.
  void check(Core& core, const std::byte* note);

 private:
  CountedBuffer note_;
  std::mutex mutex_;
  std::vector<std::string> places_;
};

}  // namespace sluice::gpu
