// Inference over whole graphs: bound inputs, symbols, folding, obstacles, dead nodes.
#include "graph/infer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

std::string joined(const std::vector<std::string>& lines) { return fmt::format("{}", fmt::join(lines, "\n")); }

Attribute i(int64_t value) { return value; }

// The exporters' subgraph that turns an attention mask into lengths.
struct MaskGraph : GraphBuilder {
  ValueId mask = value("int64[batch, total]", "mask");
  ValueId ids = value("int64[batch, tokens]", "ids");
  ValueId seqlens, total;

  MaskGraph() {
    const ValueId sum = node("ReduceSum", {mask, value("={1}")}, 1, {{"keepdims", i(0)}})[0];
    seqlens = node("Cast", {node("Sub", {sum, value("={1}")})[0]}, 1, {{"to", i(6)}})[0];
    const ValueId length = node("Gather", {node("Shape", {mask})[0], value("=1")}, 1, {{"axis", i(0)}})[0];
    total = node("Cast", {length}, 1, {{"to", i(6)}})[0];
    graph.outputs = {node("Neg", {seqlens})[0], node("Neg", {total})[0], node("Identity", {ids})[0]};
  }

  InferOptions options(int64_t tokens) {
    const Symbol past = graph.symbol("past");
    return {{{"ids", {{1, 0}, {tokens, 0}}}, {"mask", {{1, 0}, {tokens, past}}}}, {"mask"}};
  }
};

TEST(InferTest, AttentionMaskArithmeticIsKnown) {
  MaskGraph g;
  EXPECT_EQ(joined(infer(g.graph, g.options(5))), "");
  EXPECT_EQ(g.text(g.seqlens), "int32[1]={past+4}");
  EXPECT_EQ(g.text(g.total), "int32[]={past+5}");
}

TEST(InferTest, WithoutThePromiseOfOnesASumIsData) {
  MaskGraph g;
  InferOptions options = g.options(5);
  options.ones.clear();
  EXPECT_EQ(joined(infer(g.graph, options)), "");
  EXPECT_EQ(g.text(g.seqlens), "int32[1]");
  EXPECT_EQ(g.text(g.total), "int32[]={past+5}");
}

// A caller that compiles for given feeds says what small integer inputs hold.
TEST(InferTest, KnownInputsAreFacts) {
  GraphBuilder g;
  const ValueId x = g.value("float[2, 3, 4]", "x");
  const ValueId axes = g.value("int64[1]", "axes");
  const ValueId sum = g.node("ReduceSum", {x, g.node("Neg", {axes})[0]}, 1)[0];
  g.graph.outputs = {sum};
  EXPECT_NE(joined(infer(g.graph, {})), "");
  for (const int64_t axis : {1, 2}) {
    g.graph.values[axes].known = {{axis, 0}};
    EXPECT_EQ(joined(infer(g.graph, {})), "");
    EXPECT_EQ(g.text(sum), axis == 1 ? "float[2, 3, 1]" : "float[2, 1, 4]");
  }
}

TEST(InferTest, MayBeRepeatedForOtherShapes) {
  MaskGraph g;
  for (const int64_t tokens : {int64_t{5}, int64_t{1}, int64_t{128}}) {
    EXPECT_EQ(joined(infer(g.graph, g.options(tokens))), "");
    EXPECT_EQ(g.text(g.total), fmt::format("int32[]={{past+{}}}", tokens));
    EXPECT_EQ(g.text(g.ids), fmt::format("int64[1, {}]", tokens));
  }
  EXPECT_EQ(joined(infer(g.graph, {})), "");
  EXPECT_EQ(g.text(g.total), "int32[]={total}") << "the declared shape comes back";
  EXPECT_EQ(g.text(g.seqlens), "int32[batch]");
}

TEST(InferTest, BoundSymbolsReachInputsThatAreNotGiven) {
  MaskGraph g;
  EXPECT_EQ(joined(infer(g.graph, {{{"ids", {{2, 0}, {7, 0}}}}, {}})), "");
  EXPECT_EQ(g.text(g.mask), "int64[2, total]");
}

TEST(InferTest, BindingObstacles) {
  const auto obstacles = [](std::vector<InputShape> inputs) {
    MaskGraph g;
    return joined(infer(g.graph, {std::move(inputs), {}}));
  };
  EXPECT_EQ(obstacles({{"ids", {{2, 0}, {7, 0}}}, {"mask", {{1, 0}, {7, 0}}}}),
            "[infer] input \"mask\": dimension batch is 1 here and 2 elsewhere");
  EXPECT_EQ(obstacles({{"ids", {{2, 0}}}}), "[infer] input \"ids\" is declared as [batch, tokens], got [2]");
  EXPECT_EQ(obstacles({{"idz", {{2, 0}}}}), "[infer] the graph has no input \"idz\"");
  EXPECT_EQ(obstacles({{"ids", {{1, 0}, {-1, 0}}}}), "[infer] input \"ids\" cannot be [1, -1]");
  GraphBuilder fixed;
  fixed.value("float[2, 3]", "x");
  EXPECT_EQ(joined(infer(fixed.graph, {{{"x", {{2, 0}, {4, 0}}}}, {}})),
            "[infer] input \"x\" is declared as [2, 3], got [2, 4]");
  GraphBuilder shapeless;
  shapeless.graph.values[shapeless.value("float[2]", "x")].shape.reset();
  EXPECT_EQ(joined(infer(shapeless.graph, {})), "[infer] input \"x\" has no declared shape: give one");
}

