#include "kernels/common/runner.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace sluice::kernels {
namespace {

using Clock = std::chrono::steady_clock;

uint64_t count(const std::vector<uint32_t>& shape) { return Tensor{0, Storage::kF32, shape}.elements(); }

void check_count(const std::vector<uint32_t>& shape, size_t values) {
  if (count(shape) != values) fail("runner", "shape of {} elements, got {} values", count(shape), values);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

Tensor Runner::place(Storage storage, std::vector<uint32_t> shape, std::span<const std::byte> bytes) {
  Tensor tensor{next_++, storage, std::move(shape)};
  auto buffer = device_.create_buffer(storage_bytes(storage, tensor.elements()), fmt::format("tensor {}", tensor.slot));
  if (!bytes.empty()) device_.write(buffer, 0, bytes);
  buffers_.emplace(tensor.slot, std::move(buffer));
  return tensor;
}

Tensor Runner::upload(Storage storage, std::vector<uint32_t> shape, const std::vector<float>& values) {
  check_count(shape, values.size());
  if (storage == Storage::kF32) return place(storage, std::move(shape), std::as_bytes(std::span(values)));
  if (storage != Storage::kF16) fail("runner", "floats are uploaded as f32 or f16");
  std::vector<uint16_t> halves(values.size());
  std::transform(values.begin(), values.end(), halves.begin(), float_to_half);
  return place(storage, std::move(shape), std::as_bytes(std::span(halves)));
}

Tensor Runner::upload(std::vector<uint32_t> shape, const std::vector<int32_t>& values) {
  check_count(shape, values.size());
  return place(Storage::kI32, std::move(shape), std::as_bytes(std::span(values)));
}

Tensor Runner::upload_bytes(std::vector<uint32_t> shape, const std::vector<uint8_t>& values) {
  check_count(shape, values.size());
  return place(Storage::kBytes, std::move(shape), std::as_bytes(std::span(values)));
}

Tensor Runner::allocate(Storage storage, std::vector<uint32_t> shape) { return place(storage, std::move(shape), {}); }

gpu::Step Runner::resolve(const Dispatch& dispatch) {
  std::vector<gpu::BufferRange> storage;
  std::vector<gpu::Access> access;
  const auto range = [&](const Operand& operand) {
    const auto found = buffers_.find(operand.slot);
    if (found == buffers_.end()) fail("runner", "{}: slot {} has no buffer", dispatch.name, operand.slot);
    return gpu::BufferRange{&found->second, operand.offset, operand.size};
  };
  for (const Operand& operand : dispatch.operands) {
    storage.push_back(range(operand));
    access.push_back(operand.access);
  }
  gpu::StepDescriptor descriptor;
  descriptor.label = dispatch.name;
  descriptor.pipeline = &device_.pipeline(dispatch.shader, access, !dispatch.uniforms.empty());
  descriptor.storage = storage;
  if (!dispatch.uniforms.empty()) {
    uniforms_.push_back(device_.create_uniform_buffer(dispatch.uniforms.size(), dispatch.name));
    device_.write(uniforms_.back(), 0, dispatch.uniforms);
    descriptor.uniforms = {&uniforms_.back(), 0, 0};
  }
  if (dispatch.indirect.slot != kNoSlot) {
    descriptor.indirect = range(dispatch.indirect);
  } else {
    std::copy(dispatch.groups.begin(), dispatch.groups.end(), descriptor.groups);
  }
  return device_.create_step(descriptor);
}

std::vector<gpu::Step> Runner::resolve_from(size_t first) {
  for (const Tensor& tensor : recorder_.scratch_tensors()) {
    if (buffers_.contains(tensor.slot)) continue;
    const auto bytes = storage_bytes(tensor.storage, tensor.elements());
    buffers_.emplace(tensor.slot, device_.create_buffer(bytes, fmt::format("scratch {}", tensor.slot)));
  }
  std::vector<gpu::Step> steps;
  const auto& dispatches = recorder_.dispatches();
  for (size_t i = first; i < dispatches.size(); ++i) steps.push_back(resolve(dispatches[i]));
  return steps;
}

void Runner::run() {
  const auto steps = resolve_from(ran_);
  ran_ = recorder_.dispatches().size();
  submit(steps);
}

std::vector<float> Runner::read_floats(const Tensor& tensor) {
  const auto bytes = device_.read(buffers_.at(tensor.slot), 0, storage_bytes(tensor.storage, tensor.elements()));
  std::vector<float> values(tensor.elements());
  if (tensor.storage == Storage::kF32) {
    std::memcpy(values.data(), bytes.data(), values.size() * 4);
    return values;
  }
  if (tensor.storage != Storage::kF16) fail("runner", "only f32 and f16 tensors are read as floats");
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half = 0;
    std::memcpy(&half, bytes.data() + 2 * i, 2);
    values[i] = half_to_float(half);
  }
  return values;
}

std::vector<int32_t> Runner::read_ints(const Tensor& tensor) {
  if (tensor.storage != Storage::kI32 && tensor.storage != Storage::kU32 && tensor.storage != Storage::kUnsigned)
    fail("runner", "only i32 and u32 tensors are read as integers");
  const auto bytes = device_.read(buffers_.at(tensor.slot), 0, storage_bytes(tensor.storage, tensor.elements()));
  std::vector<int32_t> values(tensor.elements());
  std::memcpy(values.data(), bytes.data(), values.size() * 4);
  return values;
}

double Runner::time_once(const std::vector<gpu::Step>& steps) {
  const auto begin = Clock::now();
  const bool timestamps = device_.caps().timestamps;
  gpu::Commands commands(device_);
  if (timestamps) commands.begin_timed_span();
  commands.dispatch(steps);
  if (timestamps) commands.end_timed_span();
  device_.submit(std::move(commands));
  if (timestamps) {
    const auto timing = device_.read_timings().at(0);
    return static_cast<double>(timing.end_ns - timing.begin_ns);
  }
  device_.wait_idle();
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
}

void Runner::submit(const std::vector<gpu::Step>& steps) {
  gpu::Commands commands(device_);
  commands.dispatch(steps);
  device_.submit(std::move(commands));
}

// A GPU that waits for the host between submissions keeps its clock low, so untimed ones stay in flight before the
// timed.
double Runner::time(std::chrono::milliseconds warmup, uint32_t repeats) {
  constexpr double kAheadNs = 1e6;
  const auto steps = resolve_from(0);
  const double first = time_once(steps);  // with what was uploaded
  const auto run_ahead = [&](double one) {
    for (double ns = 0; ns < std::min(kAheadNs, 16 * one); ns += one) submit(steps);
  };
  const auto start = Clock::now();
  while (Clock::now() - start < warmup) {
    run_ahead(first);
    device_.wait_idle();
  }
  std::vector<double> times;
  for (uint32_t i = 0; i < repeats; ++i) {
    if (device_.caps().timestamps) run_ahead(times.empty() ? first : times.back());
    times.push_back(time_once(steps));
  }
  return median(std::move(times));
}

// Never closed: a library's threads do not survive the end of the process in an orderly way.
gpu::Device& test_device() {
  static gpu::Device& device = *gpu::Device::open().release();
  return device;
}

}  // namespace sluice::kernels
