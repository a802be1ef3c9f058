// Runs a kernel plan on a device over host data: for kernel tests and benchmarks.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "gpu/device.h"
#include "kernels/common/plan.h"

namespace sluice::kernels {

class Runner {
 public:
  explicit Runner(gpu::Device& device) : device_(device), recorder_(device.caps()) {}

  Recorder& recorder() { return recorder_; }
  // Uploads values as `type` (rounded to half for kF16). Values and shape must agree in count.
  Tensor upload(Storage storage, std::vector<uint32_t> shape, const std::vector<float>& values);
  Tensor upload(std::vector<uint32_t> shape, const std::vector<int32_t>& values);        // kI32
  Tensor upload_bytes(std::vector<uint32_t> shape, const std::vector<uint8_t>& values);  // kBytes
  Tensor allocate(Storage storage, std::vector<uint32_t> shape);                         // zero-filled
  // Runs all that was recorded since the last run().
  void run();
  std::vector<float> read_floats(const Tensor& tensor);  // kF32 or kF16
  std::vector<int32_t> read_ints(const Tensor& tensor);  // kI32, or the bits of kU32 and kUnsigned
  // Median nanoseconds of all dispatches recorded so far over `repeats` submissions (at least 1), after others for as
  // long as `warmup`, at least one. By timestamps, with untimed submissions in flight before each timed one, or by the
  // host's clock where the device has none.
  double time(std::chrono::milliseconds warmup, uint32_t repeats);

 private:
  Tensor place(Storage storage, std::vector<uint32_t> shape, std::span<const std::byte> bytes);
  gpu::Step resolve(const Dispatch& dispatch);
  std::vector<gpu::Step> resolve_from(size_t first);
  void submit(const std::vector<gpu::Step>& steps);
  double time_once(const std::vector<gpu::Step>& steps);  // nanoseconds

  gpu::Device& device_;
  Recorder recorder_;
  std::map<Slot, gpu::Buffer> buffers_;
  std::vector<gpu::Buffer> uniforms_;
  Slot next_ = 1;
  size_t ran_ = 0;  // dispatches that run() has submitted
};

// The device that all tests of a process share, opened with the environment's choices.
gpu::Device& test_device();

}  // namespace sluice::kernels
