#include "gpu/adapter.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "gpu/blob_cache.h"
#include "gpu/device_memory.h"

namespace sluice::gpu {
namespace {

constexpr auto kDawnTogglesType = static_cast<WGPUSType>(0x0005000A);
constexpr auto kDawnSubgroupMatricesType = static_cast<WGPUSType>(0x0005003B);
constexpr auto kDawnCacheType = static_cast<WGPUSType>(0x00050007);

const char* type_name(WGPUAdapterType type) {
  switch (type) {
    case WGPUAdapterType_DiscreteGPU:
      return "discrete GPU";
    case WGPUAdapterType_IntegratedGPU:
      return "integrated GPU";
    case WGPUAdapterType_CPU:
      return "software (CPU)";
    default:
      return "unknown";
  }
}

int rank(const AdapterInfo& info) {
  if (info.type == "discrete GPU") return 0;
  if (info.type == "integrated GPU") return 1;
  return info.type == "unknown" ? 2 : 3;
}

const char* backend_name(WGPUBackendType backend) {
  switch (backend) {
    case WGPUBackendType_WebGPU:
      return "WebGPU";
    case WGPUBackendType_D3D11:
      return "D3D11";
    case WGPUBackendType_D3D12:
      return "D3D12";
    case WGPUBackendType_Metal:
      return "Metal";
    case WGPUBackendType_Vulkan:
      return "Vulkan";
    case WGPUBackendType_OpenGL:
      return "OpenGL";
    case WGPUBackendType_OpenGLES:
      return "OpenGLES";
    default:
      return "unknown";
  }
}

// Dawn's numbers are of one revision: where another answers, or none, there are no subgroup matrices.
std::vector<SubgroupMatrix> subgroup_matrices(const Library& library, WGPUAdapter adapter,
                                              const std::vector<WGPUFeatureName>& features) {
  const bool offered = std::find(features.begin(), features.end(), kDawnSubgroupMatrixFeature) != features.end();
  if (!library.is_dawn() || !library.free_subgroup_matrices || !offered) return {};
  DawnSubgroupMatrices raw{{nullptr, kDawnSubgroupMatricesType}, 0, nullptr};
  WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
  info.nextInChain = &raw.chain;
  if (library.wgpuAdapterGetInfo(adapter, &info) != WGPUStatus_Success) return {};
  std::vector<SubgroupMatrix> result;
  for (size_t i = 0; i < raw.count; ++i) {
    const auto& s = raw.shapes[i];
    result.push_back(
        {static_cast<SubgroupMatrix::Type>(s.operands), static_cast<SubgroupMatrix::Type>(s.sums), s.m, s.n, s.k});
  }
  library.free_subgroup_matrices(raw);
  info.nextInChain = nullptr;
  library.wgpuAdapterInfoFreeMembers(info);
  return result;
}

Adapter describe(const Library& library, Handle<WGPUAdapter> handle) {
  Adapter adapter{std::move(handle), {}, 0};
  WGPUAdapterInfo raw = WGPU_ADAPTER_INFO_INIT;
  library.wgpuAdapterGetInfo(adapter.handle.get(), &raw);
  WGPULimits limits = WGPU_LIMITS_INIT;
  library.wgpuAdapterGetLimits(adapter.handle.get(), &limits);
  const auto features = features_of(library, adapter.handle.get());

  AdapterInfo& info = adapter.info;
  info.name = text(raw.device);
  info.vendor = text(raw.vendor);
  info.architecture = text(raw.architecture);
  info.driver = text(raw.description);
  info.type = type_name(raw.adapterType);
  info.backend = backend_name(raw.backendType);
  info.library = library.path();
  info.library_version = library.version();
  for (const auto feature : features) info.features.push_back(feature_name(feature));
  info.memory = device_memory(library, adapter.handle.get(), raw, features);
  info.caps = caps_of(features, limits, library);
  info.caps.subgroup_matrices = subgroup_matrices(library, adapter.handle.get(), features);
  info.caps.software = raw.adapterType == WGPUAdapterType_CPU;
  info.caps.subgroup_min = info.caps.subgroups ? raw.subgroupMinSize : 0;
  info.caps.subgroup_max = info.caps.subgroups ? raw.subgroupMaxSize : 0;
  adapter.vendor_id = raw.vendorID;
  library.wgpuAdapterInfoFreeMembers(raw);
  return adapter;
}

struct AdapterRequest {
  bool done = false;
  WGPUAdapter adapter = nullptr;
};

// The adapter of one request, empty if there is none. The standard has no list: this is how other libraries are asked.
Handle<WGPUAdapter> request_adapter(const Library& library, WGPUInstance instance, WGPURequestAdapterOptions options) {
  DawnToggles toggles;
  if (library.is_dawn()) options.nextInChain = toggles.chain();
  AdapterRequest request;
  WGPURequestAdapterCallbackInfo callback = WGPU_REQUEST_ADAPTER_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = &request;
  callback.callback = [](WGPURequestAdapterStatus, WGPUAdapter adapter, WGPUStringView, void* user, void*) {
    *static_cast<AdapterRequest*>(user) = {true, adapter};
  };
  library.wgpuInstanceRequestAdapter(instance, &options, callback);
  while (!request.done) {
    library.wgpuInstanceProcessEvents(instance);
    if (!request.done) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return {request.adapter, library.wgpuAdapterRelease};
}

std::vector<Adapter> enumerate_native(const Library& library, WGPUInstance instance) {
  std::vector<WGPUAdapter> raw(library.wgpuInstanceEnumerateAdapters(instance, nullptr, nullptr));
  if (!raw.empty()) library.wgpuInstanceEnumerateAdapters(instance, nullptr, raw.data());
  std::vector<Adapter> adapters;
  for (WGPUAdapter adapter : raw) adapters.push_back(describe(library, {adapter, library.wgpuAdapterRelease}));
  return adapters;
}

std::vector<Adapter> enumerate_by_request(const Library& library, WGPUInstance instance) {
  std::vector<Adapter> adapters;
  for (const auto power : {WGPUPowerPreference_HighPerformance, WGPUPowerPreference_LowPower}) {
    for (const WGPUBool fallback : {WGPU_FALSE, WGPU_TRUE}) {
      WGPURequestAdapterOptions options = WGPU_REQUEST_ADAPTER_OPTIONS_INIT;
      options.powerPreference = power;
      options.forceFallbackAdapter = fallback;
      auto handle = request_adapter(library, instance, options);
      if (!handle) continue;
      Adapter adapter = describe(library, std::move(handle));
      const auto identity = [](const Adapter& a) {
        return std::tie(a.vendor_id, a.info.name, a.info.driver, a.info.backend);
      };
      const auto same = [&](const Adapter& other) { return identity(adapter) == identity(other); };
      if (std::none_of(adapters.begin(), adapters.end(), same)) adapters.push_back(std::move(adapter));
    }
  }
  return adapters;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string list_names(const std::vector<Adapter>& adapters) {
  std::string result;
  for (const auto& a : adapters)
    result += fmt::format("{}{} = {} ({})", result.empty() ? "" : ", ", a.info.index, a.info.name, a.info.backend);
  return result;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 9 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

// Validation stays on: Sluice's own checks are not a proof. SLUICE_DAWN_SKIP_VALIDATION=1 is for measuring what it
// costs.
DawnToggles::DawnToggles(ShaderChecks checks)
    : enabled_{"allow_unsafe_apis", "use_vulkan_memory_model", "vulkan_enable_f16_on_nvidia"},
      disabled_{"timestamp_quantization"} {
  if (const char* skip = std::getenv("SLUICE_DAWN_SKIP_VALIDATION"); skip && *skip == '1')
    enabled_.push_back("skip_validation");
  if (checks != ShaderChecks::kLibrary) enabled_.push_back("disable_robustness");
  descriptor_ = {{nullptr, kDawnTogglesType}, enabled_.size(), enabled_.data(), disabled_.size(), disabled_.data()};
}

// Nothing may be thrown through the library: what fails is a miss.
DawnCache::DawnCache(BlobCache& cache, WGPUChainedStruct* next) {
  descriptor_ = {
      {next, kDawnCacheType},
      view(""),
      [](const void* key, size_t key_size, void* value, size_t value_size, void* user) -> size_t {
        try {
          const std::span out(static_cast<std::byte*>(value), value ? value_size : 0);
          return static_cast<BlobCache*>(user)->load_in_two_calls({static_cast<const std::byte*>(key), key_size}, out);
        } catch (...) {
          return 0;
        }
      },
      [](const void* key, size_t key_size, const void* value, size_t value_size, void* user) {
        try {
          static_cast<const BlobCache*>(user)->store({static_cast<const std::byte*>(key), key_size},
                                                     {static_cast<const std::byte*>(value), value_size});
        } catch (...) {
          return;
        }
      },
      &cache};
}

Handle<WGPUInstance> create_instance(const Library& library) {
  WGPUInstanceDescriptor descriptor = WGPU_INSTANCE_DESCRIPTOR_INIT;
  WGPUInstanceExtras extras{};
  DawnToggles toggles;
  const WGPUInstanceFeatureName timed_wait = WGPUInstanceFeatureName_TimedWaitAny;
  if (library.is_wgpu_native()) {
    // Without the default flags: they add a checking dispatch before every indirect one.
    extras.chain.sType = static_cast<WGPUSType>(WGPUSType_InstanceExtras);
    extras.backends = WGPUInstanceBackend_Primary;
    extras.flags = WGPUInstanceFlag_Empty;
    descriptor.nextInChain = &extras.chain;
  } else {
    if (library.is_dawn()) descriptor.nextInChain = toggles.chain();
    descriptor.requiredFeatureCount = 1;
    descriptor.requiredFeatures = &timed_wait;
  }
  Handle<WGPUInstance> instance(library.wgpuCreateInstance(&descriptor), library.wgpuInstanceRelease);
  if (!instance) fail("gpu", "{} cannot create a WebGPU instance", library.path());
  return instance;
}

std::vector<WGPUFeatureName> features_of(const Library& library, WGPUAdapter adapter) {
  WGPUSupportedFeatures raw = WGPU_SUPPORTED_FEATURES_INIT;
  library.wgpuAdapterGetFeatures(adapter, &raw);
  std::vector<WGPUFeatureName> features(raw.features, raw.features + raw.featureCount);
  library.wgpuSupportedFeaturesFreeMembers(raw);
  return features;
}

std::vector<Adapter> find_adapters(const Library& library, WGPUInstance instance) {
  auto adapters = library.wgpuInstanceEnumerateAdapters ? enumerate_native(library, instance)
                                                        : enumerate_by_request(library, instance);
  std::stable_sort(adapters.begin(), adapters.end(),
                   [](const Adapter& a, const Adapter& b) { return rank(a.info) < rank(b.info); });
  for (uint32_t i = 0; i < adapters.size(); ++i) adapters[i].info.index = i;
  return adapters;
}

Adapter pick_adapter(std::vector<Adapter> adapters, const std::string& choice) {
  if (adapters.empty())
    fail("gpu", "the WebGPU library finds no adapter; is a Vulkan, Metal or D3D12 driver installed?");
  const char* environment = std::getenv("SLUICE_DEVICE");
  const std::string wanted = !choice.empty() ? choice : environment ? environment : "";
  if (wanted.empty()) return std::move(adapters.front());
  if (is_number(wanted)) {
    const auto index = std::stoul(wanted);
    if (index < adapters.size()) return std::move(adapters[index]);
  }
  for (Adapter& adapter : adapters) {
    if (!is_number(wanted) && lower(adapter.info.name).find(lower(wanted)) != std::string::npos)
      return std::move(adapter);
  }
  fail("gpu", "no device {}; there are: {}", wanted, list_names(adapters));
}

std::vector<AdapterInfo> list_adapters(const DeviceOptions& options) {
  const Library& library = Library::load(options.library);
  const auto instance = create_instance(library);
  std::vector<AdapterInfo> result;
  for (Adapter& adapter : find_adapters(library, instance.get())) result.push_back(std::move(adapter.info));
  return result;
}

}  // namespace sluice::gpu
