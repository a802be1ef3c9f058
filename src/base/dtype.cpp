#include "base/dtype.h"

namespace sluice {

std::string_view name(DType type) {
  switch (type) {
    case DType::kFloat:
      return "float";
    case DType::kFloat16:
      return "float16";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kDouble:
      return "double";
    case DType::kInt64:
      return "int64";
    case DType::kInt32:
      return "int32";
    case DType::kInt16:
      return "int16";
    case DType::kInt8:
      return "int8";
    case DType::kUint64:
      return "uint64";
    case DType::kUint32:
      return "uint32";
    case DType::kUint16:
      return "uint16";
    case DType::kUint8:
      return "uint8";
    case DType::kBool:
      return "bool";
    case DType::kInt4:
      return "int4";
    case DType::kUint4:
      return "uint4";
    case DType::kString:
      return "string";
  }
  return "unknown";
}

uint32_t bits(DType type) {
  switch (type) {
    case DType::kDouble:
    case DType::kInt64:
    case DType::kUint64:
      return 64;
    case DType::kFloat:
    case DType::kInt32:
    case DType::kUint32:
      return 32;
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kInt16:
    case DType::kUint16:
      return 16;
    case DType::kInt8:
    case DType::kUint8:
    case DType::kBool:
      return 8;
    case DType::kInt4:
    case DType::kUint4:
      return 4;
    case DType::kString:
      return 0;
  }
  return 0;
}

}  // namespace sluice
