// sluice devices and sluice inspect: what is there, without running anything.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>

#include "commands.h"
#include "sluice/inspect.h"

namespace sluice::cli {

namespace {

std::string bytes_text(uint64_t bytes) {
  if (bytes >= 1ull << 30) return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1ull << 30));
  return bytes >= 1u << 20 ? fmt::format("{:.0f} MiB", static_cast<double>(bytes) / (1u << 20))
                           : fmt::format("{:.0f} KiB", static_cast<double>(bytes) / 1024);
}

// The named features; how many more have only a number.
std::string features_text(const std::vector<std::string>& features) {
  std::vector<std::string> named;
  for (const std::string& feature : features) {
    if (!feature.starts_with("feature-0x")) named.push_back(feature);
  }
  const size_t rest = features.size() - named.size();
  return fmt::format("{}{}", fmt::join(named, ", "), rest == 0 ? "" : fmt::format(" and {} without a name", rest));
}

std::string describe(const DeviceInfo& d) {
  const auto known = [](const std::string& text) { return text.empty() ? std::string("not reported") : text; };
  std::string text = fmt::format("{}: {} [{}, {}]\n", d.index, d.name, d.type, d.backend);
  text += fmt::format("   driver        {}\n", known(d.driver));
  text += fmt::format("   vendor        {}{}\n", known(d.vendor), d.architecture.empty() ? "" : ", " + d.architecture);
  text += fmt::format("   library       {} ({})\n", d.library_version, d.library);
  text += fmt::format("   memory        {}\n", d.memory == 0 ? "not known" : bytes_text(d.memory));
  text += fmt::format("   limits        binding {}, buffer {}, workgroup {} invocations and {}, {} storage buffers\n",
                      bytes_text(d.max_binding), bytes_text(d.max_buffer), d.max_invocations,
                      bytes_text(d.max_workgroup_storage), d.max_storage_buffers);
  text += fmt::format("   subgroups     {}\n", d.subgroup_max == 0 ? std::string("none")
                                               : d.subgroup_min == d.subgroup_max
                                                   ? fmt::format("of {}", d.subgroup_min)
                                                   : fmt::format("of {} to {}", d.subgroup_min, d.subgroup_max));
  if (!d.subgroup_matrices.empty()) text += fmt::format("   matrices      {}\n", fmt::join(d.subgroup_matrices, ", "));
  text += fmt::format("   features      {}\n", features_text(d.features));
  return text;
}

struct InspectArgs {
  std::string model;
  InspectOptions options;
};

}  // namespace

void add_devices(CLI::App& app) {
  auto choice = std::make_shared<DeviceChoice>();
  CLI::App* command = app.add_subcommand("devices", "List the devices that models can run on, best first");
  command->add_option("--webgpu-library", choice->library, "Shared library that implements webgpu.h")
      ->envname("SLUICE_WEBGPU_LIBRARY");
  command->callback([choice] {
    const std::vector<DeviceInfo> devices = list_devices(*choice);
    if (devices.empty()) throw Error("devices", "no adapter found: is a Vulkan driver (or Metal, or D3D12) installed?");
    for (const DeviceInfo& device : devices) std::cout << describe(device);
  });
}

void add_inspect(CLI::App& app) {
  auto args = std::make_shared<InspectArgs>();
  CLI::App* command =
      app.add_subcommand("inspect", "Show what a model holds and whether it fits the device; loads no weights");
  command->add_option("model", args->model, "Folder of the model, or an ONNX file")->required();
  command->add_option("--variant", args->options.variant, "Which ONNX file of several");
  command->add_option("--device", args->options.device.adapter, "Index or part of the name of a device")
      ->envname("SLUICE_DEVICE");
  command->add_option("--webgpu-library", args->options.device.library, "Shared library that implements webgpu.h")
      ->envname("SLUICE_WEBGPU_LIBRARY");
  command->add_flag("--graph", args->options.dump_graph, "Also print the graph, a node a line");
  command->add_flag("--steps", args->options.steps, "Also print a token's dispatches, each with its node");
  command->callback([args] { std::cout << inspect(args->model, args->options); });
}

}  // namespace sluice::cli
