// The report as text. Its sections and columns are those that people post in issues of ONNX Runtime.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "profile/format.h"
#include "profile/summary.h"
#include "profile/write.h"

namespace sluice::profile {

namespace {

constexpr size_t kShownOperators = 20, kShownOfDevice = 15, kShownRuns = 30;

std::string heading(const std::string& title) {
  const std::string line(80, '=');
  return fmt::format("\n{}\n{}\n{}\n", line, title, line);
}

class Writer {
 public:
  explicit Writer(const Report& report) : report_(report), own_(report.is_own()) {}

  std::string write() {
    text_ = fmt::format("{}\n  on {}, {}; steps timed by {}\n", report_.model, report_.device, report_.library,
                        report_.clock);
    if (report_.clock == "submissions")
      text_ += "  (no timestamps on this device: each step was submitted alone, so its time includes a round trip)\n";
    if (!own_) text_ += "  (times of nodes are the host's: a GPU's work shows where the host waits for it)\n";
    for (const Phase& phase : report_.phases) write_phase(phase);
    return std::move(text_);
  }

 private:
  void write_phase(const Phase& phase) {
    if (own_ || report_.phases.size() > 1) text_ += heading(upper(phase.name));
    own_ ? write_timing(phase) : write_waits(phase);
    write_operators(phase);
    if (!phase.steps.empty() && !phase.steps[0].kernel.empty()) write_kernels(phase);
    write_devices(phase);
    write_transfers(phase);
    write_fallback(phase);
    write_slowest(phase);
    if (own_) write_layers(phase);
  }

  static std::string upper(std::string text) {
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
  }

  void line(const char* what, double microseconds, const std::string& note) {
    text_ += fmt::format("  {:<34} {:>12.3f} ms  {}\n", what, microseconds / 1e3, note);
  }

  static std::string counted(uint64_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  }

  void write_usual(const Phase& phase) {
    const std::string calls = counted(phase.submits, "submission") + ", " + counted(phase.waits, "wait");
    const std::string rate = fmt::format("{:.1f} tok/s; ", phase.tokens / phase.timing.usual * 1e6);
    line("as usual, nobody measuring", phase.timing.usual, phase.tokens > 0 ? rate + calls : calls);
  }

  void write_timing(const Phase& phase) {
    const Timing& t = phase.timing;
    text_ += fmt::format("  {}{} of a program; the median of {}\n",
                         phase.tokens > 0 ? counted(phase.tokens, "token") + ", " : "", counted(phase.runs, "replay"),
                         counted(t.rounds, "round"));
    if (t.usual > 0) write_usual(phase);
    line("recording on the host", t.record, fmt::format("{:.1f} % of the usual time", percent(t.record, t.usual)));
    line("submitting on the host", t.submit, fmt::format("{:.1f} %", percent(t.submit, t.usual)));
    if (t.gpu > 0) {
      line("GPU, whole programs", t.gpu, fmt::format("{:.1f} %", percent(t.gpu, t.usual)));
    }
    line("GPU, sum of the dispatches", phase.total(), "each with timestamps of its own");
    if (t.gpu_stamped > 0) {
      line("GPU, gaps between those", gaps(phase), "");
      const double dispatches = static_cast<double>(count_runs(phase));
      line("cost of measuring", t.gpu_stamped - t.gpu,
           fmt::format("{:.2f} us a dispatch; the times below hold it, nothing is scaled",
                       dispatches > 0 ? (t.gpu_stamped - t.gpu) / dispatches : 0));
    }
    text_ += fmt::format("  before that: compiling {:.1f} ms, first round {:.1f} ms, {} {:.1f} ms\n", t.compile / 1e3,
                         t.first / 1e3, counted(t.warm_up_rounds, "warm-up round"), t.warm_up / 1e3);
  }

  void write_waits(const Phase& phase) {
    double waited = 0;
    for (const HostSpan& span : phase.host) waited += span.name == "wait" ? span.time : 0;
    if (waited == 0) return;
    text_ += fmt::format(
        "  {} of {:.3f} ms on average, of which the host waited {:.3f} ms for results after the last node\n",
        counted(phase.runs, "run"), phase.timing.usual / phase.runs / 1e3, waited / phase.runs / 1e3);
  }

