// The operators that Sluice runs: one row each.
#pragma once

#include <span>
#include <string_view>

#include "graph/graph.h"

namespace sluice::lower {

class Lowering;

struct OpRow {
  std::string_view domain;  // "" for ai.onnx
  std::string_view op_type;
  void (*lower)(Lowering&, const graph::Node&);
  // Whether it also takes int8, int16, uint16, uint32 and uint64: operators that move or select elements and never
  // compute with them. The others refuse these types by name.
  bool takes_all_integers = false;
};

std::span<const OpRow> op_table();
const OpRow* find_op(std::string_view domain, std::string_view op_type);  // nullptr if there is none

}  // namespace sluice::lower
