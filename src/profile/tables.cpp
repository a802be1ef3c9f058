// CSV, Chrome's trace format, and the comparison of two reports.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "profile/format.h"
#include "profile/summary.h"
#include "profile/write.h"

namespace sluice::profile {

namespace {

using Json = nlohmann::ordered_json;

// A field of RFC 4180.
std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

std::string csv_line(const Phase& phase, const Step& step) {
  const auto less = [](const Run& a, const Run& b) { return a.time < b.time; };
  const auto [least, most] = std::minmax_element(step.runs.begin(), step.runs.end(), less);
  const std::optional<uint32_t> layer = layer_of(step);
  const double total = step.total();
  return fmt::format("{},{},{},{},{},{},{},{},{},{},{:.3f},{:.3f},{:.3f},{:.3f},{},{:.2f}\n", quoted(phase.name),
                     quoted(step.op), quoted(step.node), quoted(step.kernel), quoted(step.device),
                     layer ? std::to_string(*layer) : "", quoted(fmt::format("{}", fmt::join(step.sources, "; "))),
                     quoted(tensors_text(step.inputs)), quoted(tensors_text(step.outputs)), step.runs.size(), total,
                     total / static_cast<double>(step.runs.size()), least->time, most->time, step.bytes(),
                     total > 0 ? static_cast<double>(step.bytes()) / total / 1e3 : 0);
}

Json track(int process, int thread, const char* kind, const std::string& name) {
  return {{"ph", "M"}, {"pid", process}, {"tid", thread}, {"name", kind}, {"args", {{"name", name}}}};
}

Json complete(int process, int thread, const std::string& name, double begin, double time) {
  return {{"ph", "X"}, {"pid", process}, {"tid", thread}, {"name", name}, {"ts", begin}, {"dur", time}};
}

enum Thread : int { kGpuThread = 1, kHostThread = 2, kCopyThread = 3 };

Json step_event(int process, const Step& step, const Run& run) {
  Json event = complete(process, is_cpu(step.device) ? kHostThread : kGpuThread, step.op, run.begin, run.time);
  event["args"] = {{"node", step.node},
                   {"kernel", step.kernel},
                   {"sources", step.sources},
                   {"inputs", tensors_text(step.inputs)},
                   {"outputs", tensors_text(step.outputs)},
                   {"bytes", run.bytes_read + run.bytes_written}};
  return event;
}

void add_phase(int process, const Phase& phase, Json& events) {
  events.push_back(track(process, 0, "process_name", phase.name));
  events.push_back(track(process, kGpuThread, "thread_name", "GPU"));
  events.push_back(track(process, kHostThread, "thread_name", "CPU"));
  events.push_back(track(process, kCopyThread, "thread_name", "transfers"));
  for (const Step& step : phase.steps) {
    for (const Run& run : step.runs) events.push_back(step_event(process, step, run));
  }
  for (const HostSpan& span : phase.host)
    events.push_back(complete(process, kHostThread, span.name, span.begin, span.time));
  for (const Transfer& t : phase.transfers) {
    if (t.node.empty()) continue;  // noted in the usual round, on another clock
    events.push_back(complete(process, kCopyThread, t.direction, t.begin, t.time));
  }
}

struct Pair {
  const Row* a = nullptr;
  const Row* b = nullptr;
  double most() const { return std::max(a ? a->total : 0, b ? b->total : 0); }
};

double per_run(const Row* row, const Phase& phase) { return row ? row->total / std::max(1u, phase.runs) : 0; }

std::string cell(const Row* row, const Phase& phase) {
  if (!row) return fmt::format("{:>12} {:>8}", "-", "");
  return fmt::format("{:>12.2f} {:>8.1f}", per_run(row, phase),
                     static_cast<double>(row->count) / std::max(1u, phase.runs));
}

std::string ratio_text(double a, double b) { return a > 0 && b > 0 ? fmt::format("{:.2f}x", b / a) : "-"; }

std::string compare_phases(const Phase& a, const Phase& b) {
  const auto rows_a = table(a, By::kOperator), rows_b = table(b, By::kOperator);
  std::map<std::string, Pair> pairs;
  for (const Row& row : rows_a) pairs[row.name].a = &row;
  for (const Row& row : rows_b) pairs[row.name].b = &row;
  std::vector<std::pair<std::string, Pair>> sorted(pairs.begin(), pairs.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& x, const auto& y) { return x.second.most() > y.second.most(); });
  std::string text = fmt::format("\n{} | {}\n  {:<34} {:>12} {:>8} {:>12} {:>8} {:>9}\n", a.name, b.name, "operator",
                                 "A us/run", "nodes", "B us/run", "nodes", "B/A");
  for (const auto& [name, pair] : sorted) {
    text += fmt::format("  {:<34} {} {} {:>9}\n", name, cell(pair.a, a), cell(pair.b, b),
                        ratio_text(per_run(pair.a, a), per_run(pair.b, b)));
  }
  const double whole_a = all_time(a) / std::max(1u, a.runs), whole_b = all_time(b) / std::max(1u, b.runs);
  text += fmt::format("  {:<34} {:>12.2f} {:>8} {:>12.2f} {:>8} {:>9}\n", "sum of all", whole_a, "", whole_b, "",
                      ratio_text(whole_a, whole_b));
  const double usual_a = a.timing.usual / std::max(1u, a.runs), usual_b = b.timing.usual / std::max(1u, b.runs);
  if (usual_a > 0 && usual_b > 0) {
    text += fmt::format("  {:<34} {:>12.2f} {:>8} {:>12.2f} {:>8} {:>9}\n", "a run, on the host's clock", usual_a, "",
                        usual_b, "", ratio_text(usual_a, usual_b));
  }
  return text;
}

const Phase* find_phase(const Report& report, const std::string& name) {
  const auto found =
      std::find_if(report.phases.begin(), report.phases.end(), [&](const Phase& phase) { return phase.name == name; });
  return found == report.phases.end() ? nullptr : &*found;
}

// The phase of the same name. One that stands alone, as ONNX Runtime's runs do, is taken for the decoding.
const Phase* partner(const Phase& phase, const Report& own, const Report& other) {
  if (const Phase* same = find_phase(other, phase.name)) return same;
  if (other.phases.size() == 1) return own.phases.size() == 1 || phase.name == "decode" ? &other.phases[0] : nullptr;
  return own.phases.size() == 1 ? find_phase(other, "decode") : nullptr;
}

std::string title(const char* letter, const Report& report) {
  return fmt::format("{}: {} ({}), {}, times by {}\n", letter, report.model, report.source, report.device,
                     report.clock);
}

}  // namespace

