// Nodes that graph/passes/join_products.h made.
#include "kernels/matmul/matmul_nbits.h"
#include "lower/ops.h"

namespace sluice::lower {

void lower_joined_matmul_nbits(Lowering& l, const Node& node) {
  const std::vector<int64_t> columns = node.ints("N");
  kernels::JoinedMatMulNBitsProblem problem{
      .products = {}, .gated = node.i("gated", 0) != 0, .gate_alpha = node.f("gate_alpha", 1)};
  for (size_t i = 0; i < columns.size(); ++i) {
    const size_t first = 2 + 4 * i;
    problem.products.push_back({.a = l.input(node, 0),
                                .b = l.input(node, first),
                                .scales = l.input(node, first + 1),
                                .zero_points = l.input(node, first + 2),
                                .bias = l.input(node, first + 3),
                                .norm_weight = l.input(node, 1),
                                .y = l.output(node, problem.gated ? 0 : i),
                                .n = static_cast<uint32_t>(columns[i]),
                                .k = static_cast<uint32_t>(node.i("K", 0)),
                                .bits = static_cast<uint32_t>(node.i("bits", 4)),
                                .block_size = static_cast<uint32_t>(node.i("block_size", 0)),
                                .accuracy_level = static_cast<uint32_t>(node.i("accuracy_level", 0)),
                                .norm_epsilon = node.f("norm_epsilon", 0)});
  }
  kernels::plan_joined_matmul_nbits(problem, l.recorder());
}

}  // namespace sluice::lower
