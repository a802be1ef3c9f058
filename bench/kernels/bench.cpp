#include "bench.h"

#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/error.h"

namespace sluice::bench {
namespace {

constexpr size_t kPeriod = 1 << 20;

uint32_t number(const std::string& text) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value == 0 || value > 1000000)
    fail("bench", "a number from 1 to 1000000 is needed, got \"{}\"", text);
  return static_cast<uint32_t>(value);
}

struct Result {
  size_t dispatches = 0;
  double ns = 0;
  double gb_s = 0, tflop_s = 0;
};

void print_json(const Case& one, const Result& r) {
  gpu::Device& device = kernels::test_device();
  fmt::print(
      "{{\"kernel\": \"{}\", \"shape\": \"{}\", \"rows\": {}, \"dispatches\": {}, \"us\": {:.2f}, \"bytes\": {}, "
      "\"gb_s\": {:.1f}, \"tflop_s\": {:.2f}, \"clock\": \"{}\", \"device\": \"{}\", \"library\": \"{}\"}}\n",
      one.kernel, one.shape, one.rows, r.dispatches, r.ns / 1000, one.bytes, r.gb_s, r.tflop_s,
      device.caps().timestamps ? "gpu" : "host", device.info().name, device.info().library_version);
}

void print_line(const Case& one, const Result& r) {
  const std::string speed = one.operations > 0 ? fmt::format("{:>9.2f} TFLOP/s", r.tflop_s) : "";
  fmt::print("{:<24} {:<40} {:>3} dispatches {:>11.2f} us {:>8.1f} GB/s{}\n", one.kernel, one.shape, r.dispatches,
             r.ns / 1000, r.gb_s, speed);
}

Result measure(const Case& one, const Options& options) {
  kernels::Runner runner(kernels::test_device());
  one.record(runner);
  auto& dispatches = runner.recorder().dispatches();
  const size_t count = dispatches.size();
  dispatches.reserve(count * options.copies);
  for (size_t i = count; i < count * options.copies; ++i) dispatches.push_back(dispatches[i - count]);
  Result result{.dispatches = count / one.parts};
  result.ns = runner.time(std::chrono::milliseconds(options.warmup), options.repeats) / options.copies / one.parts;
  result.gb_s = static_cast<double>(one.bytes) / result.ns;
  result.tflop_s = static_cast<double>(one.operations) / result.ns / 1000;
  return result;
}

}  // namespace

Options Options::parse(int argc, char** argv) {
  Options options;
  if (kernels::test_device().caps().software)
    options = {.warmup = 0, .repeats = 3, .copies = 2, .max_rows = 1, .json = false, .filter = ""};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    uint32_t* target = word == "--repeats"    ? &options.repeats
                       : word == "--warmup"   ? &options.warmup
                       : word == "--copies"   ? &options.copies
                       : word == "--max-rows" ? &options.max_rows
                                              : nullptr;
    if (target != nullptr && i + 1 < argc) {
      *target = number(argv[++i]);
    } else if (word == "--json") {
      options.json = true;
    } else if (word.starts_with("--")) {
      fail("bench",
           "usage: [--json] [--repeats N] [--warmup MILLISECONDS] [--copies N] [--max-rows N] [part of a case's name]");
    } else {
      options.filter = word;
    }
  }
  return options;
}

kernels::Storage float_storage() {
  return kernels::test_device().caps().f16 ? kernels::Storage::kF16 : kernels::Storage::kF32;
}

uint64_t float_bytes() { return float_storage() == kernels::Storage::kF16 ? 2 : 4; }

std::vector<uint8_t> random_bytes(size_t count) {
  std::mt19937 random(1);
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = i < kPeriod ? static_cast<uint8_t>(random()) : bytes[i - kPeriod];
  return bytes;
}

std::vector<float> random_floats(size_t count, float scale, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(-scale, scale);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = i < kPeriod ? draw(random) : values[i - kPeriod];
  return values;
}

bool wanted(const Case& one, const Options& options) {
  return one.rows <= options.max_rows && (one.kernel + " " + one.shape).find(options.filter) != std::string::npos;
}

void run(const Case& one, const Options& options) {
  if (!wanted(one, options)) return;
  try {
    const Result result = measure(one, options);
    (options.json ? print_json : print_line)(one, result);
  } catch (const Error& error) {
    fmt::print(stderr, "{} {} is left out: {}\n", one.kernel, one.shape, error.what());
  }
  std::fflush(stdout);
}

}  // namespace sluice::bench
