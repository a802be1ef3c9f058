// sluice._core: errors, devices, reports.
#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "sluice/device.h"
#include "sluice/error.h"
#include "sluice/inspect.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

void bind_devices(nb::module_& module) {
  using sluice::DeviceInfo;
  nb::class_<DeviceInfo>(module, "DeviceInfo")
      .def_ro("index", &DeviceInfo::index)
      .def_ro("name", &DeviceInfo::name)
      .def_ro("vendor", &DeviceInfo::vendor)
      .def_ro("architecture", &DeviceInfo::architecture)
      .def_ro("driver", &DeviceInfo::driver)
      .def_ro("type", &DeviceInfo::type)
      .def_ro("backend", &DeviceInfo::backend)
      .def_ro("library", &DeviceInfo::library)
      .def_ro("library_version", &DeviceInfo::library_version)
      .def_ro("memory", &DeviceInfo::memory)
      .def_ro("features", &DeviceInfo::features)
      .def_ro("subgroup_min", &DeviceInfo::subgroup_min)
      .def_ro("subgroup_max", &DeviceInfo::subgroup_max)
      .def_ro("subgroup_matrices", &DeviceInfo::subgroup_matrices)
      .def_ro("max_binding", &DeviceInfo::max_binding)
      .def_ro("max_buffer", &DeviceInfo::max_buffer)
      .def_ro("max_invocations", &DeviceInfo::max_invocations)
      .def_ro("max_workgroup_storage", &DeviceInfo::max_workgroup_storage)
      .def_ro("max_storage_buffers", &DeviceInfo::max_storage_buffers)
      .def("__repr__", [](const DeviceInfo& d) {
        return "<sluice.DeviceInfo " + std::to_string(d.index) + ": " + d.name + " [" + d.type + "]>";
      });
  const auto open = [](sluice::Device* self, const std::string& adapter, const std::string& library) {
    const nb::gil_scoped_release release;
    new (self) sluice::Device(sluice::DeviceChoice{library, adapter});
  };
  nb::class_<sluice::Device>(module, "Device")
      .def("__init__", open, "adapter"_a = "", "library"_a = "")
      .def_prop_ro("info", &sluice::Device::info);
  module.def(
      "devices",
      [](const std::string& library) {
        const nb::gil_scoped_release release;
        return sluice::list_devices({library, ""});
      },
      "library"_a = "");
}

}  // namespace

NB_MODULE(_core, module) {
  module.attr("__version__") = SLUICE_VERSION;
  nb::exception<sluice::Error> error(module, "Error", PyExc_RuntimeError);
  error.attr("__module__") = "sluice";
  error.attr("__doc__") =
      "Whatever a model, a device or an input can cause; the message names the rule, the limit and the value.";
  bind_devices(module);
  sluice::python::bind_session(module);
  sluice::python::bind_generator(module);
  module.def("operators", &sluice::operators);
  module.def(
      "inspect",
      [](const std::filesystem::path& model, const std::string& variant, const std::string& adapter, bool graph) {
        const nb::gil_scoped_release release;
        return sluice::inspect(model, {.device = {"", adapter}, .variant = variant, .dump_graph = graph});
      },
      "model"_a, "variant"_a, "adapter"_a, "graph"_a);
}
