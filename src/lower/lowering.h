// Lowers an inferred graph to a flat list of dispatches over slots: the only place that knows both graph and kernels.
//
// Every value of the graph is given a kernels::Tensor: a slot of its own, the slot of another value (Reshape and its
// kin), or the slot of a weight. Nothing here touches the device: the result is data, and obstacles are collected
// rather than thrown one by one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gpu/caps.h"
#include "graph/graph.h"
#include "kernels/common/plan.h"
#include "kernels/elementwise/expression.h"

namespace sluice::lower {

using kernels::Slot;
using kernels::Tensor;

// What fills a slot before or during a run.
enum class SlotKind : uint8_t {
  kConstant,      // an initializer of the model, or a small tensor made at compile time
  kInput,         // a graph input, written by the caller
  kIntermediate,  // written and read inside the program
  kOutput,        // a graph output that the caller reads
  kDerived,       // integers that follow from the number of past tokens, written on the GPU when a step begins
  kCache,         // past and present state, kept from step to step
};

struct SlotInfo {
  Slot slot = 0;
  SlotKind kind = SlotKind::kIntermediate;
  Tensor tensor;
  std::string name;                                 // of the value
  std::shared_ptr<const graph::Constant> constant;  // kConstant
  std::vector<graph::Dim> derived;                  // kDerived: each element, value or value + past
  graph::ValueId value = graph::kNoValue;
};

// How the caller wants graph inputs and outputs placed.
struct Binding {
  // Graph output -> graph input whose buffer it shares (present -> past).
  std::map<std::string, std::string> shared;
  // Tokens that a cache of symbolic length has room for: the size of its symbolic dimension.
  uint32_t capacity = 0;
  // Tokens that such a cache is expected to hold at most, 0: all it has room for. Kernels may choose by it, and are
  // right for more.
  uint32_t length = 0;
  // The symbol of the number of past tokens: the only one that may remain in derived integers.
  graph::Symbol past = 0;
  // Graph inputs that hold past, past+1, ... (position ids): derived on the GPU.
  std::vector<std::string> positions;
  // Graph inputs that need no buffer because only folded shape arithmetic may read them (the attention mask).
  std::vector<std::string> folded;
  // A kU32 tensor of one element: recurrent state is only updated while it is not 0. May be empty.
  Tensor active;
};

struct Lowered {
  std::vector<kernels::Dispatch> dispatches;
  std::vector<std::string> nodes;  // for each dispatch, the node it came from: "QMoE /model/layers.0/moe/QMoE"
  // For each dispatch, the nodes of the file whose work it does, in the same form: several where a pass joined them.
  std::vector<std::vector<std::string>> sources;
  std::vector<SlotInfo> slots;           // scratch tensors included
  std::map<std::string, Tensor> inputs;  // graph inputs that have a buffer
  std::map<std::string, Tensor> outputs;
  std::vector<std::string> obstacles;  // one line each; the rest is only valid if there are none
};

// Joins the nodes of an inferred graph as far as the device's kernels go (graph/passes/fuse.h).
void fuse(graph::Graph& graph, const gpu::Caps& caps);

Lowered lower(const graph::Graph& graph, const Binding& binding, const gpu::Caps& caps);

// What an element-wise node reads or makes: an expression, the value that it is, if it is one, and the nodes whose work
// it takes over.
struct ElementOperand {
  kernels::ElementExpression expression;
  graph::ValueId value = graph::kNoValue;
  std::vector<std::string> sources = {};

  ElementOperand(kernels::ElementExpression x, graph::ValueId id, std::vector<std::string> from = {})
      : expression(std::move(x)), value(id), sources(std::move(from)) {}
  ElementOperand(const Tensor& x)  // NOLINT(google-explicit-constructor)
      : expression(kernels::ElementExpression::of(x)) {}
};

// The state of one lowering, handed to the operators' functions.
class Lowering {
 public:
  Lowering(const graph::Graph& graph, const Binding& binding, const gpu::Caps& caps);

  const graph::Graph& graph() const { return graph_; }
  const Binding& binding() const { return binding_; }
  kernels::Recorder& recorder() { return recorder_; }

