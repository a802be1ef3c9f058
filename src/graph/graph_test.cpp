#include "graph/graph.h"

#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

TEST(GraphTest, AttributesByNameAndType) {
  Node node;
  node.op_type = "QMoE";
  node.name = "moe";
  node.attributes = {
      {"k", int64_t{4}}, {"alpha", 1.5f}, {"kind", std::string("int")}, {"axes", std::vector<int64_t>{1, 2}}};
  EXPECT_EQ(node.i("k", 1), 4);
  EXPECT_EQ(node.i("missing", 7), 7);
  EXPECT_EQ(node.f("alpha", 0), 1.5f);
  EXPECT_EQ(node.s("kind", ""), "int");
  EXPECT_EQ(node.s("missing", "fp4"), "fp4");
  EXPECT_EQ(node.ints("axes"), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(node.ints("missing").empty());
  try {
    node.i("alpha", 0);
    FAIL() << "a float was read as an integer";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[graph] QMoE \"moe\": attribute alpha must be an integer");
  }
}

TEST(GraphTest, MissingInputsAreNoValue) {
  Node node;
  node.inputs = {3, kNoValue};
  EXPECT_TRUE(node.has(0));
  EXPECT_FALSE(node.has(1));
  EXPECT_EQ(node.input(2), kNoValue);
  EXPECT_EQ(node.output(0), kNoValue);
}

TEST(GraphTest, SymbolsAreFoundAgain) {
  Graph graph;
  const Symbol past = graph.symbol("past");
  EXPECT_NE(past, 0u);
  EXPECT_NE(graph.symbol("batch"), past);
  EXPECT_EQ(graph.symbol("past"), past);
  EXPECT_EQ(to_string(Shape{{1, 0}, {0, past}, {3, past}, {-1, past}}, graph), "[1, past, past+3, past-1]");
}

GraphBuilder small_graph() {
  GraphBuilder builder;
  const ValueId x = builder.value("float16[1, past+1]", "x");
  const ValueId shape = builder.node("Shape", {x})[0];
  const ValueId y = builder.node("com.microsoft.QuickGelu", {x, kNoValue}, 1, {{"alpha", 1.5f}})[0];
  builder.graph.outputs = {shape, y};
  return builder;
}

TEST(GraphTest, DumpHasALineANode) {
  GraphBuilder builder = small_graph();
  EXPECT_TRUE(infer(builder.graph, {}).empty());
  EXPECT_EQ(dump(builder.graph),
            "input %x:float16[1, past+1]\n"
            "%o1:int64[2]={1, past+1} = Shape(%x)  # node0\n"
            "%o2:float16[1, past+1] = com.microsoft.QuickGelu(%x, _) {alpha=1.5}  # node1\n"
            "output %o1:int64[2]={1, past+1}\n"
            "output %o2:float16[1, past+1]\n");
}

// Breaks a well-formed graph in one way and expects the words of a problem.
struct BrokenCase {
  const char* expected;
  void (*damage)(Graph&);
};

TEST(VerifyTest, FindsEveryBrokenRule) {
  const BrokenCase cases[] = {
      {"", [](Graph&) {}},
      {"input id 9 is out of range", [](Graph& g) { g.nodes[0].inputs[0] = 9; }},
      {"output id 9 is out of range", [](Graph& g) { g.nodes[0].outputs[0] = 9; }},
      {"the graph: input id 8 is out of range", [](Graph& g) { g.inputs.push_back(8); }},
      {"input \"x\" is listed twice", [](Graph& g) { g.inputs.push_back(g.inputs[0]); }},
      {"nothing produces output", [](Graph& g) { g.outputs.push_back(g.add_value({})); }},
      {"already produced by another node", [](Graph& g) { g.nodes[1].outputs.push_back(g.nodes[0].outputs[0]); }},
      {"already produced by a graph input", [](Graph& g) { g.nodes[1].outputs.push_back(g.inputs[0]); }},
      {"nothing before it produces \"o2\"", [](Graph& g) { g.nodes[0].inputs.push_back(g.nodes[1].outputs[0]); }},
      {"symbol 7 is out of range",
       [](Graph& g) {
         g.values[0].shape = Shape{{0, 7}};
       }},
      {"a dimension is -2",
       [](Graph& g) {
         g.values[0].shape = Shape{{-2, 0}};
       }},
      {"needs 16 bytes, its constant has 8",
       [](Graph& g) {
         auto constant = std::make_shared<Constant>(*make_constant(DType::kInt64, {1}, {1}));
         constant->shape = {2};
         g.values[0].dtype = DType::kInt64;
         g.values[0].constant = constant;
       }},
      {"its type is float16, its constant's int64",
       [](Graph& g) { g.values[0].constant = make_constant(DType::kInt64, {1}, {1}); }},
  };
  for (const BrokenCase& broken : cases) {
    GraphBuilder builder = small_graph();
    broken.damage(builder.graph);
    const std::vector<std::string> problems = verify(builder.graph);
    if (*broken.expected == 0) {
      EXPECT_TRUE(problems.empty()) << problems.front();
      continue;
    }
    const std::string all = fmt::format("{}", fmt::join(problems, "\n"));
    EXPECT_NE(all.find(broken.expected), std::string::npos) << "\"" << all << "\"\nshould say: " << broken.expected;
  }
}

TEST(VerifyTest, AcceptsConstantsWithoutAProducer) {
  GraphBuilder builder;
  const ValueId list = builder.value("={1, 2}");
  builder.graph.outputs = builder.node("Identity", {list});
  EXPECT_TRUE(verify(builder.graph).empty());
}

}  // namespace
}  // namespace sluice::graph
