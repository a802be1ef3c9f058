// CSV and Chrome's trace format.
#include <algorithm>
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
  const auto begin = [](const Json& event) { return event.value("ts", -1e18); };  // names of tracks first
  std::stable_sort(events.begin(), events.end(), [&](const Json& a, const Json& b) { return begin(a) < begin(b); });
  return Json({{"displayTimeUnit", "ns"},
               {"otherData", {{"model", report.model}, {"device", report.device}, {"clock", report.clock}}},
               {"traceEvents", std::move(events)}})
      .dump();
}

}  // namespace sluice::profile