  // Tensor of a node's i-th input; an empty Tensor where it is absent. Places constants and derived integers on first
  // use.
  Tensor input(const graph::Node& node, size_t i);
  // The bytes of an input of a 4-bit type, two values each, as one dimension; it must be a constant.
  Tensor packed_input(const graph::Node& node, size_t i);
  // A new tensor for the i-th output, of the inferred shape and type; an empty Tensor where the output is not wanted.
  Tensor output(const graph::Node& node, size_t i);
  // The tensor of an output that continues a state input: the input's own where the caller lets them share, else a new
  // one.
  Tensor state_output(const graph::Node& node, size_t output, size_t past_input);
  // Runs `lower` with uint8 tensors handed out as whole integers: input() gives unpacked copies, and what goes to
  // output() is packed at the end. For kernels that do not take packed bytes.
  void with_whole_bytes(const std::function<void()>& lower);
  // Lets output i live in the input's slot (same elements, other shape).
  void alias(const graph::Node& node, size_t i, const Tensor& tensor);
  std::vector<uint32_t> sizes(graph::ValueId id) const;  // the inferred shape; throws Error unless it is of numbers

  // Element-wise values (expressions.cpp). The i-th input for a program: waiting expressions and constants of one
  // element are not made tensors.
  ElementOperand elements(const graph::Node& node, size_t i);
  // The i-th input to take a view of; only where takes_views().
  ElementOperand view(const graph::Node& node, size_t i);
  bool takes_views(const graph::Node& node) const;
  std::vector<uint32_t> input_shape(const graph::Node& node, size_t i);
  bool is_expression(const graph::Node& node, size_t i) const;  // not a tensor yet
  // program(operands...) as one expression. Operands that make it too large for a dispatch are computed first.
  ElementOperand compose(std::vector<ElementOperand> operands, const kernels::ElementProgram& program,
                         const std::vector<uint32_t>& shape);
  // Makes an expression the node's i-th output, to be computed when it is needed. `kernel` names its dispatch.
  void set_elements(const graph::Node& node, size_t i, ElementOperand x, const std::string& kernel);
  // Makes the first input, if it is an expression whose elements can be walked so, the first output in another shape.
  bool reshape_elements(const graph::Node& node);

  // Elements of an input that must be known at compile time; throws Error naming the input otherwise.
  std::vector<int64_t> constant_ints(const graph::Node& node, size_t i) const;
  const graph::Value& value(graph::ValueId id) const { return graph_.values[id]; }
  // Throws Error if a value is of int8, int16, uint16, uint32 or uint64, which few kernels compute with.
  void refuse_rare_integers(graph::ValueId id) const;

  Lowered run();

 private:
  Slot next_slot() const { return static_cast<Slot>(result_.slots.size() + 1); }
  const Tensor& place(graph::ValueId id, SlotKind kind);
  const Tensor& place_constant(graph::ValueId id, std::shared_ptr<const graph::Constant> constant);
  const Tensor& place_derived(graph::ValueId id, std::vector<graph::Dim> elements);
  const Tensor& tensor_of(graph::ValueId id);
  Tensor unpacked(const Tensor& tensor);
  struct Waiting {
    kernels::ElementExpression expression;
    std::string kernel;                  // its dispatch's name
    std::string node;                    // that it came from
    std::vector<std::string> sources{};  // and all whose work it does
  };

  void count_readers();
  bool reads_state(const kernels::ElementExpression& x) const;
  bool may_wait(graph::ValueId id, const kernels::ElementExpression& x) const;
  void set_output(const graph::Node& node, size_t i, Waiting x);
  void compute(const Waiting& x, const Tensor& y);
  void copy_view(const Waiting& x, const Tensor& y);
  const Tensor& computed(graph::ValueId id);
  void settle(ElementOperand& operand);
  // Dispatches that have no node yet came from this one.
  void name_dispatches(const graph::Node& node);
  void name_dispatches(const std::string& node, const std::vector<std::string>& sources);
  void place_inputs();
  void place_input(graph::ValueId id, bool is_state);
  void lower_node(const graph::Node& node);
  void assume_outputs(const graph::Node& node);
  void collect();

  const graph::Graph& graph_;
  const Binding& binding_;
  const gpu::Caps& caps_;
  kernels::Recorder recorder_;
  std::vector<Tensor> tensors_;                    // by value id
  std::map<graph::ValueId, Waiting> expressions_;  // values that are not computed yet
  std::vector<uint32_t> readers_;                  // of each value
  const graph::Node* current_ = nullptr;           // that is being lowered
  // Slots by the bytes of their constant, as indices of result_.slots, so that a folded Reshape of a weight shares the
  // weight's slot.
  std::unordered_multimap<const std::byte*, size_t> constants_;
  Lowered result_;  // slot i + 1 is slots[i]; scratch tensors come last
  bool whole_bytes_ = false;
  std::vector<std::pair<Tensor, Tensor>> to_pack_;  // whole integers, and the packed output they go to
};

}  // namespace sluice::lower
