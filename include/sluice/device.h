// The GPUs that Sluice can run on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sluice {

// Which WebGPU library and which of its adapters to use. Empty: the environment variables SLUICE_WEBGPU_LIBRARY and
// SLUICE_DEVICE, then the library that the build fetched and its best adapter (discrete GPUs first, software adapters
// last).
struct DeviceChoice {
  std::string library;  // path of a shared library that exports webgpu.h
  std::string adapter;  // index in list_devices(), or a part of a name
};

struct DeviceInfo {
  uint32_t index = 0;
  std::string name, vendor, architecture, driver;
  std::string type;     // "discrete GPU", "integrated GPU", "software (CPU)", "unknown"
  std::string backend;  // "Vulkan", "Metal", ...
  std::string library, library_version;
  uint64_t memory = 0;  // bytes; 0 where nobody tells
  std::vector<std::string> features;
  uint32_t subgroup_min = 0, subgroup_max = 0;  // invocations; 0 without subgroups
  std::vector<std::string> subgroup_matrices;   // "16x16x16 f16 in f32" (m x n x k, sums): what tensor cores offer
  uint64_t max_binding = 0, max_buffer = 0;     // bytes
  uint32_t max_invocations = 0;                 // of a workgroup
  uint32_t max_workgroup_storage = 0;           // bytes
  uint32_t max_storage_buffers = 0;             // of a shader
};

// Best first. Throws Error if the library cannot be loaded.
std::vector<DeviceInfo> list_devices(const DeviceChoice& choice = {});

// An open device, for sessions to share: opening one takes a tenth of a second or more, and shaders that one session
// compiled serve the others. Copies are the same device, which is closed with the last of them and of its sessions. Any
// thread may use it; sessions of one device take turns.
class Device {
 public:
  // Throws Error if the library cannot be loaded or no adapter matches.
  explicit Device(const DeviceChoice& choice);

  const DeviceInfo& info() const;

  // Bytes a second that a plain loop reads from a buffer larger than caches (1 GiB where the device allows): what a
  // kernel that is bound by memory can reach. Measured at each call, which takes about a second; throws Error if the
  // device cannot hold the buffer.
  double measure_read_bandwidth() const;

 private:
  friend class Session;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice
