#include "bench.h"

#include <cstdio>
#include <cstdlib>

#include "base/error.h"

namespace sluice::bench {
namespace {

uint32_t number(const std::string& text) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value == 0 || value > 1000000)
    fail("bench", "a number from 1 to 1000000 is needed, got \"{}\"", text);
  return static_cast<uint32_t>(value);
}

}  // namespace

Options Options::parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    uint32_t* target = word == "--repeats"  ? &options.repeats
                       : word == "--warmup" ? &options.warmup
                       : word == "--copies" ? &options.copies
                                            : nullptr;
    if (target != nullptr && i + 1 < argc) {
      *target = number(argv[++i]);
    } else if (word.starts_with("--")) {
      fail("bench", "usage: [--repeats N] [--warmup N] [--copies N] [part of a case's name]");
    } else {
      options.filter = word;
    }
  }
  return options;
}

void run(const Case& one, const Options& options) {
  if ((one.kernel + " " + one.shape).find(options.filter) == std::string::npos) return;
  gpu::Device& device = kernels::test_device();
  kernels::Runner runner(device);
  one.record(runner);
  auto& dispatches = runner.recorder().dispatches();
  const size_t count = dispatches.size();
  dispatches.reserve(count * options.copies);
  for (size_t i = count; i < count * options.copies; ++i) dispatches.push_back(dispatches[i - count]);
  const double ns = runner.time(options.warmup, options.repeats) / options.copies / one.parts;
  const std::string speed =
      one.operations > 0 ? fmt::format("\"tflop_s\": {:.2f}, ", static_cast<double>(one.operations) / ns / 1000) : "";
  fmt::print(
      "{{\"kernel\": \"{}\", \"shape\": \"{}\", \"dispatches\": {}, \"us\": {:.2f}, \"bytes\": {}, \"gb_s\": {:.1f}, {}"
      "\"clock\": \"{}\", \"device\": \"{}\"}}\n",
      one.kernel, one.shape, count / one.parts, ns / 1000, one.bytes, static_cast<double>(one.bytes) / ns, speed,
      device.caps().timestamps ? "gpu" : "host", device.info().name);
  std::fflush(stdout);
}

}  // namespace sluice::bench
