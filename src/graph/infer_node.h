// What an inference rule works with: one node, what is known of its inputs, and a place for its outputs. Rules live in
// infer_*.cpp by group of operators, each group a table; infer.cpp walks the graph and calls them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "graph/content.h"
#include "graph/dims.h"
#include "graph/graph.h"

namespace sluice::graph {

// What inference keeps for each value beside the graph itself.
struct InferState {
  enum class Has : uint8_t { kUnknown, kNothing, kContent };
  struct Slot {
    Has has = Has::kUnknown;
    bool is_ones = false;  // every element is 1
    std::unique_ptr<Content> content;
  };
  std::vector<Slot> slots;  // by ValueId
  std::vector<std::string> obstacles;
};

// Thrown by NodeInfer::refuse(): this node's rule cannot go on. infer() goes on with the next node.
struct Refused {};

class NodeInfer {
 public:
  NodeInfer(Graph& graph, InferState& state, Node& node) : graph_(graph), state_(state), node_(node) {}

  Graph& graph() { return graph_; }
  const Node& node() const { return node_; }
  int64_t opset() const { return node_.opset; }

  // Inputs. Of those that are present (has()), shape and dtype are known whenever a rule runs.
  size_t inputs() const { return node_.inputs.size(); }
  bool has(size_t i) const { return node_.has(i); }
  const Shape& shape(size_t i) const { return *value(i).shape; }
  DType dtype(size_t i) const { return *value(i).dtype; }
  size_t rank(size_t i) const { return shape(i).size(); }
  bool is_ones(size_t i) const { return state_.slots[node_.inputs[i]].is_ones; }
  // Elements known at compile time, perhaps symbolic; null if they are not.
  const Content* content(size_t i);
  // Integer elements known by content(), or given with a graph input that is compiled for its values; null if unknown.
  const std::vector<Dim>* known_ints(size_t i);
  // Constant integer elements of an input that must be known; refuses otherwise, calling it `what`.
  std::vector<int64_t> ints(size_t i, std::string_view what);
  // The same for an attribute that later opsets made input `i`; nothing if neither is given.
  std::optional<std::vector<int64_t>> ints_of(std::string_view attribute, size_t i);

  // Outputs.
  size_t outputs() const { return node_.outputs.size(); }
  bool wants(size_t i) const { return node_.output(i) != kNoValue; }
  void set(size_t i, DType dtype, Shape shape);
  const Shape& output_shape(size_t i) const { return *graph_.values[node_.outputs[i]].shape; }
  void set_content(size_t i, Content content);
  void set_constant(size_t i, const Constant& constant);
  void set_ones(size_t i);

  // Notes an obstacle; the rule may go on to find more.
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    add_problem(fmt::format(format, std::forward<Args>(args)...));
  }
  // Notes an obstacle and leaves the rule.
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
    add_problem(fmt::format(format, std::forward<Args>(args)...));
    throw Refused();
  }
  bool has_problem() const { return has_problem_; }

  // Checks and readers that many rules share; each refuses or notes an obstacle with the operand's name.
  std::string text(const Dim& dim) const { return to_string(dim, graph_); }
  std::string text(const Shape& shape) const { return to_string(shape, graph_); }
  // A possibly negative axis as an index below `rank`.
  size_t axis(int64_t axis, size_t rank);
  void expect_rank(size_t i, std::string_view name, size_t rank);
  void expect_shape(size_t i, std::string_view name, const Shape& expected);
  void expect_dtype(size_t i, std::string_view name, std::initializer_list<DType> allowed);
  void expect_float(size_t i, std::string_view name);
  void expect_index(size_t i, std::string_view name) { expect_dtype(i, name, {DType::kInt64, DType::kInt32}); }
  void expect_same_dtype(size_t i, size_t j, std::string_view names);
  // An attribute that must lie in a range; without `otherwise` it must be given.
  int64_t attribute(std::string_view name, int64_t low, int64_t high, std::optional<int64_t> otherwise = std::nullopt);
  // The attribute a dimension or count, at most 2^31 - 1.
  int64_t size_attribute(std::string_view name) { return attribute(name, 1, 0x7fffffff); }

 private:
  const Value& value(size_t i) const { return graph_.values[node_.inputs[i]]; }
  void add_problem(const std::string& message);

  Graph& graph_;
  InferState& state_;
  Node& node_;
  bool has_problem_ = false;
};

// One row an operator.
struct OpRule {
  std::string_view domain;
  std::string_view op_type;
  uint8_t required_inputs;  // so many leading ones
  void (*infer)(NodeInfer&);
  // Computes output 0 from inputs that all have content, once its shape is known to be constant and small; nothing if
  // it cannot. Null for operators that are not folded or whose rule sets the content itself.
  std::optional<Content> (*fold)(NodeInfer&) = nullptr;
};

// An element type by its number in ONNX's TensorProto.DataType; nothing for those that no operator takes.
std::optional<DType> dtype_of_onnx(int64_t number);

// Helpers of folding rules. Strides and indices are row-major.
std::vector<int64_t> strides_of(const std::vector<int64_t>& shape);
// For every element of `to` (constant) the index of the element of `from` that broadcasting puts there.
std::vector<size_t> broadcast_indices(const std::vector<int64_t>& from, const Shape& to);
Content pick(const Content& from, const std::vector<size_t>& indices);
std::optional<Content> fold_same(NodeInfer& n);  // the elements of input 0, whatever the shape

inline constexpr std::string_view kOnnx = "";
inline constexpr std::string_view kMicrosoft = "com.microsoft";

std::span<const OpRule> shape_rules();
std::span<const OpRule> select_rules();
std::span<const OpRule> move_rules();
std::span<const OpRule> elementwise_rules();
std::span<const OpRule> reduce_rules();
std::span<const OpRule> nn_rules();
std::span<const OpRule> norm_rules();
std::span<const OpRule> quantized_rules();
std::span<const OpRule> linear_rules();
std::span<const OpRule> attention_rules();
std::span<const OpRule> state_rules();

}  // namespace sluice::graph
