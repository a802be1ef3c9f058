#include "runtime/bandwidth.h"

#include <algorithm>
#include <chrono>

#include "kernels/common/runner.h"
#include "kernels/data/read_all.h"

namespace sluice::runtime {

namespace {

using kernels::ReadAllProblem;
using kernels::Storage;

// Large enough that what stays in a cache from one repeat to the next does not count; a processor's caches are smaller,
// and its memory is slower.
constexpr uint64_t kBytes = 1ull << 30, kSoftwareBytes = 64ull << 20;
constexpr uint32_t kWorkgroups[] = {1024, 4096, 16384};
constexpr std::chrono::milliseconds kWarmup{100};  // GPUs raise their clocks only under load
constexpr double kMeasureNs = 2e7;

uint32_t words_to_read(const gpu::Caps& caps) {
  const uint64_t bytes = std::min({caps.software ? kSoftwareBytes : kBytes, caps.max_binding, caps.max_buffer});
  return static_cast<uint32_t>(bytes / 4 / ReadAllProblem::kBlockWords * ReadAllProblem::kBlockWords);
}

uint32_t repeats_of(double one_ns) {
  return std::clamp(static_cast<uint32_t>(kMeasureNs / std::max(one_ns, 1.0)), 5u, 1000u);
}

double bandwidth_with(gpu::Device& device, uint32_t workgroups) {
  kernels::Runner runner(device);
  const uint32_t words = words_to_read(device.caps());
  const kernels::Tensor x = runner.allocate(Storage::kUnsigned, {words});
  const kernels::Tensor sums = runner.allocate(Storage::kUnsigned, {workgroups});
  kernels::plan_read_all({x, sums}, runner.recorder());
  const double once = runner.time(kWarmup, 1);
  return 4e9 * words / runner.time(std::chrono::milliseconds(0), repeats_of(once));
}

}  // namespace

double read_bandwidth(gpu::Device& device) {
  double best = 0;
  for (const uint32_t workgroups : kWorkgroups) {
    best = std::max(best, bandwidth_with(device, workgroups));
    device.wait_idle();  // frees the buffer before the next one is made
  }
  return best;
}

}  // namespace sluice::runtime
