#include "runtime/step_info.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace sluice::runtime {

namespace {

const char* type_name(kernels::Storage storage) {
  switch (storage) {
    case kernels::Storage::kF32:
      return "float32";
    case kernels::Storage::kF16:
      return "float16";
    case kernels::Storage::kI32:
      return "int32";
    case kernels::Storage::kU32:
    case kernels::Storage::kUnsigned:
      return "uint32";
    case kernels::Storage::kBytes:
      return "uint8";
  }
  return "";
}

StepTensor describe(const lower::SlotInfo& slot) {
  StepTensor tensor;
  tensor.name = slot.name;
  tensor.type = type_name(slot.tensor.storage);
  tensor.shape.assign(slot.tensor.shape.begin(), slot.tensor.shape.end());
  tensor.bytes = kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements());
  tensor.cache = slot.kind == lower::SlotKind::kCache && slot.tensor.rank() == 4;
  return tensor;
}

using Slots = std::map<kernels::Slot, const lower::SlotInfo*>;

// A tensor that stands in for an absent operand is bound twice, and listed once.
std::vector<StepTensor> describe_operands(const kernels::Dispatch& dispatch, const Slots& slots) {
  std::vector<StepTensor> tensors;
  std::set<std::tuple<kernels::Slot, uint64_t, gpu::Access>> seen;
  for (const kernels::Operand& operand : dispatch.operands) {
    if (!seen.emplace(operand.slot, operand.offset, operand.access).second) continue;
    const auto slot = slots.find(operand.slot);
    StepTensor tensor = slot == slots.end() ? StepTensor() : describe(*slot->second);
    if (operand.size != 0) tensor.bytes = operand.size;
    tensor.touched = std::min(tensor.bytes, operand.touched.value_or(tensor.bytes));
    tensor.written = operand.access == gpu::Access::kReadWrite;
    tensor.read = !tensor.written || operand.updated;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// "QMoE /model/layers.0/moe/QMoE", or what the caller of the graph adds: "begin step", without sources.
StepInfo name_step(const std::string& node, const std::vector<std::string>& sources) {
  StepInfo step;
  const NodeLabel label = sources.empty() ? NodeLabel{node, ""} : split_label(node);
  step.op = label.op;
  step.node = label.name.empty() ? node : label.name;
  step.sources = sources.empty() ? std::vector{node} : sources;
  return step;
}

}  // namespace

NodeLabel split_label(const std::string& label) {
  const size_t space = std::min(label.find(' '), label.size());
  return {label.substr(0, space), label.substr(std::min(space + 1, label.size()))};
}

std::vector<StepInfo> describe_steps(const StepLists& lists) {
  Slots slots;
  for (const lower::SlotInfo& slot : lists.slots) slots[slot.slot] = &slot;
  std::vector<StepInfo> steps;
  for (size_t i = 0; i < lists.dispatches.size(); ++i) {
    const kernels::Dispatch& dispatch = lists.dispatches[i];
    StepInfo step = name_step(lists.nodes[i], lists.sources[i]);
    step.kernel = dispatch.name;
    step.tensors = describe_operands(dispatch, slots);
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace sluice::runtime
