#include "lower/lowering.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/error.h"
#include "graph/passes/fuse.h"
#include "graph/passes/fuse_attention.h"
#include "graph/passes/fuse_norms.h"
#include "graph/passes/fuse_router.h"
#include "graph/passes/join_products.h"
#include "kernels/data/narrow.h"
#include "kernels/matmul/nbits_plan.h"
#include "lower/op_table.h"
#include "lower/side_by_side.h"

namespace sluice::lower {

namespace {

// A constant of int64 elements that the compiler made itself.
std::shared_ptr<const graph::Constant> make_ints(const std::vector<graph::Dim>& dims, const graph::Value& value) {
  auto bytes = std::make_shared<std::vector<int64_t>>();
  for (const graph::Dim& dim : dims) bytes->push_back(dim.value);
  auto constant = std::make_shared<graph::Constant>();
  constant->dtype = DType::kInt64;
  if (value.shape) {
    for (const graph::Dim& dim : *value.shape) constant->shape.push_back(dim.value);
  }
  constant->bytes = std::as_bytes(std::span(*bytes));
  constant->owner = bytes;
  return constant;
}

bool is_storable(DType type) {
  switch (type) {
    case DType::kBFloat16:
    case DType::kDouble:
    case DType::kInt4:
    case DType::kUint4:
    case DType::kString:
      return false;
    default:
      return true;
  }
}

std::string describe(const graph::Node& node) {
  return (node.domain.empty() ? node.op_type : node.domain + "." + node.op_type) + " \"" + node.name + "\"";
}

}  // namespace

Lowering::Lowering(const graph::Graph& graph, const Binding& binding, const gpu::Caps& caps)
    : graph_(graph), binding_(binding), caps_(caps), recorder_(caps), tensors_(graph.values.size()) {}

std::vector<uint32_t> Lowering::sizes(graph::ValueId id) const {
  const graph::Value& v = value(id);
  if (!v.shape) fail("lower", "the shape of \"{}\" is not known", v.name);
  std::vector<uint32_t> result;
  for (const graph::Dim& dim : *v.shape) {
    if (!dim.is_constant()) {
      fail("lower", "the shape {} of \"{}\" depends on a length that changes from step to step",
           to_string(*v.shape, graph_), v.name);
    }
    if (dim.value < 0 || dim.value > 0xffffffffLL)
      fail("lower", "dimension {} of \"{}\" is out of range", dim.value, v.name);
    result.push_back(static_cast<uint32_t>(dim.value));
  }
  return result;
}

const Tensor& Lowering::place(graph::ValueId id, SlotKind kind) {
  const graph::Value& v = value(id);
  if (!v.dtype) fail("lower", "the element type of \"{}\" is not known", v.name);
  std::vector<uint32_t> shape;
  if (kind == SlotKind::kCache) {
    for (const graph::Dim& dim : *v.shape) {
      shape.push_back(dim.is_constant() ? static_cast<uint32_t>(dim.value) : binding_.capacity);
    }
  } else {
    shape = sizes(id);
  }
  const Tensor& tensor = tensors_[id] = {next_slot(), kernels::storage_of(*v.dtype, caps_), std::move(shape)};
  result_.slots.push_back({.slot = tensor.slot,
                           .kind = kind,
                           .tensor = tensor,
                           .name = v.name,
                           .constant = nullptr,
                           .derived = {},
                           .value = id});
  return tensor;
}

const Tensor& Lowering::place_constant(graph::ValueId id, std::shared_ptr<const graph::Constant> constant) {
  const graph::Value& v = value(id);
  const kernels::Storage storage = kernels::storage_of(constant->dtype, caps_);
  std::vector<uint32_t> shape(constant->shape.begin(), constant->shape.end());
  const auto [first, last] = constants_.equal_range(constant->bytes.data());
  for (auto same = first; same != last; ++same) {
    const SlotInfo& info = result_.slots[same->second];
    if (info.tensor.storage == storage && info.constant->bytes.size() == constant->bytes.size()) {
      return tensors_[id] = Tensor{info.slot, storage, std::move(shape)};
    }
  }
  const Tensor& tensor = tensors_[id] = {next_slot(), storage, std::move(shape)};
  constants_.emplace(constant->bytes.data(), result_.slots.size());
  result_.slots.push_back({.slot = tensor.slot,
                           .kind = SlotKind::kConstant,
                           .tensor = tensor,
                           .name = v.name,
                           .constant = std::move(constant),
                           .derived = {},
                           .value = id});
  return tensor;
}

const Tensor& Lowering::place_derived(graph::ValueId id, std::vector<graph::Dim> elements) {
  for (const graph::Dim& dim : elements) {
    if (dim.symbol != 0 && dim.symbol != binding_.past) {
      fail("lower", "\"{}\" depends on {}, which has no value", value(id).name, to_string(dim, graph_));
    }
  }
  const Tensor& tensor = place(id, SlotKind::kDerived);
  result_.slots.back().derived = std::move(elements);
  return tensor;
}

const Tensor& Lowering::tensor_of(graph::ValueId id) {
  static const Tensor kNone;
  if (id == graph::kNoValue) return kNone;
  if (tensors_[id]) return tensors_[id];
  if (expressions_.contains(id)) return computed(id);
  const graph::Value& v = value(id);
  if (v.constant) return place_constant(id, v.constant);
  if (v.known) {
    const bool constant =
        std::all_of(v.known->begin(), v.known->end(), [](const graph::Dim& d) { return d.is_constant(); });
    return constant ? place_constant(id, make_ints(*v.known, v)) : place_derived(id, *v.known);
  }
  if (v.dtype && !is_storable(*v.dtype)) {
    fail("lower", "element type {} (of \"{}\") is not supported on the GPU", name(*v.dtype), v.name);
  }
  fail("lower", "\"{}\" is not available on the GPU", v.name);
}

Tensor Lowering::unpacked(const Tensor& tensor) {
  Tensor whole = recorder_.scratch(kernels::Storage::kI32, tensor.shape);
  kernels::plan_unpack({.x = tensor, .y = whole}, recorder_);
  return whole;
}

Tensor Lowering::input(const graph::Node& node, size_t i) {
  const Tensor& tensor = tensor_of(node.input(i));
  return tensor && whole_bytes_ && tensor.storage == kernels::Storage::kBytes ? unpacked(tensor) : tensor;
}

Tensor Lowering::packed_input(const graph::Node& node, size_t i) {
  const graph::ValueId id = node.input(i);
  if (id == graph::kNoValue) return {};
  if (tensors_[id]) return tensors_[id];
  const graph::Value& v = value(id);
  if (!v.constant) fail("lower", "\"{}\" of type {} must be a constant", v.name, name(*v.dtype));
  graph::Constant bytes = *v.constant;
  bytes.dtype = DType::kUint8;
  bytes.shape = {static_cast<int64_t>(bytes.bytes.size())};
  return place_constant(id, std::make_shared<const graph::Constant>(std::move(bytes)));
}

Tensor Lowering::output(const graph::Node& node, size_t i) {
  const graph::ValueId id = node.output(i);
  if (id == graph::kNoValue) return {};
  Tensor tensor = tensors_[id] ? tensors_[id] : place(id, SlotKind::kIntermediate);
  if (!whole_bytes_ || tensor.storage != kernels::Storage::kBytes) return tensor;
  for (const auto& [whole, packed] : to_pack_) {
    if (packed.slot == tensor.slot) return whole;
  }
  to_pack_.emplace_back(recorder_.scratch(kernels::Storage::kI32, tensor.shape), tensor);
  return to_pack_.back().first;
}

void Lowering::with_whole_bytes(const std::function<void()>& lower) {
  whole_bytes_ = true;
  to_pack_.clear();
  try {
    lower();
  } catch (...) {
    whole_bytes_ = false;
    throw;
  }
  whole_bytes_ = false;
  for (const auto& [whole, packed] : to_pack_) kernels::plan_pack_bytes(whole, packed, recorder_);
}

void Lowering::alias(const graph::Node& node, size_t i, const Tensor& tensor) {
  const graph::ValueId id = node.output(i);
  tensors_[id] = Tensor{tensor.slot, tensor.storage, sizes(id)};
}

Tensor Lowering::state_output(const graph::Node& node, size_t output, size_t past_input) {
  const graph::ValueId id = node.output(output);
  if (id == graph::kNoValue) return {};
  const auto shared = binding_.shared.find(value(id).name);
  if (shared == binding_.shared.end()) return this->output(node, output);
  const graph::ValueId past = node.input(past_input);
  if (past == graph::kNoValue || value(past).name != shared->second) {
    fail("lower", "output \"{}\" must continue input \"{}\"", value(id).name, shared->second);
  }
  return tensors_[id] = tensor_of(past);
}

std::vector<int64_t> Lowering::constant_ints(const graph::Node& node, size_t i) const {
  const graph::Value& v = value(node.input(i));
  std::vector<int64_t> result;
  if (v.known) {
    for (const graph::Dim& dim : *v.known) {
      if (!dim.is_constant())
        fail("lower", "input {} (\"{}\") must not depend on the number of past tokens", i, v.name);
      result.push_back(dim.value);
    }
    return result;
  }
  if (!v.constant) fail("lower", "input {} (\"{}\") must be a constant", i, v.name);
  const graph::Constant& c = *v.constant;
  const int64_t count = c.elements();
  for (int64_t e = 0; e < count; ++e) {
    if (c.dtype == DType::kInt64) {
      int64_t x = 0;
      std::memcpy(&x, c.bytes.data() + e * 8, 8);
      result.push_back(x);
    } else if (c.dtype == DType::kInt32) {
      int32_t x = 0;
      std::memcpy(&x, c.bytes.data() + e * 4, 4);
      result.push_back(x);
    } else {
      fail("lower", "input {} (\"{}\") must be int64 or int32, is {}", i, v.name, name(c.dtype));
    }
  }
  return result;
}

void Lowering::place_input(graph::ValueId id, bool is_state) {
  const std::string& input = value(id).name;
  const auto listed = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), input) != names.end();
  };
  if (listed(binding_.folded) || value(id).known) return;
  if (value(id).dtype && !is_storable(*value(id).dtype)) return;  // refused by the nodes that read it
  if (!listed(binding_.positions)) {
    result_.inputs[input] = place(id, is_state ? SlotKind::kCache : SlotKind::kInput);
    return;
  }
  std::vector<graph::Dim> elements;
  const std::vector<uint32_t> shape = sizes(id);
  for (uint32_t e = 0; e < shape.back(); ++e) elements.push_back({.value = e, .symbol = binding_.past});
  result_.inputs[input] = place_derived(id, std::move(elements));
}

