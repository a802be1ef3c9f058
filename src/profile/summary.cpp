#include "profile/summary.h"

#include <algorithm>
#include <map>

namespace sluice::profile {

namespace {

std::string key_of(const Step& step, By by) {
  switch (by) {
    case By::kOperator:
      return step.op;
    case By::kKernel:
      return step.kernel;
    case By::kDevice:
      return step.device;
    case By::kLayer: {
      const std::optional<uint32_t> layer = layer_of(step);
      return layer ? std::to_string(*layer) : "";
    }
  }
  return "";
}

void sort_rows(std::vector<Row>& rows, By by) {
  const auto slower = [](const Row& a, const Row& b) { return a.total > b.total; };
  const auto earlier = [](const Row& a, const Row& b) {
    if (a.name.empty() || b.name.empty()) return !a.name.empty();
    return std::stoul(a.name) < std::stoul(b.name);
  };
  by == By::kLayer ? std::stable_sort(rows.begin(), rows.end(), earlier)
                   : std::stable_sort(rows.begin(), rows.end(), slower);
}

}  // namespace

bool is_node(const Transfer& transfer) { return !transfer.node.empty(); }

std::vector<Row> table(const Phase& phase, By by, const std::string& device) {
  std::map<std::string, Row> rows;
  const auto row = [&](const std::string& key, const std::string& where) -> Row& {
    Row& r = rows[key];
    r.name = key;
    r.device = where;
    return r;
  };
  for (const Step& step : phase.steps) {
    if ((!device.empty() && step.device != device) || step.runs.empty()) continue;
    Row& r = row(key_of(step, by), step.device);
    r.total += step.total();
    r.bytes += step.bytes();
    if (by != By::kOperator || step.first_of_node) r.count += step.runs.size();
  }
  for (const Transfer& transfer : phase.transfers) {
    if (!is_node(transfer) || by == By::kKernel || by == By::kLayer || (!device.empty() && transfer.device != device))
      continue;
    Row& r = row(by == By::kOperator ? transfer.direction : transfer.device, transfer.device);
    r.total += transfer.time;
    ++r.count;
  }
  std::vector<Row> result;
  for (auto& [key, value] : rows) result.push_back(std::move(value));
  sort_rows(result, by);
  return result;
}

std::vector<SlowRun> slowest_runs(const Phase& phase, size_t count) {
  std::vector<SlowRun> runs;
  for (const Step& step : phase.steps) {
    for (const Run& run : step.runs) runs.push_back({&step, run});
  }
  const auto end = runs.begin() + static_cast<ptrdiff_t>(std::min(count, runs.size()));
  std::partial_sort(runs.begin(), end, runs.end(),
                    [](const SlowRun& a, const SlowRun& b) { return a.run.time > b.run.time; });
  runs.erase(end, runs.end());
  return runs;
}

std::vector<const Step*> slowest_steps(const Phase& phase, size_t count) {
  std::vector<const Step*> steps;
  for (const Step& step : phase.steps) {
    if (!step.runs.empty()) steps.push_back(&step);
  }
  const auto average = [](const Step* step) { return step->total() / static_cast<double>(step->runs.size()); };
  std::stable_sort(steps.begin(), steps.end(), [&](const auto* a, const auto* b) { return average(a) > average(b); });
  steps.resize(std::min(count, steps.size()));
  return steps;
}

bool is_cpu(const std::string& device) { return device.starts_with("CPU"); }

std::vector<SlowRun> cpu_runs(const Phase& phase) {
  std::map<std::string, SlowRun> slowest;  // by node: one with other shapes is another step
  for (const Step& step : phase.steps) {
    for (const Run& run : step.runs) {
      if (!is_cpu(step.device)) continue;
      SlowRun& known = slowest.try_emplace(step.node, SlowRun{&step, run}).first->second;
      if (run.time > known.run.time) known = {&step, run};
    }
  }
  std::vector<SlowRun> result;
  for (const auto& [node, run] : slowest) result.push_back(run);
  std::stable_sort(result.begin(), result.end(),
                   [](const SlowRun& a, const SlowRun& b) { return a.run.time > b.run.time; });
  return result;
}

std::vector<const Transfer*> slowest_transfers(const Phase& phase, size_t count) {
  std::vector<const Transfer*> result;
  for (const Transfer& transfer : phase.transfers) result.push_back(&transfer);
  std::stable_sort(result.begin(), result.end(), [](const auto* a, const auto* b) { return a->time > b->time; });
  result.resize(std::min(count, result.size()));
  return result;
}

double gaps(const Phase& phase) { return std::max(0.0, phase.timing.gpu_stamped - phase.total()); }

double all_time(const Phase& phase) {
  double sum = phase.total();
  for (const Transfer& transfer : phase.transfers) sum += is_node(transfer) ? transfer.time : 0;
  return sum;
}

}  // namespace sluice::profile
