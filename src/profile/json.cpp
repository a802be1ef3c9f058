#include "profile/json.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "profile/load.h"
#include "profile/summary.h"

namespace sluice::profile {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "sluice-profile-1";

Json tensors_json(const std::vector<Tensor>& tensors) {
  Json list = Json::array();
  for (const Tensor& t : tensors) list.push_back({{"name", t.name}, {"type", t.type}, {"shape", t.shape}});
  return list;
}

Json step_json(const Step& step) {
  Json runs = Json::array();
  for (const Run& run : step.runs) runs.push_back({run.begin, run.time, run.bytes_read, run.bytes_written});
  return {{"op", step.op},
          {"node", step.node},
          {"kernel", step.kernel},
          {"device", step.device},
          {"sources", step.sources},
          {"first_of_node", step.first_of_node},
          {"inputs", tensors_json(step.inputs)},
          {"outputs", tensors_json(step.outputs)},
          {"runs", std::move(runs)}};
}

Json transfer_json(const Transfer& t) {
  Json json = {{"direction", t.direction},
               {"node", t.node},
               {"device", t.device},
               {"begin", t.begin},
               {"time", t.time},
               {"from", tensors_json({t.from})[0]},
               {"to", tensors_json({t.to})[0]}};
  if (t.bytes) json["bytes"] = *t.bytes;
  return json;
}

Json rows_json(const std::vector<Row>& rows) {
  Json list = Json::array();
  for (const Row& row : rows) {
    list.push_back({{"name", row.name},
                    {"total", row.total},
                    {"count", row.count},
                    {"average", row.average()},
                    {"bytes", row.bytes}});
  }
  return list;
}

Json timing_json(const Timing& t) {
  return {{"usual", t.usual},   {"gpu", t.gpu},         {"gpu_stamped", t.gpu_stamped},
          {"record", t.record}, {"submit", t.submit},   {"compile", t.compile},
          {"first", t.first},   {"warm_up", t.warm_up}, {"warm_up_rounds", t.warm_up_rounds},
          {"rounds", t.rounds}};
}

// The tables are for readers of the file; from_json() makes them anew from steps and transfers.
Json phase_json(const Phase& phase) {
  Json steps = Json::array(), transfers = Json::array(), host = Json::array();
  for (const Step& step : phase.steps) steps.push_back(step_json(step));
  for (const Transfer& transfer : phase.transfers) transfers.push_back(transfer_json(transfer));
  for (const HostSpan& span : phase.host) host.push_back({span.name, span.begin, span.time});
  return {{"name", phase.name},
          {"tokens", phase.tokens},
          {"runs", phase.runs},
          {"timing", timing_json(phase.timing)},
          {"submits", phase.submits},
          {"waits", phase.waits},
          {"total", phase.total()},
          {"gaps", gaps(phase)},
          {"operators", rows_json(table(phase, By::kOperator))},
          {"kernels", rows_json(table(phase, By::kKernel))},
          {"devices", rows_json(table(phase, By::kDevice))},
          {"layers", rows_json(table(phase, By::kLayer))},
          {"transfers", std::move(transfers)},
          {"host", std::move(host)},
          {"steps", std::move(steps)}};
}

Tensor read_tensor(const nlohmann::json& j) {
  return {j.at("name"), j.at("type"), j.at("shape").get<std::vector<int64_t>>()};
}

std::vector<Tensor> read_tensors(const nlohmann::json& list) {
  std::vector<Tensor> tensors;
  for (const auto& entry : list) tensors.push_back(read_tensor(entry));
  return tensors;
}

Step read_step(const nlohmann::json& j) {
  Step step{.op = j.at("op"),
            .node = j.at("node"),
            .kernel = j.at("kernel"),
            .device = j.at("device"),
            .sources = j.at("sources").get<std::vector<std::string>>(),
            .inputs = read_tensors(j.at("inputs")),
            .outputs = read_tensors(j.at("outputs")),
            .first_of_node = j.at("first_of_node"),
            .runs = {}};
  for (const auto& run : j.at("runs")) step.runs.push_back({run.at(0), run.at(1), run.at(2), run.at(3)});
  return step;
}

Transfer read_transfer(const nlohmann::json& j) {
  Transfer t{.direction = j.at("direction"),
             .node = j.at("node"),
             .device = j.at("device"),
             .from = read_tensor(j.at("from")),
             .to = read_tensor(j.at("to")),
             .bytes = std::nullopt,
             .begin = j.at("begin"),
             .time = j.at("time")};
  if (j.contains("bytes")) t.bytes = j.at("bytes").get<uint64_t>();
  return t;
}

Timing read_timing(const nlohmann::json& j) {
  return {.usual = j.at("usual"),
          .gpu = j.at("gpu"),
          .gpu_stamped = j.at("gpu_stamped"),
          .record = j.at("record"),
          .submit = j.at("submit"),
          .compile = j.at("compile"),
          .first = j.at("first"),
          .warm_up = j.at("warm_up"),
          .warm_up_rounds = j.at("warm_up_rounds"),
          .rounds = j.at("rounds")};
}

Phase read_phase(const nlohmann::json& j) {
  Phase phase{.name = j.at("name"),
              .tokens = j.at("tokens"),
              .runs = j.at("runs"),
              .timing = read_timing(j.at("timing")),
              .submits = j.at("submits"),
              .waits = j.at("waits"),
              .steps = {},
              .transfers = {},
              .host = {}};
  for (const auto& step : j.at("steps")) phase.steps.push_back(read_step(step));
  for (const auto& transfer : j.at("transfers")) phase.transfers.push_back(read_transfer(transfer));
  for (const auto& span : j.at("host")) phase.host.push_back({span.at(0), span.at(1), span.at(2)});
  return phase;
}

}  // namespace

Json to_json(const Report& report) {
  Json phases = Json::array();
  for (const Phase& phase : report.phases) phases.push_back(phase_json(phase));
  return {{"format", kFormat},
          {"source", report.source},
          {"model", report.model},
          {"device", report.device},
          {"library", report.library},
          {"clock", report.clock},
          {"read_limit", report.read_limit},
          {"unit", "microseconds"},
          {"phases", std::move(phases)}};
}

Report from_json(const nlohmann::json& json, const std::string& file) {
  try {
    if (json.at("format") != kFormat)
      fail("profile", "{} has the form {}, this version reads {}", file, json.at("format").dump(), kFormat);
    Report report{.source = json.at("source"),
                  .model = json.at("model"),
                  .device = json.at("device"),
                  .library = json.at("library"),
                  .clock = json.at("clock"),
                  .read_limit = json.at("read_limit"),
                  .phases = {}};
    for (const auto& phase : json.at("phases")) report.phases.push_back(read_phase(phase));
    const auto is_empty = [](const Phase& phase) { return phase.steps.empty() && phase.transfers.empty(); };
    if (std::all_of(report.phases.begin(), report.phases.end(), is_empty)) fail("profile", "{} holds no steps", file);
    return report;
  } catch (const nlohmann::json::exception& error) {
    fail("profile", "{} is no whole report of Sluice: {}", file, error.what());
  }
}

}  // namespace sluice::profile
