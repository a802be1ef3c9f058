#include "sluice/inspect.h"

#include <algorithm>
#include <map>
#include <optional>

#include "api/device_info.h"
#include "base/error.h"
#include "decode/model_graph.h"
#include "graph/infer.h"
#include "lower/op_table.h"
#include "onnx/import.h"
#include "runtime/compile.h"
#include "runtime/memory_plan.h"

namespace sluice {

namespace {

constexpr uint32_t kContext = 4096;  // tokens of the cache that the report reckons with
constexpr uint32_t kChunk = 512;

std::string size_text(uint64_t bytes) {
  if (bytes >= 1ull << 30) return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (1ull << 30));
  if (bytes >= 1u << 20) return fmt::format("{:.2f} MiB", static_cast<double>(bytes) / (1u << 20));
  return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
}

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
  std::string text = fmt::format("weights ({})\n", size_text(total));
  for (const auto& [part, sum] : sums)
    text += fmt::format("  {:<16} {:>5} tensors  {:>12}\n", part, sum.first, size_text(sum.second));
  return text;
}

struct Need {
  uint64_t weights = 0, cache = 0, working = 0;
};

Need need_of(const lower::Lowered& lowered) {
  Need need;
  std::map<kernels::Slot, uint64_t> intermediates;
  for (const lower::SlotInfo& slot : lowered.slots) {
    const uint64_t bytes = kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements());
    if (slot.kind == lower::SlotKind::kConstant)
      need.weights += bytes;
    else if (slot.kind == lower::SlotKind::kCache)
      need.cache += bytes;
    else if (slot.kind == lower::SlotKind::kIntermediate)
      intermediates[slot.slot] = bytes;
    else
      need.working += bytes;
  }
  need.working += runtime::plan_memory(lowered.dispatches, intermediates).total();
  return need;
}

std::string verdict(const Need& need, const gpu::AdapterInfo& adapter) {
  const uint64_t total = need.weights + need.cache + need.working;
  if (adapter.memory == 0)
    return fmt::format("needs {}; the library does not tell the device's memory", size_text(total));
  return fmt::format("needs {} of {}: {}", size_text(total), size_text(adapter.memory),
                     total <= adapter.memory ? "fits" : "does not fit");
}

std::string steps_section(const lower::Lowered& step) {
  std::string text = "steps of a token, before sampling\n";
  for (size_t i = 0; i < step.dispatches.size(); ++i)
    text += fmt::format("  {:>5}  {:<32} {}\n", i, step.dispatches[i].name, step.nodes[i]);
  return text;
}

std::string device_section(const decode::ModelGraph& model, const gpu::AdapterInfo& adapter, bool steps) {
  const uint32_t context = std::min(kContext, model.context_length().value_or(kContext));
  const uint32_t chunk = std::min(kChunk, context);
  const lower::Tensor active{1u << 28, kernels::Storage::kU32, {1}};
  std::string text = fmt::format("on {} ({}, {})\n", adapter.name, adapter.type, adapter.library_version);
  lower::Lowered step = model.lower(1, decode::StepKind::kLastLogits, context, active, adapter.caps);
  for (const std::string& line : runtime::check_limits(step.slots, adapter.caps)) step.obstacles.push_back(line);
  if (!step.obstacles.empty()) {
    text += fmt::format("  cannot run: {} obstacle{}\n", step.obstacles.size(), step.obstacles.size() == 1 ? "" : "s");
    for (const std::string& line : step.obstacles) text += "  - " + line + "\n";
    return text;
  }
  const lower::Lowered prefill = model.lower(chunk, decode::StepKind::kLastLogits, context, active, adapter.caps);
  Need need = need_of(step);
  need.working = std::max(need.working, need_of(prefill).working);
  text += fmt::format("  weights         {:>12}\n", size_text(need.weights));
  text += fmt::format("  cache           {:>12}  for {} tokens\n", size_text(need.cache), context);
  text += fmt::format("  working memory  {:>12}  for {} tokens at once\n", size_text(need.working), chunk);
  text += fmt::format("  dispatches      {:>12}  a token, before sampling\n", step.dispatches.size());
  return text + "  " + verdict(need, adapter) + "\n" + (steps ? steps_section(step) : "");
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
