#include "sluice/inspect.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "api/device_info.h"
#include "base/error.h"
#include "decode/engine.h"
#include "graph/infer.h"
#include "lower/op_table.h"
#include "onnx/import.h"

namespace sluice {

namespace {

constexpr uint32_t kContext = 4096;  // tokens of the cache that the report reckons with

// The part of a model that reads a weight, by the operator.
std::string part_of(const graph::Node& node) {
  if (node.op_type == "QMoE" || node.op_type == "MoE") return "experts";
  if (node.op_type == "GatherBlockQuantized" || node.op_type == "Gather") return "embedding";
  if (node.op_type == "MatMulNBits" || node.op_type == "MatMul" || node.op_type == "Gemm") return "matrices";
  return "norms and other";
}

std::string values_section(const graph::Graph& g, const std::vector<graph::ValueId>& ids, const char* title) {
  std::string text = fmt::format("{}\n", title);
  for (const graph::ValueId id : ids) {
    const graph::Value& v = g.values[id];
    text += fmt::format("  {:<28} {:<8} {}\n", v.name, v.dtype ? name(*v.dtype) : "?",
                        v.shape ? to_string(*v.shape, g) : "?");
  }
  return text;
}

std::string operators_section(const graph::Graph& g) {
  std::map<std::string, uint32_t> counts;
  for (const graph::Node& node : g.nodes)
    ++counts[node.domain.empty() ? node.op_type : node.domain + "." + node.op_type];
  std::vector<std::pair<std::string, uint32_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = fmt::format("operators ({} nodes)\n", g.nodes.size());
  for (const auto& [op, count] : rows) text += fmt::format("  {:>5}  {}\n", count, op);
  return text;
}

// Follows Reshape and its like, so that an embedding that is a reshaped projection counts once, with the first part
// that reads it.
std::string weights_section(const graph::Graph& g) {
  std::map<graph::ValueId, std::string> parts;
  for (const graph::Node& node : g.nodes) {
    for (const graph::ValueId id : node.inputs) {
      if (id == graph::kNoValue || !g.values[id].constant) continue;
      const std::string part = part_of(node);
      std::string& known = parts.try_emplace(id, part).first->second;
      if (known == "norms and other") known = part;
    }
  }
  std::map<std::string, std::pair<uint32_t, uint64_t>> sums;
  uint64_t total = 0;
  for (const auto& [id, part] : parts) {
    const graph::Constant& c = *g.values[id].constant;
    const uint64_t bytes = static_cast<uint64_t>(c.elements()) * bits(c.dtype) / 8;
    ++sums[part].first;
    sums[part].second += bytes;
    total += bytes;
  }
  std::string text = fmt::format("weights ({})\n", runtime::size_text(total));
  for (const auto& [part, sum] : sums)
    text += fmt::format("  {:<16} {:>5} tensors  {:>12}\n", part, sum.first, runtime::size_text(sum.second));
  return text;
}

// Tokens of the cache for which the device's memory would do, beside everything else.
uint64_t most_tokens(const runtime::MemoryNeed& need, uint32_t context, uint64_t memory) {
  const uint64_t others = need.total() - need.cache, token = need.cache / context;
  return token == 0 || others >= memory ? 0 : (memory - others) / token;
}

std::string verdict(const runtime::MemoryNeed& need, uint32_t context, uint32_t longest, uint64_t memory) {
  const std::string sum = runtime::size_text(need.total());
  if (memory == 0) return fmt::format("needs {}; how much memory the device has is not known (SLUICE_MEMORY)", sum);
  const uint64_t most = std::min<uint64_t>(most_tokens(need, context, memory), longest);
  const std::string of = fmt::format("needs {} of {}: ", sum, runtime::size_text(memory));
  if (most == 0) return of + (need.total() > memory ? "does not fit" : "fits");
  return of + fmt::format("{}, up to {} tokens of cache", need.total() > memory ? "does not fit" : "fits", most);
}

std::string obstacles_text(const std::vector<std::string>& obstacles) {
  std::string text = fmt::format("  cannot run: {} obstacle{}\n", obstacles.size(), obstacles.size() == 1 ? "" : "s");
  for (const std::string& line : obstacles) text += "  - " + line + "\n";
  return text;
}

std::string steps_section(const decode::StepPlan& step) {
  std::string text = "steps of a token\n";
  for (size_t i = 0; i < step.dispatches.size(); ++i)
    text += fmt::format("  {:>5}  {:<32} {}\n", i, step.dispatches[i].name, step.nodes[i]);
  return text;
}

std::string device_section(const decode::ModelGraph& model, const gpu::AdapterInfo& adapter, bool steps) {
  const uint32_t longest = model.context_length().value_or(std::numeric_limits<uint32_t>::max());
  const uint32_t context = std::min(kContext, longest), chunk = std::min(decode::EngineOptions().chunk, context);
  std::string text = fmt::format("on {} ({}, {})\n", adapter.name, adapter.type, adapter.library_version);
  const decode::ModelPlan plan = decode::plan_model(model, {chunk, context, adapter.memory}, adapter.caps);
  if (!plan.obstacles.empty()) return text + obstacles_text(plan.obstacles);
  const runtime::MemoryNeed& need = plan.need;
  const auto line = [&](const char* what, uint64_t bytes, const std::string& more) {
    text += fmt::format("  {:<15} {:>12}{}\n", what, runtime::size_text(bytes), more);
  };
  line("weights", need.weights, "");
  line("cache", need.cache, fmt::format("  for {} tokens", context));
  line("outputs", need.outputs, "");
  line("working memory", need.working, fmt::format("  for {} tokens at once", plan.rows));
  text += fmt::format("  dispatches      {:>12}  a token\n", plan.token.dispatches.size());
  text += "  " + verdict(need, context, longest, adapter.memory) + "\n";
  return text + (steps ? steps_section(plan.token) : "");
}

bool is_input(const graph::Graph& g, const std::string& name) {
  return std::any_of(g.inputs.begin(), g.inputs.end(), [&](graph::ValueId id) { return g.values[id].name == name; });
}

gpu::AdapterInfo choose_adapter(const DeviceChoice& choice) {
  return gpu::Device::open(api::device_options(choice))->info();
}

}  // namespace

std::string inspect(const std::filesystem::path& model, const InspectOptions& options) {
  decode::ModelFiles files;
  if (std::filesystem::is_directory(model)) {
    files = decode::find_model_files(model, options.variant);
  } else {
    files.onnx = model;
  }
  graph::Graph graph = onnx::import_model(files.onnx);
  std::string text = fmt::format("{}\n", files.onnx.string());
  for (const auto& [domain, version] : graph.opsets)
    text += fmt::format("opset {} {}\n", domain.empty() ? "ai.onnx" : domain, version);
  graph::Graph inferred = graph;  // with symbolic sizes; what stays unknown is shown as such
  graph::infer(inferred, {.inputs = {}, .ones = {files.attention_mask}});
  text += values_section(graph, graph.inputs, "inputs") + values_section(inferred, graph.outputs, "outputs");
  text += operators_section(graph) + weights_section(graph);
  const std::string dumped = options.dump_graph ? "graph\n" + dump(graph) : "";
  if (!is_input(graph, files.input_ids)) {
    return text +
           fmt::format("no language model: there is no input \"{}\", so no sizes are known to reckon with\n",
                       files.input_ids) +
           dumped;
  }
  const decode::ModelGraph compiled(std::move(graph), files);
  if (compiled.context_length()) text += fmt::format("context length {}\n", *compiled.context_length());
  return text + device_section(compiled, choose_adapter(options.device), options.steps) + dumped;
}

std::vector<std::string> operators() {
  std::vector<std::string> names;
  for (const lower::OpRow& row : lower::op_table())
    names.push_back(fmt::format("{}{}{}", row.domain, row.domain.empty() ? "" : ".", row.op_type));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace sluice
