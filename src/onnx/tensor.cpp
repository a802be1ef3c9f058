#include "onnx/tensor.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

namespace sluice::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor bytes are used as they lie in the file");

// Integer tensors up to this size are shape arithmetic: they are read even where external data is not to be mapped.
constexpr uint64_t kSmallTensorBytes = 1024;

struct External {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

uint64_t parse_number(const std::string& text, std::string_view key) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    broken("external data {} \"{}\" is not a number of bytes", key, text);
  }
  return number;
}

External parse_external(const ::onnx::TensorProto& tensor) {
  External external;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") external.location = entry.value();
    if (entry.key() == "offset") external.offset = parse_number(entry.value(), "offset");
    if (entry.key() == "length") external.length = parse_number(entry.value(), "length");
  }
  return external;
}

std::vector<int64_t> checked_shape(const ::onnx::TensorProto& tensor) {
  if (tensor.dims_size() > kMaxRank) broken("rank {} is above {}", tensor.dims_size(), kMaxRank);
  int64_t elements = 1;
  for (const int64_t dim : tensor.dims()) {
    if (dim < 0) broken("a dimension is {}", dim);
    if (dim > kMaxElements || (dim > 0 && elements > kMaxElements / dim)) broken("more than 2^40 elements");
    elements *= dim;
  }
  return {tensor.dims().begin(), tensor.dims().end()};
}

template <class Target, class Fields>
void append(const Fields& fields, std::string& bytes) {
  bytes.resize(static_cast<size_t>(fields.size()) * sizeof(Target));
  char* out = bytes.data();
  for (const auto field : fields) {
    if constexpr (std::is_integral_v<Target>) {
      if (!std::in_range<Target>(field)) broken("a stored element {} is out of range", field);
    }
    const Target value = static_cast<Target>(field);
    std::memcpy(out, &value, sizeof(Target));
    out += sizeof(Target);
  }
}

// Elements of the typed fields; ONNX keeps everything narrower than 32 bits in int32_data, 16-bit floats by their bits
// and pairs of 4-bit numbers as one byte.
std::string typed_bytes(const ::onnx::TensorProto& tensor, DType dtype) {
  std::string bytes;
  switch (dtype) {
    case DType::kFloat:
      append<float>(tensor.float_data(), bytes);
      break;
    case DType::kDouble:
      append<double>(tensor.double_data(), bytes);
      break;
    case DType::kInt64:
      append<int64_t>(tensor.int64_data(), bytes);
      break;
    case DType::kUint64:
      append<uint64_t>(tensor.uint64_data(), bytes);
      break;
    case DType::kUint32:
      append<uint32_t>(tensor.uint64_data(), bytes);
      break;
    case DType::kInt32:
      append<int32_t>(tensor.int32_data(), bytes);
      break;
    case DType::kInt16:
      append<int16_t>(tensor.int32_data(), bytes);
      break;
    case DType::kInt8:
      append<int8_t>(tensor.int32_data(), bytes);
      break;
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kUint16:
      append<uint16_t>(tensor.int32_data(), bytes);
      break;
    case DType::kUint8:
    case DType::kBool:
    case DType::kInt4:
    case DType::kUint4:
      append<uint8_t>(tensor.int32_data(), bytes);
      break;
    case DType::kString:
      break;
  }
  return bytes;
}

void take_inline(::onnx::TensorProto& tensor, uint64_t expected, graph::Constant& constant) {
  std::shared_ptr<std::string> bytes;
  if (tensor.has_raw_data()) {
    bytes.reset(tensor.release_raw_data());
  } else {
    bytes = std::make_shared<std::string>(typed_bytes(tensor, constant.dtype));
  }
  if (bytes->size() != expected) broken("needs {} bytes of data, has {}", expected, bytes->size());
  constant.bytes = std::as_bytes(std::span(bytes->data(), bytes->size()));
  constant.owner = std::move(bytes);
}

void check_range(const External& external, uint64_t expected, uint64_t size) {
  if (external.length && *external.length != expected) {
    broken("needs {} bytes of data, its external length is {}", expected, *external.length);
  }
  if (external.offset > size || expected > size - external.offset) {
    broken("external data \"{}\" has {} bytes, too short for {} bytes at offset {}", external.location, size, expected,
           external.offset);
  }
}

void take_external(const ::onnx::TensorProto& tensor, uint64_t expected, TensorSource& source,
                   graph::Constant& constant) {
  const External external = parse_external(tensor);
  ExternalFile& file = source.files.find(external.location);
  check_range(external, expected, file.size);
  const bool is_small = !is_float(constant.dtype) && expected <= kSmallTensorBytes;
  if (!source.map_external_data && !is_small) return;
  const std::span<const std::byte> all = ExternalFiles::map(file);
  check_range(external, expected, all.size());
  constant.bytes = all.subspan(external.offset, expected);
  constant.owner = file.mapped;
}

void check_bools(const graph::Constant& constant) {
  if (constant.dtype != DType::kBool) return;
  const auto is_bool = [](std::byte byte) { return byte <= std::byte{1}; };
  if (!std::ranges::all_of(constant.bytes, is_bool)) broken("a bool is stored as neither 0 nor 1");
}

}  // namespace

std::optional<DType> dtype_of(int32_t onnx_type) {
  using Proto = ::onnx::TensorProto;
  switch (onnx_type) {
    case Proto::FLOAT:
      return DType::kFloat;
    case Proto::FLOAT16:
      return DType::kFloat16;
    case Proto::BFLOAT16:
      return DType::kBFloat16;
    case Proto::DOUBLE:
      return DType::kDouble;
    case Proto::INT64:
      return DType::kInt64;
    case Proto::INT32:
      return DType::kInt32;
    case Proto::INT16:
      return DType::kInt16;
    case Proto::INT8:
      return DType::kInt8;
    case Proto::UINT64:
      return DType::kUint64;
    case Proto::UINT32:
      return DType::kUint32;
    case Proto::UINT16:
      return DType::kUint16;
    case Proto::UINT8:
      return DType::kUint8;
    case Proto::BOOL:
      return DType::kBool;
    case Proto::INT4:
      return DType::kInt4;
    case Proto::UINT4:
      return DType::kUint4;
    case Proto::STRING:
      return DType::kString;
    default:
      return std::nullopt;
  }
}

std::optional<graph::Constant> take_tensor(::onnx::TensorProto& tensor, std::string_view label, TensorSource& source) {
  try {
    const std::optional<DType> dtype = dtype_of(tensor.data_type());
    if (!dtype) broken("element type {} is not supported", tensor.data_type());
    if (*dtype == DType::kString) broken("string tensors are not supported");
    if (tensor.has_segment()) broken("segmented tensors are not supported");
    graph::Constant constant;
    constant.dtype = *dtype;
    constant.shape = checked_shape(tensor);
    const uint64_t expected = (static_cast<uint64_t>(constant.elements()) * bits(*dtype) + 7) / 8;
    if (tensor.data_location() == ::onnx::TensorProto::EXTERNAL) {
      take_external(tensor, expected, source, constant);
    } else {
      take_inline(tensor, expected, constant);
    }
    check_bools(constant);
    return constant;
  } catch (const std::runtime_error& error) {
    source.problems.add("{}: {}", label, error.what());
    return std::nullopt;
  }
}

}  // namespace sluice::onnx
