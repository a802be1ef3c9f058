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
};

std::span<const OpRow> op_table();
const OpRow* find_op(std::string_view domain, std::string_view op_type);  // nullptr if there is none

}  // namespace sluice::lower
