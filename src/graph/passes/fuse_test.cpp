#include "graph/passes/fuse.h"

#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

constexpr FuseOptions kAll{.max_norm_width = 64};

// The ends of layers, with weights of K 32 by N 32 that are never looked at.
class Layer : public GraphBuilder {
 public:
  ValueId weight(DType dtype) { return constant(Value(), dtype, {{32, 0}}, std::vector<int64_t>(32)); }
  ValueId typed(ValueId id, const std::string& text) {
    const size_t bracket = text.find('[');
    graph.values[id].dtype = parse_dtype(text.substr(0, bracket));
    graph.values[id].shape = parse_shape(text.substr(bracket + 1, text.size() - bracket - 2), graph);
    return id;
  }
  ValueId product(ValueId x, const std::string& type) {
    return typed(node("com.microsoft.MatMulNBits", {x, weights, scales}, 1, {{"N", 32}, {"K", 32}})[0], type);
  }
  ValueId qmoe(ValueId x, ValueId router, const std::string& type) {
    return typed(node("com.microsoft.QMoE", {x, router, weights, scales}, 1, {{"k", 2}})[0], type);
  }
  ValueId add(ValueId a, ValueId b, const std::string& type) { return typed(node("Add", {a, b})[0], type); }
  ValueId norm(ValueId x, const std::string& type) {
    return typed(node("SimplifiedLayerNormalization", {x, gamma}, 1, {{"epsilon", 0.5f}})[0], type);
  }
  // (normed, sum)
  std::vector<ValueId> skip_norm(ValueId x, ValueId skip, const std::string& type) {
    auto outputs = node("com.microsoft.SkipSimplifiedLayerNormalization", {x, skip, gamma}, 4, {{"epsilon", 0.25f}});
    graph.nodes.back().outputs[1] = graph.nodes.back().outputs[2] = kNoValue;
    return {typed(outputs[0], type), typed(outputs[3], type)};
  }
  std::string ops() const {
    std::string text;
    for (const Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op_type;
    return text;
  }

  ValueId weights = weight(DType::kUint8), scales = weight(DType::kFloat), gamma = weight(DType::kFloat),
          bias = weight(DType::kFloat);
};

TEST(Fuse, BiasAndResidualJoinTheProduct) {
  Layer l;
  const ValueId x = l.value("float[1, 3, 32]"), residual = l.value("float[1, 3, 32]");
  const std::string type = "float[1, 3, 32]";
  const ValueId sum = l.add(residual, l.add(l.product(x, type), l.bias, type), type);
  l.graph.outputs = {sum};
  fuse(l.graph, kAll);
  ASSERT_EQ(l.ops(), "MatMulNBits");
  const Node& joined = l.graph.nodes[0];
  EXPECT_EQ(joined.domain, "sluice");
  EXPECT_EQ(joined.input(5), l.bias);
  EXPECT_EQ(joined.input(6), residual);
  EXPECT_EQ(joined.outputs, std::vector{sum});
  EXPECT_EQ(sources_of(joined), (std::vector<std::string>{"MatMulNBits node0", "Add node1", "Add node2"}));
  EXPECT_TRUE(verify(l.graph).empty());
}

TEST(Fuse, SkipNormLeavesItsNorm) {
  Layer l;
  const std::string type = "float[1, 3, 32]";
  const ValueId x = l.value(type), residual = l.value(type);
  const auto out = l.skip_norm(residual, l.product(x, type), type);
  const auto next = l.skip_norm(out[1], l.qmoe(out[0], l.value("float[3, 8]"), type), type);
  l.graph.outputs = {next[0]};
  fuse(l.graph, kAll);
  ASSERT_EQ(l.ops(), "MatMulNBits SimplifiedLayerNormalization QMoE SimplifiedLayerNormalization");
  EXPECT_EQ(l.graph.nodes[0].input(6), residual);
  EXPECT_EQ(l.graph.nodes[0].output(0), out[1]);
  EXPECT_FLOAT_EQ(l.graph.nodes[1].f("epsilon", 0), 0.25f);
  EXPECT_EQ(l.graph.nodes[2].input(15), out[1]);
  const std::string skip = "SkipSimplifiedLayerNormalization node1";
  EXPECT_EQ(sources_of(l.graph.nodes[0]), (std::vector<std::string>{"MatMulNBits node0", skip}));
  EXPECT_EQ(sources_of(l.graph.nodes[1]), std::vector{skip});
  EXPECT_TRUE(verify(l.graph).empty());
}

TEST(Fuse, WhatOthersReadStays) {
  Layer l;
  const std::string type = "float[1, 3, 32]";
  const ValueId x = l.value(type);
  const ValueId shared = l.product(x, type), wide = l.product(x, type);
  const ValueId broadcast = l.value("float[3, 1, 32]");
  const ValueId a = l.add(shared, x, type), b = l.add(wide, broadcast, "float[3, 3, 32]");
  l.graph.outputs = {shared, a, b};
  const Graph before = l.graph;
  fuse(l.graph, kAll);
  EXPECT_EQ(dump(l.graph), dump(before));
}

TEST(Fuse, ANormOfOneRowJoinsAllItsReaders) {
  for (const int rows : {1, 2}) {
    Layer l;
    const std::string type = "float[1, " + std::to_string(rows) + ", 32]";
    const ValueId x = l.value(type), normed = l.norm(x, type), router = l.product(normed, type);
    l.graph.outputs = {l.qmoe(normed, router, type)};
    fuse(l.graph, kAll);
    ASSERT_EQ(l.ops(), rows == 1 ? "MatMulNBits QMoE" : "SimplifiedLayerNormalization MatMulNBits QMoE");
    if (rows != 1) continue;
    EXPECT_EQ(l.graph.nodes[0].input(0), x);
    EXPECT_EQ(l.graph.nodes[0].input(7), l.gamma);
    EXPECT_EQ(l.graph.nodes[1].input(16), l.gamma);
    for (const Node& node : l.graph.nodes) EXPECT_EQ(sources_of(node).back(), "SimplifiedLayerNormalization node0");
    EXPECT_FLOAT_EQ(l.graph.nodes[1].f("norm_epsilon", 0), 0.5f);
    EXPECT_TRUE(verify(l.graph).empty());
  }
}

TEST(Fuse, ANormJoinsProductsOfFloats) {
  for (const bool matrix : {true, false}) {
    Layer l;
    const std::string type = "float[1, 1, 32]";
    const ValueId x = l.value(type), normed = l.norm(x, type);
    const ValueId b = l.value(matrix ? "float[32, 32]" : "float[1, 32, 32]");
    l.graph.outputs = {l.typed(l.node("MatMul", {normed, b})[0], type), l.product(normed, type)};
    fuse(l.graph, kAll);
    ASSERT_EQ(l.ops(), matrix ? "MatMul MatMulNBits" : "SimplifiedLayerNormalization MatMul MatMulNBits");
    if (!matrix) continue;
    EXPECT_EQ(l.graph.nodes[0].domain, "sluice");
    EXPECT_EQ(l.graph.nodes[0].inputs, (std::vector{x, b, l.gamma}));
    EXPECT_FLOAT_EQ(l.graph.nodes[0].f("norm_epsilon", 0), 0.5f);
    EXPECT_TRUE(verify(l.graph).empty());
  }
}

TEST(Fuse, ANormStaysWhereItIsReadOtherwiseOrTooWide) {
  const std::string type = "float[1, 1, 32]";
  for (const uint32_t width : {31u, 32u}) {
    Layer l;
    l.graph.outputs = {l.product(l.norm(l.value(type), type), type)};
    fuse(l.graph, {.max_norm_width = width});
    EXPECT_EQ(l.graph.nodes.size(), width == 32 ? 1u : 2u);
  }
  Layer l;
  const ValueId normed = l.norm(l.value(type), type);
  l.graph.outputs = {l.product(normed, type), normed};
  fuse(l.graph, kAll);
  EXPECT_EQ(l.ops(), "SimplifiedLayerNormalization MatMulNBits");
}

}  // namespace
}  // namespace sluice::graph
