#include "profile/ort.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "profile/format.h"

namespace sluice::profile {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kSuffix = "_kernel_time";

struct Window {
  double begin = 0, end = 0;
  double waited = 0;  // of that, for results after the last node
};

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string text_or_unknown(const Json& object, const char* key) {
  const std::string text = text_of(object, key);
  return text.empty() ? "unknown" : text;
}

double number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

// Whole numbers are written as text.
uint64_t whole_of(const Json& args, const char* key) {
  const std::string text = text_of(args, key);
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

const Json& args_of(const Json& event) {
  static const Json kNone = Json::object();
  const auto found = event.find("args");
  return found == event.end() ? kNone : *found;
}

// [{"float16": [1, 8]}, {"int64": []}]
std::vector<Tensor> tensors_of(const Json& args, const char* key) {
  std::vector<Tensor> tensors;
  const auto found = args.find(key);
  if (found == args.end() || !found->is_array()) return tensors;
  for (const Json& entry : *found) {
    if (!entry.is_object()) continue;
    for (const auto& [type, shape] : entry.items()) {
      Tensor tensor{"", type, {}};
      for (const Json& size : shape) tensor.shape.push_back(size.is_number_integer() ? size.get<int64_t>() : 0);
      tensors.push_back(std::move(tensor));
    }
  }
  return tensors;
}

bool is_event(const Json& event) {
  return event.is_object() && event.contains("cat") && event.contains("ts") &&
         (!event.contains("args") || event.at("args").is_object());
}

const Json& events_of(const Json& file, const std::string& name) {
  const Json& list = file.is_object() && file.contains("traceEvents") ? file.at("traceEvents") : file;
  const bool good = list.is_array() && std::all_of(list.begin(), list.end(), is_event) &&
                    std::any_of(list.begin(), list.end(), [](const Json& e) { return text_of(e, "cat") == "Session"; });
  if (!good) fail("profile", "{} is no profile of ONNX Runtime: it holds no list of its events", name);
  return list;
}

std::vector<Window> find_runs(const Json& events) {
  std::vector<Window> runs;
  for (const Json& event : events) {
    if (text_of(event, "cat") != "Session" || text_of(event, "name") != "model_run") continue;
    const double begin = number_of(event, "ts");
    const Json& args = args_of(event);
    runs.push_back({begin, begin + number_of(event, "dur"), static_cast<double>(whole_of(args, "waited_us"))});
  }
  std::sort(runs.begin(), runs.end(), [](const Window& a, const Window& b) { return a.begin < b.begin; });
  return runs;
}

class Reader {
 public:
  Reader(const Json& events, std::vector<Window> runs) : events_(events), runs_(std::move(runs)) {
    phase_.name = "run";
    phase_.runs = static_cast<uint32_t>(runs_.size());
    for (const Window& run : runs_) {
      phase_.timing.usual += run.end - run.begin;
      phase_.host.push_back({"model_run", run.begin - origin(), run.end - run.begin});
      if (run.waited > 0) phase_.host.push_back({"wait", run.end - run.waited - origin(), run.waited});
    }
    kernels_.name = "GPU kernels";
    kernels_.runs = phase_.runs;
  }

  std::vector<Phase> read() {
    for (const Json& event : events_) {
      if (!is_inside(number_of(event, "ts"))) continue;
      const std::string category = text_of(event, "cat");
      if (category == "Node" && text_of(event, "name").ends_with(kSuffix)) add_node(event);
      if (category == "Kernel") add_kernel(event);
    }
    std::vector<Phase> phases;
    if (!phase_.steps.empty() || !phase_.transfers.empty()) phases.push_back(std::move(phase_));
    if (!kernels_.steps.empty()) phases.push_back(std::move(kernels_));
    return phases;
  }

 private:
  using Key = std::tuple<std::string, std::string, std::string, std::string>;

  double origin() const { return runs_.empty() ? 0 : runs_.front().begin; }

  // A file without runs (an old version's, or cut by hand) is taken whole.
  bool is_inside(double time) const {
    return runs_.empty() ||
           std::any_of(runs_.begin(), runs_.end(), [&](const Window& r) { return time >= r.begin && time <= r.end; });
  }

  void add_node(const Json& event) {
    const Json& args = args_of(event);
    Step step;
    step.node = text_of(event, "name");
    step.node.resize(step.node.size() - kSuffix.size());
    step.op = text_or_unknown(args, "op_name");
    step.device = text_or_unknown(args, "provider");
    step.inputs = tensors_of(args, "input_type_shape");
    step.outputs = tensors_of(args, "output_type_shape");
    const Run run{.begin = number_of(event, "ts") - origin(),
                  .time = number_of(event, "dur"),
                  .bytes_read = whole_of(args, "activation_size") + whole_of(args, "parameter_size"),
                  .bytes_written = whole_of(args, "output_size")};
    if (step.op.starts_with("Memcpy")) {
      add_transfer(step, run);
      return;
    }
    const std::string shapes = tensors_text(step.inputs) + tensors_text(step.outputs);
    step.sources = {step.op + " " + step.node};
    const Key key = {step.node, step.op, step.device, shapes};
    add(phase_, key, std::move(step), run);
  }

  void add_transfer(const Step& step, const Run& run) {
    phase_.transfers.push_back({.direction = step.op,
                                .node = step.node,
                                .device = step.device,
                                .from = step.inputs.empty() ? Tensor() : step.inputs[0],
                                .to = step.outputs.empty() ? Tensor() : step.outputs[0],
                                .bytes = run.bytes_written == 0 ? std::nullopt : std::optional(run.bytes_written),
                                .begin = run.begin,
                                .time = run.time});
  }

  void add_kernel(const Json& event) {
    const Json& args = args_of(event);
    Step step;
    step.kernel = text_of(event, "name");
    step.op = text_of(args, "op_name").empty() ? step.kernel : text_of(args, "op_name");
    step.node = step.kernel;
    step.device = "GPU";
    step.sources = {step.op};
    const Key key = {step.kernel, step.op, "", ""};
    add(kernels_, key, std::move(step), {.begin = number_of(event, "ts") - origin(), .time = number_of(event, "dur")});
  }

  void add(Phase& phase, const Key& key, Step step, const Run& run) {
    const auto [found, is_new] = index_.try_emplace(key, phase.steps.size());
    if (is_new) phase.steps.push_back(std::move(step));
    phase.steps[found->second].runs.push_back(run);
  }

  const Json& events_;
  const std::vector<Window> runs_;
  Phase phase_, kernels_;
  std::map<Key, size_t> index_;  // of steps; kernels have no device in it
};

std::string providers_of(const std::vector<Phase>& phases) {
  std::vector<std::string> names;
  for (const Phase& phase : phases) {
    for (const Step& step : phase.steps) {
      if (std::find(names.begin(), names.end(), step.device) == names.end()) names.push_back(step.device);
    }
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Report parse_ort(const Json& file, const std::string& name, const RunRange& range) {
  const Json& events = events_of(file, name);
  std::vector<Window> runs = find_runs(events);
  const size_t count = runs.size();
  if (count != 0 && range.first >= count)
    fail("profile", "{} holds {} runs, the first of those asked for is {}", name, count, range.first);
  if (range.first > range.last)
    fail("profile", "the last run, {}, comes before the first, {}", range.last, range.first);
  if (count != 0) {
    runs.resize(std::min<size_t>(count, size_t{range.last} + 1));
    runs.erase(runs.begin(), runs.begin() + range.first);
  }
  Report report{.source = "onnxruntime",
                .model = name,
                .device = "",
                .library = "ONNX Runtime",
                .clock = "host",
                .read_limit = 0,
                .phases = Reader(events, std::move(runs)).read()};
  if (report.phases.empty()) fail("profile", "{} holds no node that ran", name);
  report.device = providers_of(report.phases);
  return report;
}

}  // namespace sluice::profile
