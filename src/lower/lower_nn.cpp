#include <utility>

#include "base/error.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/matmul_nbits.h"
#include "kernels/moe/qmoe.h"
#include "kernels/norm/layer_norm.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/norm/softmax.h"
#include "lower/ops.h"
#include "lower/parts.h"

namespace sluice::lower {

void refuse_input(const Node& node, size_t i, const char* name) {
  if (node.has(i)) fail("lower", "input {} ({}) is not supported", i, name);
}

void refuse_attribute(const Node& node, const char* name, int64_t accepted) {
  if (const int64_t value = node.i(name, accepted); value != accepted)
    fail("lower", "{} must be {}, got {}", name, accepted, value);
}

// One-dimensional operands gain the dimension of 1 that numpy's matmul gives them.
void lower_matmul(Lowering& l, const Node& node) {
  kernels::MatMulProblem problem;
  problem.a = l.input(node, 0);
  problem.b = l.input(node, 1);
  problem.norm_weight = l.input(node, 2);
  problem.norm_epsilon = node.f("norm_epsilon", 0);
  problem.y = l.output(node, 0);
  if (problem.a.rank() == 1) {
    problem.a.shape.insert(problem.a.shape.begin(), 1);
    problem.y.shape.insert(problem.y.shape.end() - (problem.b.rank() == 1 ? 0 : 1), 1);
  }
  if (problem.b.rank() == 1) {
    problem.b.shape.push_back(1);
    problem.y.shape.push_back(1);
  }
  plan_in_parts(problem, l.recorder());
}

void lower_gemm(Lowering& l, const Node& node) {
  plan_in_parts(kernels::MatMulProblem{.a = l.input(node, 0),
                                       .b = l.input(node, 1),
                                       .c = l.input(node, 2),
                                       .y = l.output(node, 0),
                                       .trans_a = node.i("transA", 0) != 0,
                                       .trans_b = node.i("transB", 0) != 0,
                                       .alpha = node.f("alpha", 1),
                                       .beta = node.f("beta", 1)},
                l.recorder());
}

void lower_matmul_nbits(Lowering& l, const Node& node) {
  refuse_input(node, 4, "g_idx");
  refuse_attribute(node, "weight_prepacked", 0);
  plan_in_parts(kernels::MatMulNBitsProblem{.a = l.input(node, 0),
                                            .b = l.input(node, 1),
                                            .scales = l.input(node, 2),
                                            .zero_points = l.input(node, 3),
                                            .bias = l.input(node, 5),
                                            .residual = l.input(node, 6),
                                            .norm_weight = l.input(node, 7),
                                            .y = l.output(node, 0),
                                            .n = static_cast<uint32_t>(node.i("N", 0)),
                                            .k = static_cast<uint32_t>(node.i("K", 0)),
                                            .bits = static_cast<uint32_t>(node.i("bits", 4)),
                                            .block_size = static_cast<uint32_t>(node.i("block_size", 0)),
                                            .accuracy_level = static_cast<uint32_t>(node.i("accuracy_level", 0)),
                                            .norm_epsilon = node.f("norm_epsilon", 0)},
                l.recorder());
}

namespace {

kernels::MoeActivation moe_activation(const Node& node) {
  using kernels::MoeActivation;
  static constexpr std::pair<const char*, MoeActivation> kNames[] = {{"relu", MoeActivation::kRelu},
                                                                     {"gelu", MoeActivation::kGelu},
                                                                     {"silu", MoeActivation::kSilu},
                                                                     {"swiglu", MoeActivation::kSwiglu},
                                                                     {"identity", MoeActivation::kIdentity}};
  const std::string wanted = node.s("activation_type", "relu");
  for (const auto& [name, activation] : kNames) {
    if (wanted == name) return activation;
  }
  fail("lower", "activation_type \"{}\" is not supported", wanted);
}

// The attributes that QMoE and MoE share.
kernels::QMoEProblem moe_problem(Lowering& l, const Node& node) {
  kernels::QMoEProblem problem;
  problem.input = l.input(node, 0);
  problem.router = l.input(node, 1);
  problem.k = static_cast<uint32_t>(node.i("k", 1));
  problem.activation = moe_activation(node);
  problem.swiglu_fusion = static_cast<uint32_t>(node.i("swiglu_fusion", 0));
  problem.activation_alpha = node.f("activation_alpha", 1);
  problem.activation_beta = node.f("activation_beta", 0);
  problem.swiglu_limit = node.f("swiglu_limit", std::numeric_limits<float>::infinity());
  problem.normalize_routing_weights = node.i("normalize_routing_weights", 0) != 0;
  problem.use_sparse_mixer = node.i("use_sparse_mixer", 0) != 0;
  problem.y = l.output(node, 0);
  return problem;
}

}  // namespace

// What graph/passes/fuse_router.h leaves of a router.
static kernels::SigmoidRouter sigmoid_router(Lowering& l, const Node& node) {
  if (node.i("sigmoid_router", 0) == 0) return {};
  const auto type = static_cast<DType>(node.i("score_type", 0));
  return {true, kernels::storage_of(type, l.recorder().caps()), l.input(node, 17), node.f("least_score", 0),
          node.f("score_epsilon", 0)};
}

void lower_qmoe(Lowering& l, const Node& node) {
  kernels::QMoEProblem problem = moe_problem(l, node);
  const auto expert = [&](size_t first, size_t zero_points) {
    return kernels::QMoEProblem::Expert{l.input(node, first), l.input(node, first + 1), l.input(node, first + 2),
                                        l.input(node, zero_points)};
  };
  problem.fc1 = expert(2, 11);
  problem.fc2 = expert(5, 12);
  problem.fc3 = expert(8, 13);
  problem.router_weights = l.input(node, 14);
  if (node.domain == "sluice") {
    problem.residual = l.input(node, 15);
    problem.norm_weight = l.input(node, 16);
    problem.norm_epsilon = node.f("norm_epsilon", 0);
    problem.scale = node.f("output_scale", 1);
    problem.sigmoid = sigmoid_router(l, node);
  }
  problem.bits = static_cast<uint32_t>(node.i("expert_weight_bits", 4));
  problem.block_size = static_cast<uint32_t>(node.i("block_size", 0));
  kernels::plan_qmoe(problem, l.recorder());
}

void lower_moe(Lowering& l, const Node& node) {
  kernels::QMoEProblem problem = moe_problem(l, node);
  const auto expert = [&](size_t first) {
    return kernels::QMoEProblem::Expert{l.input(node, first), {}, l.input(node, first + 1), {}};
  };
  problem.fc1 = expert(2);
  problem.fc2 = expert(4);
  problem.fc3 = expert(6);
  problem.bits = 0;
  kernels::plan_qmoe(problem, l.recorder());
}

// Before opset 13 Softmax worked on the input flattened to two dimensions at `axis`.
static void lower_any_softmax(Lowering& l, const Node& node, bool log) {
  kernels::SoftmaxProblem problem{.x = l.input(node, 0), .y = l.output(node, 0), .axis = -1, .log = log};
  const bool flattened = node.opset < 13;
  const uint32_t axis = resolve_axis(node.i("axis", flattened ? 1 : -1), problem.x.rank());
  problem.axis = static_cast<int32_t>(axis);
  if (flattened) {
    uint32_t outer = 1, inner = 1;
    for (uint32_t i = 0; i < problem.x.rank(); ++i) (i < axis ? outer : inner) *= problem.x.shape[i];
    problem.x.shape = problem.y.shape = {outer, inner};
    problem.axis = 1;
  }
  kernels::plan_softmax(problem, l.recorder());
}

void lower_softmax(Lowering& l, const Node& node) { lower_any_softmax(l, node, false); }
void lower_log_softmax(Lowering& l, const Node& node) { lower_any_softmax(l, node, true); }

namespace {

// Norms run over the trailing dimensions from `axis` on: views x (and y) as (rows, elements).
void flatten_from(const Node& node, Tensor& x, Tensor& y, Tensor& weight) {
  const uint32_t axis = resolve_axis(node.i("axis", -1), x.rank());
  if (axis + 1 == x.rank()) return;
  uint32_t rows = 1, columns = 1;
  for (uint32_t i = 0; i < x.rank(); ++i) (i < axis ? rows : columns) *= x.shape[i];
  if (weight.elements() != columns)
    fail("lower", "scale must hold the {} normalized elements, got [{}]", columns, fmt::join(weight.shape, ", "));
  x.shape = y.shape = {rows, columns};
  weight.shape = {columns};
}

}  // namespace

void lower_rms_norm(Lowering& l, const Node& node) {
  refuse_attribute(node, "stash_type", 1);
  kernels::RmsNormProblem problem{.x = l.input(node, 0),
                                  .weight = l.input(node, 1),
                                  .y = l.output(node, 0),
                                  .factor = l.output(node, 1),
                                  .epsilon = node.f("epsilon", 1e-5f)};
  flatten_from(node, problem.x, problem.y, problem.weight);
  kernels::plan_rms_norm(problem, l.recorder());
}

void lower_skip_rms_norm(Lowering& l, const Node& node) {
  if (node.output(1) != graph::kNoValue) fail("lower", "output 1 (mean) is not supported: none is computed");
  const bool joined = node.domain == "sluice";
  kernels::plan_skip_rms_norm({.x = l.input(node, 0),
                               .skip = l.input(node, 1),
                               .weight = l.input(node, 2),
                               .bias = l.input(node, 3),
                               .y = l.output(node, 0),
                               .sum = l.output(node, 3),
                               .factor = l.output(node, 2),
                               .epsilon = node.f("epsilon", 1e-12f),
                               .inner_weight = joined ? l.input(node, 4) : Tensor(),
                               .inner_epsilon = joined ? node.f("inner_epsilon", 1e-5f) : 0},
                              l.recorder());
}

void lower_layer_norm(Lowering& l, const Node& node) {
  kernels::LayerNormProblem problem{.x = l.input(node, 0),
                                    .weight = l.input(node, 1),
                                    .bias = l.input(node, 2),
                                    .y = l.output(node, 0),
                                    .mean = l.output(node, 1),
                                    .factor = l.output(node, 2),
                                    .epsilon = node.f("epsilon", 1e-5f)};
  flatten_from(node, problem.x, problem.y, problem.weight);
  if (problem.bias) problem.bias.shape = problem.weight.shape;
  kernels::plan_layer_norm(problem, l.recorder());
}

void lower_skip_layer_norm(Lowering& l, const Node& node) {
  kernels::plan_skip_layer_norm({.x = l.input(node, 0),
                                 .skip = l.input(node, 1),
                                 .weight = l.input(node, 2),
                                 .beta = l.input(node, 3),
                                 .bias = l.input(node, 4),
                                 .y = l.output(node, 0),
                                 .sum = l.output(node, 3),
                                 .mean = l.output(node, 1),
                                 .factor = l.output(node, 2),
                                 .epsilon = node.f("epsilon", 1e-12f)},
                                l.recorder());
}

}  // namespace sluice::lower
