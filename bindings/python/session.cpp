// sluice._core.Session: NumPy arrays (or whatever has the buffer protocol or DLPack) to tensors and back.
#include "sluice/session.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace sluice::python {

namespace {

using Code = nb::dlpack::dtype_code;
using Array = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

struct Type {
  const char* onnx;
  Code code;
  uint8_t bits;
};
// All that an array can hold; which of them a graph may have, the session says.
constexpr Type kTypes[] = {{"float", Code::Float, 32},    {"float16", Code::Float, 16}, {"double", Code::Float, 64},
                           {"int64", Code::Int, 64},      {"int32", Code::Int, 32},     {"int16", Code::Int, 16},
                           {"int8", Code::Int, 8},        {"uint64", Code::UInt, 64},   {"uint32", Code::UInt, 32},
                           {"uint16", Code::UInt, 16},    {"uint8", Code::UInt, 8},     {"bool", Code::Bool, 8},
                           {"bfloat16", Code::Bfloat, 16}};

HostTensor to_tensor(const std::string& name, const Array& array) {
  HostTensor tensor;
  for (const Type& type : kTypes) {
    if (array.dtype() == nb::dlpack::dtype{static_cast<uint8_t>(type.code), type.bits, 1}) tensor.dtype = type.onnx;
  }
  if (tensor.dtype.empty())
    throw Error("session", "input \"" + name + "\" has an element type that ONNX does not know");
  for (size_t i = 0; i < array.ndim(); ++i) tensor.shape.push_back(static_cast<int64_t>(array.shape(i)));
  const auto* data = static_cast<const std::byte*>(array.data());
  tensor.bytes.assign(data, data + array.nbytes());
  return tensor;
}

nb::object to_numpy(HostTensor tensor) {
  nb::dlpack::dtype dtype{};
  for (const Type& type : kTypes) {
    if (tensor.dtype == type.onnx) dtype = {static_cast<uint8_t>(type.code), type.bits, 1};
  }
  std::vector<size_t> shape(tensor.shape.begin(), tensor.shape.end());
  auto* bytes = new std::vector<std::byte>(std::move(tensor.bytes));
  const nb::capsule owner(bytes, [](void* p) noexcept { delete static_cast<std::vector<std::byte>*>(p); });
  bytes->reserve(1);  // NumPy wants an address for an empty array too
  return nb::cast(nb::ndarray<nb::numpy>(bytes->data(), shape.size(), shape.data(), owner, nullptr, dtype));
}

using Arrays = std::map<std::string, Array>;

std::map<std::string, HostTensor> to_tensors(const Arrays& arrays) {
  std::map<std::string, HostTensor> feeds;
  for (const auto& [name, array] : arrays) feeds[name] = to_tensor(name, array);
  return feeds;
}

Profile profile(Session& session, const Arrays& arrays, const ProfileOptions& options) {
  const std::map<std::string, HostTensor> feeds = to_tensors(arrays);
  const nb::gil_scoped_release release;
  return session.profile(feeds, options);
}

nb::dict run(Session& session, const Arrays& arrays) {
  const std::map<std::string, HostTensor> feeds = to_tensors(arrays);
  std::map<std::string, HostTensor> results;
  {
    const nb::gil_scoped_release release;
    results = session.run(feeds);
  }
  nb::dict dict;
  for (auto& [name, tensor] : results) dict[name.c_str()] = to_numpy(std::move(tensor));
  return dict;
}

void open_file(Session* self, const std::filesystem::path& model, const Device& device) {
  const nb::gil_scoped_release release;
  new (self) Session(model, device);
}

void open_bytes(Session* self, const nb::bytes& model, const std::filesystem::path& folder, const Device& device) {
  const std::span bytes(static_cast<const std::byte*>(model.data()), model.size());
  const nb::gil_scoped_release release;
  new (self) Session(bytes, folder, device);
}

}  // namespace

void bind_session(nb::module_& module) {
  nb::class_<TensorInfo>(module, "TensorInfo")
      .def_ro("name", &TensorInfo::name)
      .def_ro("dtype", &TensorInfo::dtype)
      .def_ro("shape", &TensorInfo::shape);
  nb::class_<Session>(module, "Session")
      .def("__init__", open_file, "model"_a, "device"_a)
      .def("__init__", open_bytes, "model"_a, "folder"_a, "device"_a)
      .def_prop_ro("inputs", &Session::inputs)
      .def_prop_ro("outputs", &Session::outputs)
      .def("run", run, "feeds"_a)
      .def("profile", profile, "feeds"_a, "options"_a);
}

}  // namespace sluice::python
