// A number as the 32 bits that kernels get it in.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// float32 for kF32 and kF16, two's complement for kI32, unsigned for the rest; clamped to the type's range.
inline uint32_t value_bits(Storage storage, double value) {
  switch (storage) {
    case Storage::kF32:
    case Storage::kF16:
      return std::bit_cast<uint32_t>(static_cast<float>(value));
    case Storage::kI32: {
      using Limits = std::numeric_limits<int32_t>;
      return static_cast<uint32_t>(static_cast<int32_t>(std::clamp<double>(value, Limits::min(), Limits::max())));
    }
    case Storage::kU32:
    case Storage::kUnsigned:
      return static_cast<uint32_t>(std::clamp(value, 0.0, 4294967295.0));
    case Storage::kBytes:
      return static_cast<uint32_t>(std::clamp(value, 0.0, 255.0));
  }
  return 0;
}

}  // namespace sluice::kernels