  static uint64_t count_runs(const Phase& phase) {
    uint64_t count = 0;
    for (const Step& step : phase.steps) count += step.runs.size();
    return count;
  }

  // Sluice's times have nanoseconds, ONNX Runtime's microseconds.
  std::string average(double microseconds) const {
    return own_ ? fmt::format("avg={:.2f} us", microseconds) : fmt::format("avg={:.3f} ms", microseconds / 1e3);
  }

  std::string row_text(const Row& row, double whole, const char* indent) const {
    std::string text = fmt::format("{}{:<30}  total={:8.2f} ms  count={:4}  {}  ({:.1f}%)", indent, row.name,
                                   row.total / 1e3, row.count, average(row.average()), percent(row.total, whole));
    if (own_ && row.bytes > 0) text += "  " + rate_text(row.bytes_per_second(), report_.read_limit);
    return text + "\n";
  }

  void write_operators(const Phase& phase) {
    const double whole = all_time(phase);
    const auto rows = table(phase, By::kOperator);
    text_ += "\nTop ops by total time:\n";
    for (size_t i = 0; i < std::min(kShownOperators, rows.size()); ++i) text_ += row_text(rows[i], whole, "  ");
    text_ += fmt::format("  {:<30}  total={:8.2f} ms\n", "TOTAL", whole / 1e3);
  }

  void write_kernels(const Phase& phase) {
    text_ += "\nTop kernels by total time (count: dispatches):\n";
    const auto rows = table(phase, By::kKernel);
    for (size_t i = 0; i < std::min(kShownOperators, rows.size()); ++i)
      text_ += row_text(rows[i], all_time(phase), "  ");
  }

  void write_devices(const Phase& phase) {
    text_ += heading(own_ ? "BREAKDOWN BY DEVICE" : "EXECUTION PROVIDER BREAKDOWN");
    for (const Row& device : devices_by_name(phase)) {
      text_ += fmt::format("\n  [{}]  total={:.2f} ms  {}={}  ({:.1f}% of all time)\n", device.name, device.total / 1e3,
                           own_ ? "dispatches" : "nodes", device.count, percent(device.total, all_time(phase)));
      const auto rows = table(phase, By::kOperator, device.name);
      for (size_t i = 0; i < std::min(kShownOfDevice, rows.size()); ++i)
        text_ += row_text(rows[i], device.total, "    ");
    }
    if (own_)
      text_ += "\n  [CPU]  total=0.00 ms  nodes=0: arithmetic on shapes was folded when the model was compiled\n";
  }

  static std::vector<Row> devices_by_name(const Phase& phase) {
    auto rows = table(phase, By::kDevice);
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.name < b.name; });
    return rows;
  }

  void write_transfers(const Phase& phase) {
    double total = 0;
    uint64_t bytes = 0;
    for (const Transfer& t : phase.transfers) {
      total += t.time;
      bytes += t.bytes.value_or(0);
    }
    text_ += heading(own_ ? "DATA TRANSFERS" : "DATA TRANSFER (Memcpy) DETAILS");
    text_ += fmt::format("\n  Total {} time: {:.2f} ms across {} transfers", own_ ? "transfer" : "Memcpy", total / 1e3,
                         phase.transfers.size());
    text_ += bytes == 0 ? "\n" : fmt::format(", {}\n", bytes_text(bytes));
    if (own_) text_ += "  (time of the host in the call, without waiting for the device)\n";
    if (phase.transfers.empty()) return;
    text_ += fmt::format("\n  Top {} slowest transfers:\n", kShownRuns);
    for (const Transfer* t : slowest_transfers(phase, kShownRuns)) {
      text_ += fmt::format("    {}  {:<20}  {:<30}  {}\n", time_text(t->time), t->direction, t->device,
                           t->node.empty() ? t->from.name : t->node);
      text_ += shapes_text("in:  ", {t->from}) + shapes_text("out: ", {t->to});
    }
  }

