// The operators that Sluice runs: one row each, with the element types and opsets that its lowering was written for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "graph/graph.h"

namespace sluice::lower {

class Lowering;

// A set of element types.
struct Types {
  uint32_t bits;
  template <class... T>
  constexpr explicit Types(DType first, T... more) : bits(bit(first) | (0u | ... | bit(more))) {}
  constexpr bool contains(DType type) const { return (bits & bit(type)) != 0; }
  constexpr Types operator|(Types other) const {
    other.bits |= bits;
    return other;
  }

 private:
  static constexpr uint32_t bit(DType type) { return 1u << static_cast<uint32_t>(type); }
};
// "float, float16".
std::string to_string(Types types);

inline constexpr int kNewestOpset = 28;  // of ai.onnx that the rules were checked against

struct Opsets {
  int first = 1, last = kNewestOpset;
};

struct OpRow {
  std::string_view domain;  // "" for ai.onnx
  std::string_view op_type;
  void (*lower)(Lowering&, const graph::Node&);
  Types types;          // of input `operand`, or of output 0 where that is -1
  Opsets opsets = {7};  // of the domain, as the model imports it
  int operand = 0;
};

std::span<const OpRow> op_table();
// nullptr if there is none. Also finds the operators that joined nodes become, which no file can hold.
const OpRow* find_op(std::string_view domain, std::string_view op_type);

// Throws Error "lower" for an attribute that neither inference nor lowering asked for, unless it cannot change what a
// node gives here: such an attribute belongs to a newer or another definition of the operator.
void refuse_unread_attributes(const graph::Node& node);

// Throws Error "lower" if the node's opset or element type is not among its row's.
void check_row(const OpRow& row, const graph::Node& node, const graph::Graph& graph);

}  // namespace sluice::lower