void Lowering::place_inputs() {
  for (const graph::ValueId id : graph_.inputs) {
    const bool is_state = std::any_of(binding_.shared.begin(), binding_.shared.end(),
                                      [&](const auto& pair) { return pair.second == value(id).name; });
    try {
      place_input(id, is_state);
    } catch (const Error& error) {
      result_.obstacles.push_back(fmt::format("input \"{}\": {}", value(id).name, error.what()));
    }
  }
}

// Types whose storage is wider than they are, so that arithmetic would not wrap as theirs does, and unsigned words.
void Lowering::refuse_rare_integers(graph::ValueId id) const {
  if (id == graph::kNoValue || !value(id).dtype) return;
  switch (const DType type = *value(id).dtype) {
    case DType::kInt8:
    case DType::kInt16:
    case DType::kUint16:
    case DType::kUint32:
    case DType::kUint64:
      fail("lower", "element type {} (of \"{}\") is not supported by this operator", name(type), value(id).name);
    default:
      return;
  }
}

void Lowering::lower_node(const graph::Node& node) {
  const OpRow* row = find_op(node.domain, node.op_type);
  if (row == nullptr) fail("lower", "the operator is not supported");
  check_row(*row, node, graph_);
  row->lower(*this, node);
  refuse_unread_attributes(node);
}