  std::string time_text(double microseconds) const {
    return own_ ? fmt::format("{:8.2f} us", microseconds) : fmt::format("{:8.3f} ms", microseconds / 1e3);
  }

  static std::string shapes_text(const char* what, const std::vector<Tensor>& tensors) {
    return fmt::format("              {}{}\n", what, tensors_text(tensors));
  }

  void write_fallback(const Phase& phase) {
    text_ += heading(own_ ? "CPU FALLBACK NODES" : "CPU FALLBACK NODES (non-Memcpy)");
    const auto runs = cpu_runs(phase);
    if (runs.empty()) {
      text_ +=
          own_ ? "\n  None: Sluice runs all of a model on the GPU, or refuses it when it is loaded.\n" : "\n  None.\n";
      return;
    }
    double total = 0;
    uint64_t events = 0;
    for (const Step& step : phase.steps) {
      if (!is_cpu(step.device)) continue;
      total += step.total();
      events += step.runs.size();
    }
    text_ += fmt::format("\n  Total CPU fallback time: {:.2f} ms across {} unique nodes ({} events)\n", total / 1e3,
                         runs.size(), events);
    text_ += "\n  All CPU fallback nodes (slowest run of each):\n";
    for (const SlowRun& slow : runs) {
      text_ += fmt::format("    {}  {:<20}  {}\n", time_text(slow.run.time), slow.step->op, slow.step->node);
      text_ += shapes_text("in:  ", slow.step->inputs) + shapes_text("out: ", slow.step->outputs);
    }
  }

  // Copies are nodes of ONNX Runtime's graph, and compete with the others.
  void write_slowest(const Phase& phase) {
    struct Line {
      double time = 0;
      std::string text;
    };
    std::vector<Line> lines;
    for (const SlowRun& slow : slowest_runs(phase, kShownRuns)) lines.push_back({slow.run.time, slow_text(slow)});
    for (const Transfer* t : slowest_transfers(phase, own_ ? 0 : kShownRuns))
      lines.push_back({t->time, node_text(t->device, t->direction, t->node)});
    std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.time > b.time; });
    lines.resize(std::min(kShownRuns, lines.size()));
    text_ += heading(fmt::format("TOP {} SLOWEST INDIVIDUAL NODES", kShownRuns));
    for (const Line& one : lines) text_ += fmt::format("  {}  {}\n", time_text(one.time), one.text);
  }

  static std::string node_text(const std::string& device, const std::string& op, const std::string& node) {
    return fmt::format("{:<8}  {:<25}  {}", device.substr(0, device.find("ExecutionProvider")), op, node);
  }

  std::string slow_text(const SlowRun& slow) const {
    const Step& step = *slow.step;
    std::string text = node_text(step.device, step.op, step.node);
    if (!own_) return text;
    text += "  " + step.kernel;
    const uint64_t bytes = slow.run.bytes_read + slow.run.bytes_written;
    if (bytes > 0) {
      text += fmt::format("  {} {}", bytes_text(bytes),
                          rate_text(static_cast<double>(bytes) / slow.run.time * 1e6, report_.read_limit));
    }
    text += fmt::format("\n              in:  {}\n              out: {}", tensors_text(step.inputs),
                        tensors_text(step.outputs));
    for (size_t i = 0; i < step.sources.size() && step.sources.size() > 1; ++i)
      text += fmt::format("\n              {} {}", i == 0 ? "from" : "    ", step.sources[i]);
    return text;
  }

  void write_layers(const Phase& phase) {
    const auto rows = table(phase, By::kLayer);
    if (rows.size() < 2) return;
    text_ += heading("BY LAYER");
    text_ += "\n";
    for (const Row& row : rows) {
      text_ += fmt::format("  {:<16} total={:9.3f} ms  dispatches={:5}  avg={:.2f} us  ({:.1f}%)\n",
                           row.name.empty() ? "outside layers" : "layer " + row.name, row.total / 1e3, row.count,
                           row.average(), percent(row.total, phase.total()));
    }
  }

  const Report& report_;
  const bool own_;
  std::string text_;
};

}  // namespace

std::string to_text(const Report& report) { return Writer(report).write(); }

}  // namespace sluice::profile
