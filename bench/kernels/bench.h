// What the benches of kernels share. A bench names its cases; the harness builds each on the shared test device, times
// it and prints one line: kernel, shape, dispatches, median microseconds of a run, GB/s of what it must move and, where
// that is what counts, TFLOP/s; or all that as JSON.
//
// A run is the whole plan. `copies` runs over the same tensors follow one another in one submission, because the time
// between two timestamps holds some microseconds that are nobody's; the printed time is of one. Each run writes what
// the one before wrote, so that they cannot overlap.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/common/runner.h"

namespace sluice::bench {

struct Case {
  std::string kernel, shape;
  uint64_t bytes = 0;  // read and written at least, by one part
  // Records the plan once.
  std::function<void(kernels::Runner&)> record;
  uint32_t parts = 1;  // equal ones that the plan consists of, as layers with weights of their own; times are of one
  uint64_t operations = 0;  // additions and multiplications of one part, where they are what counts
  uint32_t rows = 0;        // tokens, where that is the size that varies; 0: not said
};

struct Options {
  uint32_t warmup = 500, repeats = 100, copies = 16;  // warm-up in milliseconds: clocks take some 100 to rise
  uint32_t max_rows = 1000000;                        // cases with more are left out
  bool json = false;
  std::string filter;  // part of "kernel shape"

  // Reads "--repeats N", "--warmup MILLISECONDS", "--copies N", "--max-rows N", "--json" and a filter; a software
  // device gets fewer of all by default. Throws Error for anything else.
  static Options parse(int argc, char** argv);
};

// How a model's float16 tensors lie on the test device.
kernels::Storage float_storage();
uint64_t float_bytes();  // of one

// Random data, uniform; it repeats after a million numbers, for the time it takes to make.
std::vector<uint8_t> random_bytes(size_t count);
std::vector<float> random_floats(size_t count, float scale, uint32_t seed);

bool wanted(const Case& one, const Options& options);

// Times one case and prints its line, if it is wanted. What the device cannot hold is told on stderr and left out.
void run(const Case& one, const Options& options);

}  // namespace sluice::bench
