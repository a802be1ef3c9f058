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
    if (report_.read_limit > 0)
      text_ += fmt::format("  limit: {}, which a plain reading loop reaches here\n", rate_text(report_.read_limit, 0));
    if (by_submission())
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

  bool by_submission() const { return report_.clock == "submissions"; }

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
    const auto of_usual = [&](double time) {
      return t.usual > 0 ? fmt::format("{:.1f} % of the usual time", percent(time, t.usual)) : "";
    };
    line("recording on the host", t.record, of_usual(t.record));
    line("submitting on the host", t.submit, of_usual(t.submit));
    if (t.gpu > 0) line("GPU, whole programs", t.gpu, of_usual(t.gpu));
    line("GPU, sum of the dispatches", phase.total(),
         by_submission() ? "each submitted alone, on the host's clock" : "each with timestamps of its own");
    if (t.gpu_stamped > 0) {
      line("GPU, gaps between those", gaps(phase), "with what the timestamps take there");
      line("cost of measuring", t.gpu_stamped - t.gpu, cost_text(phase));
    }
    text_ += fmt::format("  before that: compiling {:.1f} ms, first round {:.1f} ms, {} {:.1f} ms\n", t.compile / 1e3,
                         t.first / 1e3, counted(t.warm_up_rounds, "warm-up round"), t.warm_up / 1e3);
  }

  // The stamped passes are longer in the dispatches, by as much as their sum exceeds the whole at least, and between.
  static std::string cost_text(const Phase& phase) {
    const auto dispatches = static_cast<double>(std::max<size_t>(1, count_runs(phase)));
    const double all = (phase.timing.gpu_stamped - phase.timing.gpu) / dispatches;
    const double inside = std::max(0.0, (phase.total() - phase.timing.gpu) / dispatches);
    if (all <= 0) return "less than the rounds differ";
    return fmt::format("{:.2f} us a dispatch: {:.2f} in the times below, the rest in the gaps; nothing is scaled", all,
                       std::min(inside, all));
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

  void write_rows(const std::vector<Row>& rows, double whole, size_t most, const char* indent) {
    for (size_t i = 0; i < std::min(most, rows.size()); ++i) text_ += row_text(rows[i], whole, indent);
  }

  // What is beyond the list, so that it adds up.
  void write_others(const std::vector<Row>& rows, double whole) {
    if (!own_ || rows.size() <= kShownOperators) return;
    Row others;
    others.name = fmt::format("({} others)", rows.size() - kShownOperators);
    for (size_t i = kShownOperators; i < rows.size(); ++i) {
      others.total += rows[i].total;
      others.count += rows[i].count;
      others.bytes += rows[i].bytes;
    }
    text_ += row_text(others, whole, "  ");
  }

  void write_operators(const Phase& phase) {
    const double whole = all_time(phase);
    const auto rows = table(phase, By::kOperator);
    text_ += "\nTop ops by total time:\n";
    write_rows(rows, whole, kShownOperators, "  ");
    write_others(rows, whole);
    text_ += fmt::format("  {:<30}  total={:8.2f} ms\n", "TOTAL", whole / 1e3);
    if (own_) write_legend(rows);
  }

  // Names that are not ONNX's.
  void write_legend(const std::vector<Row>& rows) {
    bool beside = false, joined = false, loop = false;
    for (const Row& row : rows) {
      beside |= row.name.find('+') != std::string::npos;
      joined |= row.name.find("JoinedMatMulNBits") != std::string::npos;
      loop |= row.name == "begin step";
    }
    if (beside) text_ += "  (A+B: nodes of two operators, or two of one, side by side in one dispatch)\n";
    if (joined) text_ += "  (JoinedMatMulNBits: several MatMulNBits of the same row in one dispatch)\n";
    if (loop) text_ += "  (begin step, sample, end step: what a token takes besides the model)\n";
  }

  void write_kernels(const Phase& phase) {
    text_ += "\nTop kernels by total time (count: dispatches):\n";
    const auto rows = table(phase, By::kKernel);
    write_rows(rows, all_time(phase), kShownOperators, "  ");
    write_others(rows, all_time(phase));
  }

  void write_devices(const Phase& phase) {
    text_ += heading(own_ ? "BREAKDOWN BY DEVICE" : "EXECUTION PROVIDER BREAKDOWN");
    const auto devices = devices_by_name(phase);
    for (const Row& device : devices) {
      const bool said = own_ && devices.size() == 1;  // that table stands above
      text_ += fmt::format("\n  [{}]  total={:.2f} ms  {}={}  ({:.1f}% of all time){}\n", device.name,
                           device.total / 1e3, own_ ? "dispatches" : "nodes", device.count,
                           percent(device.total, all_time(phase)), said ? ": all operators above" : "");
      if (!said) write_rows(table(phase, By::kOperator, device.name), device.total, kShownOfDevice, "    ");
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
      if (own_) {  // the same tensor on both sides
        text_ += fmt::format("    {}  {:<20}  {}  {}\n", time_text(t->time), t->direction, tensors_text({t->to}),
                             bytes_text(t->bytes.value_or(0)));
        continue;
      }
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
    if (devices_by_name(phase).size() == 1) {
      text_ += "\n  None: the CPU is the only provider that ran.\n";
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

  void write_slowest(const Phase& phase) {
    text_ += heading(fmt::format("TOP {} SLOWEST INDIVIDUAL NODES", kShownRuns));
    own_ ? write_slowest_steps(phase) : write_slowest_runs(phase);
  }

  void write_slowest_steps(const Phase& phase) {
    text_ +=
        "  (dispatches, each once, by the average of its runs; each names all nodes that its own was joined from)\n";
    for (const Step* step : slowest_steps(phase, kShownRuns)) text_ += step_text(*step);
  }

  // Copies are nodes of ONNX Runtime's graph, and compete with the others.
  void write_slowest_runs(const Phase& phase) {
    struct Line {
      double time = 0;
      std::string text;
    };
    std::vector<Line> lines;
    for (const SlowRun& slow : slowest_runs(phase, kShownRuns))
      lines.push_back({slow.run.time, node_text(slow.step->device, slow.step->op, slow.step->node)});
    for (const Transfer* t : slowest_transfers(phase, kShownRuns))
      lines.push_back({t->time, node_text(t->device, t->direction, t->node)});
    std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.time > b.time; });
    lines.resize(std::min(kShownRuns, lines.size()));
    for (const Line& one : lines) text_ += fmt::format("  {}  {}\n", time_text(one.time), one.text);
  }

  static std::string node_text(const std::string& device, const std::string& op, const std::string& node) {
    return fmt::format("{:<8}  {:<25}  {}", device.substr(0, device.find("ExecutionProvider")), op, node);
  }

  std::string step_text(const Step& step) const {
    const auto runs = static_cast<double>(step.runs.size());
    std::string text = fmt::format("  {}  {}  {}", time_text(step.total() / runs),
                                   node_text(step.device, step.op, step.node), step.kernel);
    if (const uint64_t bytes = step.bytes(); bytes > 0 && step.total() > 0) {
      text += fmt::format("  {} {}", bytes_text(bytes / step.runs.size()),
                          rate_text(static_cast<double>(bytes) / step.total() * 1e6, report_.read_limit));
    }
    if (step.runs.size() > 1) text += range_text(step);
    text += "\n" + shapes_text("in:  ", step.inputs) + shapes_text("out: ", step.outputs);
    if (step.sources.size() > 1) text += fmt::format("              from {}\n", sources_text(step.sources));
    return text;
  }

  static std::string range_text(const Step& step) {
    const auto [least, most] = std::minmax_element(step.runs.begin(), step.runs.end(),
                                                   [](const Run& a, const Run& b) { return a.time < b.time; });
    return fmt::format("  ({} runs, {:.2f} to {:.2f} us)", step.runs.size(), least->time, most->time);
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
