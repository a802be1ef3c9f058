// Runs any supported ONNX graph on the GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "sluice/device.h"
#include "sluice/error.h"
#include "sluice/profile.h"

namespace sluice {

// A tensor on the host. dtype is ONNX's name: "float", "float16", "int64", "int32", "int16", "int8", "uint64",
// "uint32", "uint16", "uint8", "bool". The GPU computes 64-bit integers in 32 bits: values beyond are refused.
struct HostTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;  // row-major, little-endian
};

// A size, or the name of one that the model leaves open ("sequence_length", "past+1"; "x[0]" for a nameless one).
using TensorSize = std::variant<int64_t, std::string>;

// What is known of a graph's input or output before it runs.
struct TensorInfo {
  std::string name;
  std::string dtype;                             // ONNX's name; empty if unknown
  std::optional<std::vector<TensorSize>> shape;  // nothing if not even the rank is known
};

class Session {
 public:
  // Throws Error if the file is broken or the device cannot be opened.
  explicit Session(const std::filesystem::path& model, const DeviceChoice& device = {});
  Session(const std::filesystem::path& model, const Device& device);
  // The bytes of a file; external data is looked up in `folder`.
  Session(std::span<const std::byte> model, const std::filesystem::path& folder, const Device& device);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // In the model's order. Shapes of outputs are inferred where the file does not say them.
  const std::vector<TensorInfo>& inputs() const;
  const std::vector<TensorInfo>& outputs() const;

  // All inputs by name -> all outputs by name. Throws Error with every obstacle: unsupported operators, wrong inputs,
  // limits. Any thread may call it; calls take turns.
  std::map<std::string, HostTensor> run(const std::map<std::string, HostTensor>& feeds);

  // Runs the graph options.repeats times in each way of measuring and says where the time went; options.phase and
  // options.tokens mean nothing here. Throws what run() throws.
  Profile profile(const std::map<std::string, HostTensor>& feeds, const ProfileOptions& options = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
