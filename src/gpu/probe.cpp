// What a library does not tell about its device is measured once, at opening, by tiny shaders.
#include "gpu/probe.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "gpu/pipeline.h"

namespace sluice::gpu {
namespace {

constexpr const char* kSubgroupSize = R"(
@group(0) @binding(0) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(128)
fn main(@builtin(subgroup_size) size: u32, @builtin(local_invocation_index) lane: u32) {
  if (lane == 0u) { result[0] = size; }
}
)";

constexpr const char* kPackedDot = R"(
@group(0) @binding(0) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(1)
fn main() { result[0] = bitcast<u32>(dot4I8Packed(result[1], 0x01ff7f80u)); }
)";

// Runs one workgroup over a small zeroed buffer whose second word is `input`, and returns the first word.
uint32_t run_probe(Device& device, Core& core, const std::string& wgsl, uint32_t input) {
  const auto pipeline = core.compile({.name = "probe", .wgsl = wgsl, .storage = {Access::kReadWrite}});
  const Buffer buffer = device.create_buffer(256, "probe");
  const uint32_t words[2] = {0, input};
  device.write(buffer, 0, std::as_bytes(std::span(words)));
  const BufferRange range{&buffer, 0, 0};
  StepDescriptor descriptor;
  descriptor.pipeline = pipeline.get();
  descriptor.storage = {&range, 1};
  descriptor.label = "probe";
  const Step step = device.create_step(descriptor);
  Commands commands(device);
  commands.dispatch(step);
  device.submit(std::move(commands));
  uint32_t result = 0;
  std::memcpy(&result, device.read(buffer, 0, 4).data(), 4);
  return result;
}

// Drivers that choose the subgroup size for each pipeline: the range they choose from.
std::pair<uint32_t, uint32_t> vendor_range(uint32_t vendor_id, uint32_t seen) {
  constexpr uint32_t kAmd = 0x1002, kIntel = 0x8086, kQualcomm = 0x5143, kArm = 0x13b5;
  switch (vendor_id) {
    case kAmd:
      return {std::min(seen, 32u), std::max(seen, 64u)};
    case kIntel:
      return {std::min(seen, 8u), std::max(seen, 32u)};
    case kQualcomm:
      return {std::min(seen, 64u), std::max(seen, 128u)};
    case kArm:
      return {std::min(seen, 4u), std::max(seen, 16u)};
    default:
      return {seen, seen};
  }
}

}  // namespace

std::pair<uint32_t, uint32_t> probe_subgroup_sizes(Device& device, Core& core, uint32_t vendor_id) {
  const std::string head = core.dialect.enable_subgroups ? "enable subgroups;\n" : "";
  const uint32_t seen = run_probe(device, core, head + kSubgroupSize, 0);
  if (seen == 0 || seen > 128) fail("gpu", "{} reports a subgroup size of {}", core.info.name, seen);
  return vendor_range(vendor_id, seen);
}

bool probe_packed_dot(Device& device, Core& core) {
  const std::string head = core.dialect.requires_packed_dot ? "requires packed_4x8_integer_dot_product;\n" : "";
  constexpr uint32_t kInput = 0x7f80ff02u;                   // bytes 2, -1, -128, 127
  constexpr int32_t kExpected = 2 * -128 - 127 + 128 + 127;  // with bytes -128, 127, -1, 1
  try {
    return run_probe(device, core, head + kPackedDot, kInput) == static_cast<uint32_t>(kExpected);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace sluice::gpu