std::string to_csv(const Report& report) {
  std::string text =
      "phase,operator,node,kernel,device,layer,sources,inputs,outputs,runs,total_us,average_us,least_us,most_us,bytes,"
      "gb_per_s\n";
  for (const Phase& phase : report.phases) {
    for (const Step& step : phase.steps) {
      if (!step.runs.empty()) text += csv_line(phase, step);
    }
  }
  return text;
}

std::string to_trace(const Report& report) {
  Json events = Json::array();
  for (size_t i = 0; i < report.phases.size(); ++i) add_phase(static_cast<int>(i) + 1, report.phases[i], events);
  return Json({{"displayTimeUnit", "ns"},
               {"otherData", {{"model", report.model}, {"device", report.device}, {"clock", report.clock}}},
               {"traceEvents", std::move(events)}})
      .dump();
}

std::string compare(const Report& a, const Report& b) {
  std::string text = title("A", a) + title("B", b);
  if (a.clock != b.clock) {
    text += fmt::format(
        "  ({} beside {}: single operators are not the same thing; the last line of a table is, if runs "
        "of both end with their results)\n",
        a.clock, b.clock);
  }
  bool any = false;
  for (const Phase& phase : a.phases) {
    if (const Phase* other = partner(phase, a, b)) {
      text += compare_phases(phase, *other);
      any = true;
    }
  }
  if (!any) fail("profile", "the two reports have no phase in common");
  return text;
}

}  // namespace sluice::profile