Lowered Lowering::run() {
  place_inputs();
  if (!result_.obstacles.empty()) return std::move(result_);
  count_readers();
  for (const graph::Node& node : graph_.nodes) {
    current_ = &node;
    try {
      lower_node(node);
    } catch (const Error& error) {
      result_.obstacles.push_back(describe(node) + ": " + error.what());
      assume_outputs(node);
    }
    name_dispatches(node);
  }
  collect();
  return std::move(result_);
}

// After an obstacle: outputs exist all the same, so that later nodes are judged by themselves.
void Lowering::assume_outputs(const graph::Node& node) {
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    try {
      output(node, i);
    } catch (const Error&) {
      continue;  // its shape is unknown: the obstacle that is already listed says why
    }
  }
}

void Lowering::collect() {
  for (const graph::ValueId id : graph_.outputs) {
    try {
      result_.outputs[value(id).name] = tensor_of(id);
    } catch (const Error& error) {
      if (result_.obstacles.empty()) result_.obstacles.emplace_back(error.what());
    }
  }
  for (const Tensor& tensor : recorder_.scratch_tensors()) {
    result_.slots.push_back({.slot = tensor.slot,
                             .kind = SlotKind::kIntermediate,
                             .tensor = tensor,
                             .name = "scratch",
                             .constant = nullptr,
                             .derived = {},
                             .value = graph::kNoValue});
  }
  std::unordered_set<Slot> outputs;
  for (const auto& [name, tensor] : result_.outputs) outputs.insert(tensor.slot);
  for (SlotInfo& info : result_.slots) {
    if (info.kind == SlotKind::kIntermediate && outputs.contains(info.slot)) info.kind = SlotKind::kOutput;
  }
  result_.dispatches = std::move(recorder_.dispatches());
}

void fuse(graph::Graph& graph, const gpu::Caps& caps) {
  if (!caps.fusion) return;
  graph::fuse_attention(graph);
  graph::fuse_routers(graph);
  graph::fuse_norms(graph);
  graph::fuse(graph, {.max_norm_width = kernels::max_norm_width(caps)});
  graph::join_products(graph, {.max_bindings = caps.max_storage_buffers});
}

Lowered lower(const graph::Graph& graph, const Binding& binding, const gpu::Caps& caps) {
  Lowered lowered = Lowering(graph, binding, caps).run();
  if (caps.fusion && lowered.obstacles.empty()) run_side_by_side(lowered, caps);
  return lowered;
}

}  // namespace sluice::lower
