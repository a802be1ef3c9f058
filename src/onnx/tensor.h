// TensorProto -> graph::Constant: every encoding that ONNX has for tensor data becomes little-endian raw bytes.
#pragma once

#include <optional>
#include <string_view>

#include "graph/graph.h"
#include "onnx-ml.pb.h"
#include "onnx/external_data.h"
#include "onnx/problems.h"

namespace sluice::onnx {

inline constexpr int64_t kMaxElements = int64_t{1} << 40;
inline constexpr int kMaxRank = 16;

// Our type for ONNX's number, if we have it.
std::optional<DType> dtype_of(int32_t onnx_type);

struct TensorSource {
  ExternalFiles& files;
  Problems& problems;
  bool map_external_data = true;
};

// Checks shape, type and byte count, and takes the bytes out of `tensor` (which is left without them). Broken rules are
// added to the source's problems under `label`, and nothing is returned.
std::optional<graph::Constant> take_tensor(::onnx::TensorProto& tensor, std::string_view label, TensorSource& source);

}  // namespace sluice::onnx
