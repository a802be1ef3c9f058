// For tests of what shaders make of data: a device on which an index out of range fails the read that follows.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "gpu/device.h"

namespace sluice::kernels {

// Shared by all tests of a process, and like test_device() never closed.
inline gpu::Device& watched_device() {
  static gpu::Device& device = [&]() -> gpu::Device& {
    gpu::DeviceOptions options;
    options.checks = gpu::ShaderChecks::kReport;
    return *gpu::Device::open(options).release();
  }();
  return device;
}

// Integers at the edges of [0, size) and of their type, and any others.
inline std::vector<int32_t> wild_integers(std::mt19937& random, size_t count, int32_t size) {
  constexpr int32_t kLeast = std::numeric_limits<int32_t>::min(), kMost = std::numeric_limits<int32_t>::max();
  const int32_t edges[] = {kLeast, kLeast + 1, -size - 1, -size,    -2,        -1,   0,
                           1,      size - 1,   size,      size + 1, kMost - 1, kMost};
  std::vector<int32_t> values(count);
  for (int32_t& v : values) v = random() % 4 == 0 ? static_cast<int32_t>(random()) : edges[random() % std::size(edges)];
  return values;
}

}  // namespace sluice::kernels