TEST(InferTest, EachCauseIsReportedOnce) {
  GraphBuilder g;
  const ValueId x = g.value("float[n]", "x");
  const ValueId unknown = g.node("Mystery", {x})[0];
  const ValueId after = g.node("Exp", {unknown})[0];
  g.node("Mystery", {after});
  g.node("Sigmoid", {g.value("int64[2]")});
  EXPECT_EQ(joined(infer(g.graph, {})),
            "[infer] Mystery \"node0\": the operator is not supported\n"
            "[infer] Mystery \"node2\": the operator is not supported\n"
            "[infer] Sigmoid \"node3\": the input must be floats, got int64");
  EXPECT_EQ(g.text(after), "?");
  EXPECT_TRUE(can_infer("com.microsoft", "QMoE"));
  EXPECT_FALSE(can_infer("", "QMoE"));
}

// One symbolic list {past, 4, past+5} to fold with.
struct FoldGraph : GraphBuilder {
  ValueId shape = node("Shape", {value("float[past, 4, past+5]")})[0];

  std::string run(ValueId result) {
    const std::string obstacles = joined(infer(graph, {}));
    return obstacles.empty() ? text(result) : obstacles;
  }
  std::string binary(const std::string& op, const std::string& other) {
    return run(node(op, {shape, value(other)})[0]);
  }
};

TEST(InferFoldTest, LinearArithmetic) {
  EXPECT_EQ(FoldGraph().binary("Add", "=2"), "int64[3]={past+2, 6, past+7}");
  EXPECT_EQ(FoldGraph().binary("Sub", "={1, 4, 5}"), "int64[3]={past-1, 0, past}");
  EXPECT_EQ(FoldGraph().binary("Mul", "={1, 3, 0}"), "int64[3]={past, 12, 0}");
  EXPECT_EQ(FoldGraph().binary("Mul", "=2"), "int64[3]") << "twice a symbol is not linear here";
  EXPECT_EQ(FoldGraph().binary("Div", "={1, 2, 1}"), "int64[3]={past, 2, past+5}");
  EXPECT_EQ(FoldGraph().binary("Equal", "=-1"), "bool[3]={0, 0, 0}");
  EXPECT_EQ(FoldGraph().binary("Equal", "={3, 4, 4}"), "bool[3]") << "past may be 3";
  EXPECT_EQ(FoldGraph().binary("Less", "={0, 5, 5}"), "bool[3]={0, 1, 0}");
  EXPECT_EQ(FoldGraph().binary("Max", "={0, 5, 3}"), "int64[3]={past, 5, past+5}");
  EXPECT_EQ(FoldGraph().binary("Min", "={0, 5, 3}"), "int64[3]={0, 4, 3}");
  FoldGraph g;
  EXPECT_EQ(g.run(g.node("Sub", {g.shape, g.shape})[0]), "int64[3]={0, 0, 0}");
  FoldGraph twice;
  EXPECT_EQ(twice.run(twice.node("Add", {twice.shape, twice.shape})[0]), "int64[3]");
}

TEST(InferFoldTest, MovesSymbols) {
  FoldGraph g;
  const ValueId first = g.node("Gather", {g.shape, g.value("=0")})[0];
  const ValueId list = g.node("Unsqueeze", {first, g.value("={0}")})[0];
  const ValueId both =
      g.node("Concat", {list, g.value("={-1}"), g.node("Slice", {g.shape, g.value("={2}"), g.value("={3}")})[0]}, 1,
             {{"axis", i(0)}})[0];
  EXPECT_EQ(g.run(both), "int64[3]={past, -1, past+5}");
  FoldGraph where;
  const ValueId is_four = where.node("Equal", {where.shape, where.value("=-1")})[0];
  EXPECT_EQ(where.run(where.node("Where", {is_four, where.value("=9"), where.shape})[0]), "int64[3]={past, 4, past+5}");
  FoldGraph cast;
  EXPECT_EQ(cast.run(cast.node("Cast", {cast.shape}, 1, {{"to", i(6)}})[0]), "int32[3]={past, 4, past+5}");
  FoldGraph narrow;
  EXPECT_EQ(narrow.run(narrow.node("Cast", {narrow.shape}, 1, {{"to", i(2)}})[0]), "uint8[3]")
      << "a symbol has no remainder";
  FoldGraph sum;
  EXPECT_EQ(sum.run(sum.node("ReduceSum", {sum.node("Gather", {sum.shape, sum.value("={0, 1}")})[0]}, 1,
                             {{"keepdims", i(0)}})[0]),
            "int64[]={past+4}");
}

