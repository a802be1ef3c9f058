#include "profile/report.h"

#include <cctype>
#include <map>
#include <numeric>

#include "base/error.h"

namespace sluice::profile {

namespace {

using runtime::MeasuredPhase;
using runtime::PassTimes;
using runtime::StepInfo;
using runtime::StepTensor;

Tensor tensor_of(const StepTensor& tensor) { return {tensor.name, tensor.type, tensor.shape}; }

Step step_of(const StepInfo& info, const StepInfo* before, const char* device) {
  Step step;
  step.op = info.op;
  step.node = info.node;
  step.kernel = info.kernel;
  step.device = device;
  step.sources = info.sources;
  step.first_of_node = before == nullptr || before->op != info.op || before->node != info.node;
  for (const StepTensor& tensor : info.tensors)
    (tensor.written ? step.outputs : step.inputs).push_back(tensor_of(tensor));
  return step;
}

// Of a cache at most the rows of `tokens`.
uint64_t touched(const StepTensor& tensor, uint64_t tokens) {
  if (!tensor.cache || tensor.shape[2] == 0) return tensor.touched;
  const uint64_t row = tensor.bytes / static_cast<uint64_t>(tensor.shape[2]);
  return std::min(tensor.touched, row * tokens);
}

Run run_of(const StepInfo& info, const PassTimes& pass, const runtime::Interval& interval, double offset) {
  Run run{.begin = offset + interval.begin, .time = interval.length};
  for (const StepTensor& tensor : info.tensors) {
    if (tensor.read) run.bytes_read += touched(tensor, uint64_t{pass.past} + pass.tokens);
    if (tensor.written) run.bytes_written += touched(tensor, pass.tokens);
  }
  return run;
}

// Passes lie one after another on the report's clock, each as long as it took.
void add_steps(const MeasuredPhase& measured, Phase& phase) {
  std::vector<size_t> first_step;
  for (const auto& program : measured.programs) {
    first_step.push_back(phase.steps.size());
    for (size_t i = 0; i < program.size(); ++i)
      phase.steps.push_back(step_of(program[i], i == 0 ? nullptr : &program[i - 1], "GPU"));
  }
  for (const PassTimes& pass : measured.each) {
    const auto& program = measured.programs[pass.program];
    for (size_t i = 0; i < pass.steps.size(); ++i) {
      Step& step = phase.steps[first_step[pass.program] + i];
      step.runs.push_back(run_of(program[i], pass, pass.steps[i], pass.begin + pass.record));
    }
  }
}

void add_host(const MeasuredPhase& measured, Phase& phase) {
  for (const PassTimes& pass : measured.each) {
    double at = pass.begin;
    for (const auto& [name, time] : {std::pair("record", pass.record), {"submit", pass.submit}, {"wait", pass.wait}}) {
      phase.host.push_back({name, at, time});
      at += time;
    }
  }
}

// Shapes of the token loop's own buffers follow from their bytes: they hold 32-bit words.
Transfer transfer_of(const gpu::Transfer& noted) {
  const bool ids = noted.buffer.ends_with("id") || noted.buffer.ends_with("ids");
  const Tensor tensor{noted.buffer, ids ? "int32" : "uint32", {static_cast<int64_t>(noted.bytes / 4)}};
  return {.direction = noted.to_host ? "to host" : "to device",
          .node = "",
          .device = "GPU",
          .from = tensor,
          .to = tensor,
          .bytes = noted.bytes,
          .begin = 0,
          .time = noted.microseconds};
}

Timing timing_of(const MeasuredPhase& measured) {
  Timing t{.usual = measured.usual,
           .gpu = 0,
           .gpu_stamped = 0,
           .record = 0,
           .submit = 0,
           .compile = measured.compile,
           .first = measured.first,
           .warm_up = measured.warm_up,
           .warm_up_rounds = measured.warm_up_rounds,
           .rounds = measured.rounds};
  for (const PassTimes& pass : measured.whole) {
    t.gpu += pass.gpu;
    t.record += pass.record;
    t.submit += pass.submit;
  }
  for (const PassTimes& pass : measured.each) t.gpu_stamped += pass.gpu;
  return t;
}

}  // namespace

double Step::total() const {
  return std::accumulate(runs.begin(), runs.end(), 0.0, [](double sum, const Run& run) { return sum + run.time; });
}

uint64_t Step::bytes() const {
  return std::accumulate(runs.begin(), runs.end(), uint64_t{0},
                         [](uint64_t sum, const Run& run) { return sum + run.bytes_read + run.bytes_written; });
}

double Phase::total() const {
  return std::accumulate(steps.begin(), steps.end(), 0.0,
                         [](double sum, const Step& step) { return sum + step.total(); });
}

Report from_measurement(const runtime::Measurement& measurement) {
  Report report{.source = "sluice",
                .model = measurement.model,
                .device = measurement.device,
                .library = measurement.library,
                .clock = measurement.timestamps ? "GPU timestamps" : "submissions",
                .read_limit = measurement.read_limit,
                .phases = {}};
  for (const MeasuredPhase& measured : measurement.phases) {
    Phase phase;
    phase.name = measured.name;
    phase.tokens = measured.tokens;
    phase.runs = static_cast<uint32_t>(measured.each.size());
    phase.timing = timing_of(measured);
    phase.submits = measured.counters.submits;
    phase.waits = measured.counters.waits + measured.counters.idle_waits;
    add_steps(measured, phase);
    if (phase.steps.empty()) {
      fail("profile", "{} has no steps to measure: its outputs are inputs, empty, or known since it was compiled",
           report.model);
    }
    add_host(measured, phase);
    for (const gpu::Transfer& noted : measured.transfers) phase.transfers.push_back(transfer_of(noted));
    report.phases.push_back(std::move(phase));
  }
  return report;
}

std::optional<uint32_t> layer_of(const std::string& node) {
  for (const std::string_view word : {"layers.", "layers_", "layer.", "blocks.", "/h."}) {
    const size_t at = node.find(word);
    if (at == std::string::npos) continue;
    uint32_t layer = 0;
    size_t end = at + word.size();
    for (; end < node.size() && std::isdigit(static_cast<unsigned char>(node[end])) != 0 && layer < 1u << 20; ++end)
      layer = layer * 10 + static_cast<uint32_t>(node[end] - '0');
    if (end > at + word.size()) return layer;
  }
  return std::nullopt;
}

std::optional<uint32_t> layer_of(const Step& step) {
  std::optional<uint32_t> layer = layer_of(step.node);
  for (size_t i = 0; !layer && i < step.sources.size(); ++i) layer = layer_of(step.sources[i]);
  return layer;
}

}  // namespace sluice::profile
