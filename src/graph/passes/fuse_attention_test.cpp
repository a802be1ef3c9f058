#include "graph/passes/fuse_attention.h"

#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

// Attention of 4 query and 2 KV heads of 8 elements over 3 new tokens, with the nodes that exporters put around it.
class Attention : public GraphBuilder {
 public:
  ValueId typed(ValueId id, int64_t width) {
    graph.values[id].dtype = DType::kFloat;
    graph.values[id].shape = Shape{{1, 0}, {3, 0}, {width, 0}};
    return id;
  }
  ValueId projection(int64_t width) { return typed(value("float[1, 3, 1]"), width); }
  ValueId reshape(ValueId x, Shape shape) {  // by value: adding nodes moves the shapes of values
    const ValueId id = node("Reshape", {x, value("={0, -1, 8}")})[0];
    graph.values[id].dtype = DType::kFloat;
    graph.values[id].shape = std::move(shape);
    return id;
  }
  ValueId head_norm(ValueId x, int64_t width, float epsilon) {
    const ValueId weight = constant(Value(), DType::kFloat, {{8, 0}}, std::vector<int64_t>(8));
    const ValueId heads = reshape(x, {{1, 0}, {3 * width / 8, 0}, {8, 0}});
    const ValueId normed = node("SimplifiedLayerNormalization", {heads, weight}, 1, {{"epsilon", epsilon}})[0];
    graph.values[normed].shape = graph.values[heads].shape;
    return reshape(normed, *graph.values[x].shape);
  }
  std::vector<ValueId> split(ValueId x, int64_t axis = -1) {
    const auto parts = node("Split", {x, value("={32, 16, 16}")}, 3, {{"axis", axis}});
    return {typed(parts[0], 32), typed(parts[1], 16), typed(parts[2], 16)};
  }
  ValueId attention(ValueId q, ValueId k, ValueId v, Attributes more = {}) {
    more["num_heads"] = int64_t{4};
    more["kv_num_heads"] = int64_t{2};
    const auto outputs = node("com.microsoft.GroupQueryAttention", {q, k, v, cache, cache, lengths, total}, 3, more);
    graph.outputs = {outputs[1], outputs[2]};
    return typed(outputs[0], 32);
  }
  ValueId gated(ValueId x, ValueId gate) {
    return typed(node("Mul", {x, typed(node("Sigmoid", {gate})[0], 32)})[0], 32);
  }
  void finish(ValueId output) {
    graph.outputs.insert(graph.outputs.begin(), output);
    fuse_attention(graph);
    EXPECT_TRUE(verify(graph).empty());
  }
  std::string ops() const {
    std::string text;
    for (const Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op_type;
    return text;
  }

  ValueId cache = value("float[1, 2, 5, 8]"), lengths = value("int32[1]"), total = value("int32[1]");
};

TEST(FuseAttention, NormsOfHeadsAndGateJoin) {
  Attention a;
  const ValueId q = a.projection(32), k = a.projection(16), v = a.projection(16), gate = a.projection(32);
  a.finish(a.gated(a.attention(a.head_norm(q, 32, 0.5f), a.head_norm(k, 16, 0.5f), v), gate));
  ASSERT_EQ(a.ops(), "GroupQueryAttention");
  const Node& joined = a.graph.nodes[0];
  EXPECT_EQ(joined.domain, "sluice");
  EXPECT_EQ(joined.input(0), q);
  EXPECT_EQ(joined.input(1), k);
  EXPECT_EQ(joined.input(2), v);
  EXPECT_TRUE(joined.has(14) && joined.has(15));
  EXPECT_EQ(joined.input(16), gate);
  EXPECT_FLOAT_EQ(joined.f("qk_norm_epsilon", 0), 0.5f);
  EXPECT_EQ(joined.output(0), a.graph.outputs[0]);
}

TEST(FuseAttention, ASplitBecomesPackedInput) {
  Attention a;
  const ValueId packed = a.projection(64);
  const auto parts = a.split(packed);
  a.finish(a.attention(a.head_norm(parts[0], 32, 0.5f), a.head_norm(parts[1], 16, 0.5f), parts[2]));
  ASSERT_EQ(a.ops(), "GroupQueryAttention");
  EXPECT_EQ(a.graph.nodes[0].input(0), packed);
  EXPECT_FALSE(a.graph.nodes[0].has(1) || a.graph.nodes[0].has(2));
}

TEST(FuseAttention, OtherSplitsStay) {
  for (const auto& [q, k, axis] : {std::tuple{0, 1, 1}, std::tuple{0, 2, 2}}) {
    Attention a;
    const auto parts = a.split(a.projection(64), axis);
    a.finish(a.attention(parts[q], parts[k], parts[3 - k]));
    EXPECT_EQ(a.ops(), "Split GroupQueryAttention");
  }
  Attention a;
  const auto parts = a.split(a.projection(64));
  const ValueId output = a.attention(parts[0], parts[1], parts[2]);
  a.graph.outputs.push_back(parts[1]);
  a.finish(output);
  EXPECT_EQ(a.ops(), "Split GroupQueryAttention");
}

TEST(FuseAttention, NormsThatDifferOrAreReadElsewhereStay) {
  for (const bool read : {false, true}) {
    Attention a;
    const ValueId q = a.head_norm(a.projection(32), 32, 0.5f);
    const ValueId k = a.head_norm(a.projection(16), 16, read ? 0.5f : 0.25f);
    const ValueId output = a.attention(q, k, a.projection(16));
    if (read) a.graph.outputs.push_back(k);
    a.finish(output);
    EXPECT_EQ(a.graph.nodes.size(), 7u);
    EXPECT_EQ(a.graph.nodes.back().domain, "com.microsoft");
  }
}

TEST(FuseAttention, AGateThatComesLaterMovesTheAttention) {
  Attention a;
  const ValueId x = a.attention(a.projection(32), a.projection(16), a.projection(16));
  const ValueId gate = a.typed(a.node("Neg", {a.projection(32)})[0], 32);
  a.finish(a.gated(x, gate));
  EXPECT_EQ(a.ops(), "Neg GroupQueryAttention");
}

TEST(FuseAttention, GatesThatTheKernelsDoNotKnowStay) {
  Attention both_ways;
  const ValueId q = both_ways.projection(32), k = both_ways.projection(16), v = both_ways.projection(16);
  both_ways.finish(both_ways.gated(both_ways.attention(q, k, v, {{"causal", int64_t{0}}}), both_ways.projection(32)));
  EXPECT_EQ(both_ways.ops(), "GroupQueryAttention Sigmoid Mul");
  Attention read;
  const ValueId x = read.attention(read.projection(32), read.projection(16), read.projection(16));
  const ValueId gate = read.projection(32);
  const ValueId output = read.gated(x, gate);
  read.graph.outputs.push_back(x);
  read.finish(output);
  EXPECT_EQ(read.ops(), "GroupQueryAttention Sigmoid Mul");
}

}  // namespace
}  // namespace sluice::graph
