#include "gpu/device.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/log.h"
#include "gpu/blob_cache.h"
#include "gpu/core.h"
#include "gpu/index_watch.h"
#include "gpu/probe.h"

namespace sluice::gpu {
namespace {

struct DeviceRequest {
  std::shared_ptr<Completion> completion = std::make_shared<Completion>();
  WGPUDevice device = nullptr;
};

std::vector<WGPUFeatureName> wanted_features(const Library& library, WGPUAdapter adapter, const CapsOverride& disable) {
  const auto offered = features_of(library, adapter);
  std::vector<WGPUFeatureName> wanted;
  const auto want = [&](WGPUFeatureName feature, bool disabled) {
    if (!disabled && std::find(offered.begin(), offered.end(), feature) != offered.end()) wanted.push_back(feature);
  };
  want(WGPUFeatureName_ShaderF16, disable.no_f16);
  want(WGPUFeatureName_TimestampQuery, disable.no_timestamps);
  want(subgroup_feature(library), disable.no_subgroups);
  if (library.is_dawn())
    want(kDawnSubgroupMatrixFeature, disable.no_subgroup_matrix || disable.no_subgroups || disable.no_f16);
  return wanted;
}

void set_error_callbacks(WGPUDeviceDescriptor& descriptor, ErrorSink& sink) {
  descriptor.uncapturedErrorCallbackInfo.userdata1 = &sink;
  descriptor.uncapturedErrorCallbackInfo.callback = [](const WGPUDevice*, WGPUErrorType, WGPUStringView message,
                                                       void* user, void*) {
    auto& errors = *static_cast<ErrorSink*>(user);
    const std::lock_guard lock(errors.mutex);
    if (errors.error.empty()) errors.error = text(message);
  };
  descriptor.deviceLostCallbackInfo.mode = WGPUCallbackMode_AllowProcessEvents;
  descriptor.deviceLostCallbackInfo.userdata1 = &sink;
  descriptor.deviceLostCallbackInfo.callback = [](const WGPUDevice*, WGPUDeviceLostReason reason,
                                                  WGPUStringView message, void* user, void*) {
    if (reason == WGPUDeviceLostReason_Destroyed || reason == WGPUDeviceLostReason_CallbackCancelled) return;
    auto& errors = *static_cast<ErrorSink*>(user);
    const std::lock_guard lock(errors.mutex);
    errors.lost = text(message) + (message.length ? "" : "no reason given");
  };
}

// Asks for all of the adapter's limits, or for none: then the device has WebGPU's defaults.
Handle<WGPUDevice> request_device(Core& core, const std::vector<WGPUFeatureName>& features, bool small_limits) {
  const auto& library = core.library;
  DawnToggles toggles(core.checks);
  WGPULimits limits = WGPU_LIMITS_INIT;
  library.wgpuAdapterGetLimits(core.adapter.get(), &limits);
  limits.nextInChain = nullptr;
  limits.maxImmediateSize = 0;  // wgpu-native grants it with a feature only
  WGPUDeviceDescriptor descriptor = WGPU_DEVICE_DESCRIPTOR_INIT;
  std::optional<DawnCache> cache;
  if (library.is_dawn()) {
    descriptor.nextInChain = toggles.chain();
    if (BlobCache* blobs = BlobCache::shared()) descriptor.nextInChain = cache.emplace(*blobs, toggles.chain()).chain();
  }
  descriptor.label = view("sluice");
  descriptor.requiredFeatureCount = features.size();
  descriptor.requiredFeatures = features.data();
  descriptor.requiredLimits = small_limits ? nullptr : &limits;
  set_error_callbacks(descriptor, core.errors);

  DeviceRequest request;
  WGPURequestDeviceCallbackInfo callback = WGPU_REQUEST_DEVICE_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = &request;
  callback.callback = [](WGPURequestDeviceStatus, WGPUDevice device, WGPUStringView message, void* user, void*) {
    auto& result = *static_cast<DeviceRequest*>(user);
    result.device = device;
    if (!device) result.completion->error = text(message);
    result.completion->done = true;
  };
  library.wgpuAdapterRequestDevice(core.adapter.get(), &descriptor, callback);
  while (!request.completion->done) library.wgpuInstanceProcessEvents(core.instance.get());
  if (!request.device) fail("gpu", "{} opens no device: {}", core.info.name, request.completion->error);
  return {request.device, library.wgpuDeviceRelease};
}

void find_caps(Core& core, const std::vector<WGPUFeatureName>& features, uint64_t max_binding) {
  WGPULimits limits = WGPU_LIMITS_INIT;
  core.library.wgpuDeviceGetLimits(core.device.get(), &limits);
  const Caps offered = core.info.caps;
  core.info.caps = caps_of(features, limits, core.library);
  core.info.caps.software = offered.software;
  if (std::find(features.begin(), features.end(), kDawnSubgroupMatrixFeature) != features.end())
    core.info.caps.subgroup_matrices = offered.subgroup_matrices;
  core.info.caps.max_binding = std::min(core.info.caps.max_binding, max_binding / 4 * 4);
  if (!core.info.caps.subgroups) return;
  core.info.caps.subgroup_min = offered.subgroup_min;
  core.info.caps.subgroup_max = offered.subgroup_max;
}

// Other libraries are Tint's kin: they want the directives that the specification asks for.
shader::Dialect dialect_of(const Core& core) {
  const auto& library = core.library;
  if (library.is_wgpu_native()) return {};
  const bool dot = library.wgpuInstanceHasWGSLLanguageFeature &&
                   library.wgpuInstanceHasWGSLLanguageFeature(core.instance.get(),
                                                              WGPUWGSLLanguageFeatureName_Packed4x8IntegerDotProduct);
  return {.enable_subgroups = true, .requires_packed_dot = dot};
}

}  // namespace

ShaderChecks DeviceOptions::checks_from_environment() {
  const char* value = std::getenv("SLUICE_CHECK_SHADERS");
  const std::string_view wanted = value ? value : "";
  if (wanted.empty() || wanted == "0") return ShaderChecks::kNone;
  if (wanted == "1") return ShaderChecks::kLibrary;
  if (wanted == "report") return ShaderChecks::kReport;
  fail("gpu", "SLUICE_CHECK_SHADERS must be 0, 1 or report, got {}", wanted);
}

Device::Device(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Device::~Device() = default;

std::unique_ptr<Device> Device::open(const DeviceOptions& options) {
  const Library& library = Library::load(options.library);
  auto core = std::make_shared<Core>(library);
  core->checks = options.checks;
  core->instance = create_instance(library);
  Adapter adapter = pick_adapter(find_adapters(library, core->instance.get()), options.adapter);
  core->adapter = std::move(adapter.handle);
  core->info = std::move(adapter.info);
  const auto features = wanted_features(library, core->adapter.get(), options.disable);
  core->device = request_device(*core, features, options.disable.small_limits);
  core->queue = {library.wgpuDeviceGetQueue(core->device.get()), library.wgpuQueueRelease};
  find_caps(*core, features, options.disable.max_binding);
  core->info.caps.fusion = !options.disable.no_fusion;
  core->dialect = dialect_of(*core);

  auto impl = std::make_unique<Impl>();
  impl->core = core;
  std::unique_ptr<Device> device(new Device(std::move(impl)));
  Caps& caps = core->info.caps;
  if (caps.subgroups && caps.subgroup_min == 0) {
    std::tie(caps.subgroup_min, caps.subgroup_max) = probe_subgroup_sizes(*device, *core, adapter.vendor_id);
  }
  caps.dot4i8 = !options.disable.no_dot4i8 && probe_packed_dot(*device, *core);
  if (core->checks == ShaderChecks::kReport) core->watch = std::make_unique<IndexWatch>(*core);
  core->counters = {};
  core->memory.reset_peak();
  log(Component::kGpu, LogLevel::kInfo, "device opened",
      {{"name", core->info.name}, {"library", core->info.library_version}, {"driver", core->info.driver}});
  return device;
}

const Caps& Device::caps() const { return impl_->core->info.caps; }
const AdapterInfo& Device::info() const { return impl_->core->info; }
const Counters& Device::counters() const { return impl_->core->counters; }
MemoryUse Device::memory_use() const { return impl_->core->memory.use(); }

WGPUSubmissionIndex Device::Impl::run(Commands&& commands) {
  core->check();
  Commands::Impl& recording = *commands.impl_;
  const auto buffer = recording.finish();
  core->check();  // what the library found wrong while recording must not be submitted
  const auto index = core->submit({buffer.get()});
  ++core->counters.submits;
  core->counters.dispatches += recording.dispatches;
  if (!recording.timings.spans.empty()) core->timings = std::move(recording.timings);
  commands.impl_.reset();
  return index;
}

void Device::submit(Commands&& commands) { impl_->run(std::move(commands)); }

void Device::wait_idle() {
  Core& core = *impl_->core;
  core.check();
  ++core.counters.idle_waits;
  const auto done = core.submitted_work_done();
  core.wait(*done);
  core.check();
}

void Device::poll() { impl_->core->poll(); }

}  // namespace sluice::gpu
