#include "graph/content.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/half.h"

namespace sluice::graph {
namespace {

float bfloat_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t float_to_bfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

template <class T>
T load(const std::byte* bytes, size_t index) {
  T value;  // copied: external data need not be aligned
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(std::byte* bytes, size_t index, T value) {
  std::memcpy(bytes + index * sizeof(T), &value, sizeof(T));
}

int64_t load_int(const std::byte* bytes, size_t index, DType dtype) {
  switch (dtype) {
    case DType::kInt64:
      return load<int64_t>(bytes, index);
    case DType::kInt32:
      return load<int32_t>(bytes, index);
    case DType::kInt16:
      return load<int16_t>(bytes, index);
    case DType::kInt8:
      return load<int8_t>(bytes, index);
    case DType::kUint32:
      return load<uint32_t>(bytes, index);
    case DType::kUint16:
      return load<uint16_t>(bytes, index);
    default:
      return load<uint8_t>(bytes, index);
  }
}

double load_float(const std::byte* bytes, size_t index, DType dtype) {
  switch (dtype) {
    case DType::kDouble:
      return load<double>(bytes, index);
    case DType::kFloat16:
      return half_to_float(load<uint16_t>(bytes, index));
    case DType::kBFloat16:
      return bfloat_to_float(load<uint16_t>(bytes, index));
    default:
      return load<float>(bytes, index);
  }
}

void store_int(std::byte* bytes, size_t index, int64_t value, DType dtype) {
  switch (bits(dtype)) {
    case 64:
      return store(bytes, index, value);
    case 32:
      return store(bytes, index, static_cast<int32_t>(value));
    case 16:
      return store(bytes, index, static_cast<int16_t>(value));
    default:
      return store(bytes, index, static_cast<int8_t>(value));
  }
}

void store_float(std::byte* bytes, size_t index, double value, DType dtype) {
  switch (dtype) {
    case DType::kDouble:
      return store(bytes, index, value);
    case DType::kFloat16:
      return store(bytes, index, float_to_half(static_cast<float>(value)));
    case DType::kBFloat16:
      return store(bytes, index, float_to_bfloat(static_cast<float>(value)));
    default:
      return store(bytes, index, static_cast<float>(value));
  }
}

}  // namespace

bool Content::is_constant() const { return std::ranges::all_of(ints, &Dim::is_constant); }

bool is_foldable(DType dtype) { return bits(dtype) >= 8 && dtype != DType::kUint64; }

int64_t wrap_to(int64_t value, DType dtype) {
  if (dtype == DType::kBool) return value != 0;
  std::byte bytes[8];
  store_int(bytes, 0, value, dtype);
  return load_int(bytes, 0, dtype);
}

std::optional<Content> decode(const Constant& constant) {
  if (!is_foldable(constant.dtype)) return std::nullopt;
  const int64_t elements = constant.elements();
  if (elements > kMaxFoldElements) return std::nullopt;
  const size_t count = static_cast<size_t>(elements);
  if (constant.bytes.size() != count * (bits(constant.dtype) / 8)) return std::nullopt;
  Content content;
  content.shape = constant.shape;
  if (is_float(constant.dtype)) {
    content.floats.resize(count);
    for (size_t i = 0; i < count; ++i) content.floats[i] = load_float(constant.bytes.data(), i, constant.dtype);
  } else {
    content.ints.resize(count);
    for (size_t i = 0; i < count; ++i) content.ints[i].value = load_int(constant.bytes.data(), i, constant.dtype);
  }
  return content;
}

std::shared_ptr<const Constant> encode(const Content& content, DType dtype) {
  if (!is_foldable(dtype) || !content.is_constant()) return nullptr;
  auto bytes = std::make_shared<std::vector<std::byte>>(content.size() * (bits(dtype) / 8));
  for (size_t i = 0; i < content.ints.size(); ++i) store_int(bytes->data(), i, content.ints[i].value, dtype);
  for (size_t i = 0; i < content.floats.size(); ++i) store_float(bytes->data(), i, content.floats[i], dtype);
  auto constant = std::make_shared<Constant>();
  constant->dtype = dtype;
  constant->shape = content.shape;
  constant->bytes = *bytes;
  constant->owner = std::move(bytes);
  return constant;
}

}  // namespace sluice::graph
