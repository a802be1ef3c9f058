#include "sluice/session.h"

#include <array>

#include "api/open_device.h"
#include "api/profile.h"
#include "base/error.h"
#include "graph/infer.h"
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

TensorInfo info_of(const graph::Value& value, const graph::Graph& g) {
  TensorInfo info{value.name, value.dtype ? std::string(name(*value.dtype)) : "", std::nullopt};
  if (!value.shape) return info;
  info.shape.emplace();
  for (const graph::Dim& dim : *value.shape)
    info.shape->push_back(dim.is_constant() ? TensorSize(dim.value) : TensorSize(to_string(dim, g)));
  return info;
}

std::vector<TensorInfo> infos_of(const std::vector<graph::ValueId>& ids, const graph::Graph& g) {
  std::vector<TensorInfo> infos;
  for (const graph::ValueId id : ids) infos.push_back(info_of(g.values[id], g));
  return infos;
}

std::map<std::string, runtime::HostTensor> inner_tensors(const std::map<std::string, HostTensor>& feeds) {
  std::map<std::string, runtime::HostTensor> inner;
  for (const auto& [name, tensor] : feeds) inner[name] = {parse_dtype(tensor.dtype), tensor.shape, tensor.bytes};
  return inner;
}

}  // namespace

struct Session::Impl {
  static std::unique_ptr<Impl> make(graph::Graph graph, std::shared_ptr<Device::Impl> device) {
    graph::Graph inferred = graph;  // with symbolic sizes; obstacles are for run() to tell
    graph::infer(inferred, {});
    const std::lock_guard lock(device->mutex);
    gpu::Device& open = *device->device;
    std::vector<TensorInfo> inputs = infos_of(graph.inputs, graph);
    const std::string name = graph.name;
    return std::unique_ptr<Impl>(new Impl{name, std::move(device), runtime::Session(open, std::move(graph)),
                                          std::move(inputs), infos_of(inferred.outputs, inferred)});
  }

  std::string name;  // of the graph
  std::shared_ptr<Device::Impl> device;
  runtime::Session session;
  std::vector<TensorInfo> inputs, outputs;
};

Session::Session(const std::filesystem::path& model, const DeviceChoice& choice) {
  graph::Graph graph = onnx::import_model(model);  // before the device: a broken file is told at once
  impl_ = Impl::make(std::move(graph), Device(choice).impl_);
}

Session::Session(const std::filesystem::path& model, const Device& device)
    : impl_(Impl::make(onnx::import_model(model), device.impl_)) {}

Session::Session(std::span<const std::byte> model, const std::filesystem::path& folder, const Device& device)
    : impl_(Impl::make(onnx::import_bytes(model, folder), device.impl_)) {}

Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const std::vector<TensorInfo>& Session::inputs() const { return impl_->inputs; }
const std::vector<TensorInfo>& Session::outputs() const { return impl_->outputs; }

std::map<std::string, HostTensor> Session::run(const std::map<std::string, HostTensor>& feeds) {
  std::map<std::string, HostTensor> results;
  const std::lock_guard lock(impl_->device->mutex);
  for (auto& [key, tensor] : impl_->session.run(inner_tensors(feeds))) {
    results[key] = {std::string(name(tensor.dtype)), std::move(tensor.shape), std::move(tensor.bytes)};
  }
  return results;
}

Profile Session::profile(const std::map<std::string, HostTensor>& feeds, const ProfileOptions& options) {
  const std::lock_guard lock(impl_->device->mutex);
  gpu::Device& device = *impl_->device->device;
  const runtime::Measurement measurement{.model = impl_->name,
                                         .device = device.info().name,
                                         .library = device.info().library_version,
                                         .timestamps = device.caps().timestamps,
                                         .read_limit = api::read_limit(device, options),
                                         .phases = {impl_->session.measure(inner_tensors(feeds), options.repeats)}};
  return Profile(std::make_shared<const Profile::Impl>(Profile::Impl{profile::from_measurement(measurement)}));
}

}  // namespace sluice
