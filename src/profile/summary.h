// The tables of a report, each largest first: pure functions of its data.
#pragma once

#include <string>
#include <vector>

#include "profile/report.h"

namespace sluice::profile {

struct Row {
  std::string name;
  std::string device;
  double total = 0;    // microseconds
  uint64_t count = 0;  // runs
  uint64_t bytes = 0;  // moved by those whose bytes are known
  double average() const { return count == 0 ? 0 : total / static_cast<double>(count); }
  double bytes_per_second() const { return total > 0 ? static_cast<double>(bytes) / total * 1e6 : 0; }
};

enum class By : uint8_t { kOperator, kKernel, kDevice, kLayer };

// Steps and, by operator and by device, ONNX Runtime's copies between host and device, which are nodes there. An
// operator's count is of nodes, the others' of dispatches. Layers come in their order, what lies outside them last.
std::vector<Row> table(const Phase& phase, By by, const std::string& device = "");

// A single run of a step.
struct SlowRun {
  const Step* step = nullptr;
  Run run;
};
std::vector<SlowRun> slowest_runs(const Phase& phase, size_t count);
// Each step once, by the average of its runs.
std::vector<const Step*> slowest_steps(const Phase& phase, size_t count);
// The slowest run of each node whose device is a CPU, but for copies.
std::vector<SlowRun> cpu_runs(const Phase& phase);
bool is_cpu(const std::string& device);
// Copies are nodes of ONNX Runtime's graph, and of nobody else's.
bool is_node(const Transfer& transfer);

std::vector<const Transfer*> slowest_transfers(const Phase& phase, size_t count);

// Time between the end of a dispatch and the beginning of the next one of the same replay, over all replays.
double gaps(const Phase& phase);

// All time that the shares are of: steps and copies that are nodes.
double all_time(const Phase& phase);

}  // namespace sluice::profile
