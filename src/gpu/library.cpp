#include "gpu/library.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/environment.h"
#include "base/error.h"

namespace sluice::gpu {
namespace {

std::string default_path() {
  if (const char* chosen = std::getenv("SLUICE_WEBGPU_LIBRARY"); chosen && *chosen) return chosen;
  const std::filesystem::path fetched = SLUICE_DEFAULT_WEBGPU_LIBRARY;
  const auto beside = std::filesystem::path(code_folder()) / fetched.filename();
  if (std::filesystem::exists(beside)) return beside.string();
  if (std::filesystem::exists(fetched)) return fetched.string();
  fail("gpu", "no WebGPU library: {} and {} do not exist; set SLUICE_WEBGPU_LIBRARY to one", beside.string(),
       fetched.string());
}

}  // namespace

Library::Library(const std::string& path) : file_(path) {
  std::vector<const char*> missing;
#define SLUICE_LOAD(name) name = reinterpret_cast<decltype(name)>(file_.symbol(#name));
#define SLUICE_NEED(name) \
  if (!name) missing.push_back(#name);
  SLUICE_WEBGPU_REQUIRED(SLUICE_LOAD)
  SLUICE_WEBGPU_OPTIONAL(SLUICE_LOAD)
  SLUICE_WEBGPU_REQUIRED(SLUICE_NEED)
#undef SLUICE_NEED
#undef SLUICE_LOAD
  if (!missing.empty()) {
    fail("gpu", "{} is no WebGPU library that Sluice can use: it lacks {} of its functions, {} the first of them", path,
         missing.size(), missing.front());
  }
  free_memory_heaps =
      reinterpret_cast<decltype(free_memory_heaps)>(file_.symbol("wgpuAdapterPropertiesMemoryHeapsFreeMembers"));
  free_subgroup_matrices = reinterpret_cast<decltype(free_subgroup_matrices)>(
      file_.symbol("wgpuAdapterPropertiesSubgroupMatrixConfigsFreeMembers"));
  if (wgpuSetLogLevel) wgpuSetLogLevel(WGPULogLevel_Off);
}

const Library& Library::load(const std::string& path) {
  static std::mutex mutex;
  static auto& loaded = *new std::map<std::string, std::unique_ptr<Library>>;  // never unloaded, see DynamicLibrary
  const std::string file = path.empty() ? default_path() : path;
  const std::lock_guard lock(mutex);
  // Mesa's layer that reorders Vulkan devices talks to a display server and complains on stderr where there is none; we
  // order adapters ourselves.
  set_environment_default("NODEVICE_SELECT", "1");
  auto& library = loaded[file];
  if (!library) library = std::make_unique<Library>(file);
  return *library;
}

std::string Library::version() const {
  if (is_wgpu_native()) {
    const uint32_t v = wgpuGetVersion();
    return fmt::format("wgpu-native {}.{}.{}.{}", v >> 24, (v >> 16) & 255u, (v >> 8) & 255u, v & 255u);
  }
  return is_dawn() ? "Dawn" : "unknown WebGPU library";
}

}  // namespace sluice::gpu
