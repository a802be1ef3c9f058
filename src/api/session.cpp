#include "sluice/session.h"

#include <array>

#include "api/device_info.h"
#include "base/error.h"
#include "onnx/import.h"
#include "runtime/session.h"

namespace sluice {

namespace {

constexpr std::array kTypes = {DType::kFloat,  DType::kFloat16, DType::kInt64,  DType::kInt32,
                               DType::kInt16,  DType::kInt8,    DType::kUint64, DType::kUint32,
                               DType::kUint16, DType::kUint8,   DType::kBool};

DType parse_dtype(const std::string& text) {
  for (const DType type : kTypes) {
    if (name(type) == text) return type;
  }
  std::string known;
  for (const DType type : kTypes) known += fmt::format("{}{}", known.empty() ? "" : ", ", name(type));
  fail("session", "element type \"{}\" is not supported, only {}", text, known);
}

}  // namespace

struct Session::Impl {
  std::unique_ptr<gpu::Device> device;
  runtime::Session session;
};

Session::Session(const std::filesystem::path& model, const DeviceChoice& choice) {
  graph::Graph graph = onnx::import_model(model);
  std::unique_ptr<gpu::Device> device = gpu::Device::open(api::device_options(choice));
  gpu::Device& reference = *device;
  impl_.reset(new Impl{std::move(device), runtime::Session(reference, std::move(graph))});
}

Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

std::map<std::string, HostTensor> Session::run(const std::map<std::string, HostTensor>& feeds) {
  std::map<std::string, runtime::HostTensor> inner;
  for (const auto& [name, tensor] : feeds) inner[name] = {parse_dtype(tensor.dtype), tensor.shape, tensor.bytes};
  std::map<std::string, HostTensor> results;
  for (auto& [key, tensor] : impl_->session.run(inner)) {
    results[key] = {std::string(name(tensor.dtype)), std::move(tensor.shape), std::move(tensor.bytes)};
  }
  return results;
}

}  // namespace sluice
