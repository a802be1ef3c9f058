// Structs of words on their way to the device.
#pragma once

#include <cstring>
#include <vector>

#include "kernels/common/runner.h"

namespace sluice::kernels::test {

inline Tensor upload_words(Runner& runner, const void* data, uint32_t words) {
  std::vector<int32_t> values(words);
  std::memcpy(values.data(), data, words * 4u);
  Tensor tensor = runner.upload({words}, values);
  tensor.storage = Storage::kU32;
  return tensor;
}

}  // namespace sluice::kernels::test
