// Element types, by their ONNX names.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice {

enum class DType : uint8_t {
  kFloat,
  kFloat16,
  kBFloat16,
  kDouble,
  kInt64,
  kInt32,
  kInt16,
  kInt8,
  kUint64,
  kUint32,
  kUint16,
  kUint8,
  kBool,
  kInt4,
  kUint4,
  kString
};

// The ONNX spelling in lower case: "float", "float16", "int64"...
std::string_view name(DType type);

// Bits of one element in an ONNX file. 0 for strings.
uint32_t bits(DType type);

inline bool is_float(DType type) { return type <= DType::kDouble; }

}  // namespace sluice
