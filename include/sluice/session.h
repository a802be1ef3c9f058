// Runs any supported ONNX graph on the GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/device.h"
#include "sluice/error.h"

namespace sluice {

// A tensor on the host. dtype is ONNX's name: "float", "float16", "int64", "int32", "int16", "int8", "uint64",
// "uint32", "uint16", "uint8", "bool". The GPU computes 64-bit integers in 32 bits: values beyond are refused.
struct HostTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;  // row-major, little-endian
};

class Session {
 public:
  // Throws Error if the file is broken or the device cannot be opened.
  explicit Session(const std::filesystem::path& model, const DeviceChoice& device = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // All inputs by name -> all outputs by name. Throws Error with every obstacle: unsupported operators, wrong inputs,
  // limits.
  std::map<std::string, HostTensor> run(const std::map<std::string, HostTensor>& feeds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
