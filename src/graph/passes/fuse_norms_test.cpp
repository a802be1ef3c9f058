#include "graph/passes/fuse_norms.h"

#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

class Sandwich : public GraphBuilder {
 public:
  ValueId stream() { return typed(value("float16[1, 2, 32]")); }
  ValueId norm(ValueId x, float epsilon) {
    return typed(node("SimplifiedLayerNormalization", {x, weight()}, 1, {{"epsilon", epsilon}})[0]);
  }
  ValueId add(ValueId a, ValueId b) { return typed(node("Add", {a, b})[0]); }
  std::vector<ValueId> skip_norm(ValueId a, ValueId b) {
    auto outputs = node("com.microsoft.SkipSimplifiedLayerNormalization", {a, b, weight()}, 4, {{"epsilon", 0.25f}});
    graph.nodes.back().outputs[1] = graph.nodes.back().outputs[2] = kNoValue;
    return {typed(outputs[0]), typed(outputs[3])};
  }
  std::string ops() const {
    std::string text;
    for (const Node& n : graph.nodes) text += (text.empty() ? "" : " ") + n.op_type;
    return text;
  }

 private:
  ValueId weight() { return constant(Value(), DType::kFloat16, {{32, 0}}, std::vector<int64_t>(32)); }
  ValueId typed(ValueId id) {
    graph.values[id].dtype = DType::kFloat16;
    graph.values[id].shape = Shape{{1, 0}, {2, 0}, {32, 0}};
    return id;
  }
};

TEST(FuseNorms, ANormedBlockItsSumAndTheNextNormAreOne) {
  for (const bool swapped : {false, true}) {
    Sandwich s;
    const ValueId x = s.stream(), y = s.stream(), inner = s.norm(y, 0.5f);
    const ValueId sum = swapped ? s.add(inner, x) : s.add(x, inner), next = s.norm(sum, 0.125f);
    s.graph.outputs = {sum, next};
    fuse_norms(s.graph);
    ASSERT_EQ(s.ops(), "SkipSimplifiedLayerNormalization");
    const Node& joined = s.graph.nodes[0];
    EXPECT_EQ(joined.domain, "sluice");
    EXPECT_EQ(joined.input(0), y);
    EXPECT_EQ(joined.input(1), x);
    EXPECT_EQ(joined.outputs, (std::vector{next, kNoValue, kNoValue, sum}));
    EXPECT_FLOAT_EQ(joined.f("inner_epsilon", 0), 0.5f);
    EXPECT_FLOAT_EQ(joined.f("epsilon", 0), 0.125f);
    EXPECT_EQ(sources_of(joined).size(), 3u);
    EXPECT_EQ(verify(s.graph), std::vector<std::string>());
  }
}

TEST(FuseNorms, OutputsThatNothingReadsAreLeftOut) {
  Sandwich s;
  const ValueId normed = s.norm(s.add(s.stream(), s.norm(s.stream(), 0.5f)), 0.5f);
  const ValueId sum = s.add(s.norm(s.stream(), 0.5f), normed);
  s.graph.outputs = {sum};
  fuse_norms(s.graph);
  ASSERT_EQ(s.ops(), "SkipSimplifiedLayerNormalization SkipSimplifiedLayerNormalization");
  EXPECT_EQ(s.graph.nodes[0].outputs, (std::vector{normed, kNoValue, kNoValue, kNoValue}));
  EXPECT_EQ(s.graph.nodes[1].outputs, (std::vector{kNoValue, kNoValue, kNoValue, sum}));
  EXPECT_FALSE(s.graph.nodes[1].has(2));
}

TEST(FuseNorms, SkipNormsTakeTheNormBefore) {
  Sandwich s;
  const ValueId x = s.stream(), y = s.stream();
  const auto out = s.skip_norm(x, s.norm(y, 0.5f));
  s.graph.outputs = out;
  fuse_norms(s.graph);
  ASSERT_EQ(s.ops(), "SkipSimplifiedLayerNormalization");
  EXPECT_EQ(s.graph.nodes[0].input(0), y);
  EXPECT_EQ(s.graph.nodes[0].outputs, (std::vector{out[0], kNoValue, kNoValue, out[1]}));
  EXPECT_FLOAT_EQ(s.graph.nodes[0].f("epsilon", 0), 0.25f);
}

TEST(FuseNorms, WhatOthersReadStays) {
  Sandwich s;
  const ValueId inner = s.norm(s.stream(), 0.5f), sum = s.add(s.stream(), inner);
  s.graph.outputs = {inner, s.norm(sum, 0.5f), s.add(s.stream(), s.stream())};
  const Graph before = s.graph;
  fuse_norms(s.graph);
  EXPECT_EQ(dump(s.graph), dump(before));
}

}  // namespace
}  // namespace sluice::graph