TEST(InferFoldTest, SymbolicShapesFromValues) {
  GraphBuilder g;
  const ValueId x = g.value("float[1, past+3, 64]");
  const ValueId length = g.node("Gather", {g.node("Shape", {x})[0], g.value("={1}")})[0];
  const ValueId scalar = g.node("Squeeze", {length, g.value("={0}")})[0];
  const ValueId target = g.node("Concat", {length, g.value("={64}")}, 1, {{"axis", i(0)}})[0];
  const ValueId reshaped = g.node("Reshape", {x, target})[0];
  const ValueId filled = g.node("ConstantOfShape", {target})[0];
  const ValueId range = g.node("Range", {g.value("=0"), scalar, g.value("=1")})[0];
  const ValueId sliced = g.node("Slice", {g.value("float[4096, 8]"), g.value("={0}"), length, g.value("={0}")})[0];
  EXPECT_EQ(joined(infer(g.graph, {})), "");
  EXPECT_EQ(g.text(reshaped), "float[past+3, 64]");
  EXPECT_EQ(g.text(filled), "float[past+3, 64]");
  EXPECT_EQ(g.text(range), "int64[past+3]");
  EXPECT_EQ(g.text(sliced), "float[past+3, 8]");
}

float float_of(const Graph& graph, ValueId id) {
  float value = 0;
  std::memcpy(&value, graph.values[id].constant->bytes.data(), sizeof(value));
  return value;
}

TEST(InferFoldTest, SmallFloatsAndMatrices) {
  GraphBuilder g;
  const ValueId three = g.node("Constant", {}, 1, {{"value_float", 3.0f}})[0];
  const ValueId eight = g.node("Constant", {}, 1, {{"value_float", 8.0f}})[0];
  const ValueId ratio = g.node("Div", {three, g.node("Sqrt", {eight})[0]})[0];
  const ValueId flag = g.node("Less", {three, eight})[0];
  const ValueId whole = g.node("Cast", {ratio}, 1, {{"to", i(7)}})[0];
  const ValueId matrix = g.node("Reshape", {g.value("={1, 2, 3, 4, 5, 6}"), g.value("={2, 3}")})[0];
  const ValueId across = g.node("Flatten", {g.node("Transpose", {matrix})[0]}, 1, {{"axis", i(0)}})[0];
  const ValueId row = g.node("Squeeze", {across, g.value("={0}")})[0];
  EXPECT_EQ(joined(infer(g.graph, {})), "");
  ASSERT_NE(g.graph.values[ratio].constant, nullptr);
  EXPECT_EQ(float_of(g.graph, ratio), 3.0f / std::sqrt(8.0f)) << "every step is rounded to float";
  EXPECT_EQ(g.text(flag), "bool[]={1}");
  EXPECT_EQ(g.text(whole), "int64[]={1}");
  ASSERT_NE(g.graph.values[matrix].constant, nullptr);
  EXPECT_EQ(g.graph.values[matrix].constant->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(g.text(row), "int64[6]={1, 4, 2, 5, 3, 6}");
}

TEST(InferFoldTest, LongSymbolNamesStayBounded) {
  GraphBuilder g;
  ValueId x = g.value("float[a, b]");
  for (int step = 0; step < 200; ++step) x = g.node("Concat", {x, x}, 1, {{"axis", i(0)}})[0];
  EXPECT_EQ(joined(infer(g.graph, {})), "");
  for (const std::string& symbol : g.graph.symbols) EXPECT_LT(symbol.size(), 300u);
}

TEST(RemoveDeadNodesTest, KeepsWhatTheGpuMustCompute) {
  MaskGraph g;
  const ValueId unused = g.node("Exp", {g.value("float[3]")})[0];
  EXPECT_EQ(joined(infer(g.graph, g.options(5))), "");
  remove_dead_nodes(g.graph);
  // Neg of a symbol is not linear, so it must be computed; the lengths are known. The unused Exp goes too.
  EXPECT_EQ(g.graph.nodes.size(), 3u);
  EXPECT_TRUE(verify(g.graph).empty()) << joined(verify(g.graph));
  for (const Node& node : g.graph.nodes) EXPECT_NE(node.output(0), unused);
}

TEST(RemoveDeadNodesTest, KeepsFoldedGraphOutputs) {
  GraphBuilder g;
  g.graph.outputs = g.node("Add", {g.node("Neg", {g.value("={1}")})[0], g.value("={2}")});
  EXPECT_EQ(joined(infer(g.graph, {})), "");
  EXPECT_EQ(g.text(g.graph.outputs[0]), "int64[1]={1}");
  remove_dead_nodes(g.graph);
  EXPECT_EQ(g.graph.nodes.size(), 1u);
}

}  // namespace
}  // namespace sluice::graph
