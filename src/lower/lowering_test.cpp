#include "lower/lowering.h"

#include <gtest/gtest.h>

#include <set>

#include "graph/infer.h"
#include "lower/op_table.h"

namespace sluice::lower {
namespace {

using graph::Graph;
using graph::Node;
using graph::ValueId;

// x (2, 4) float -> the nodes -> the last node's first output.
class GraphBuilder {
 public:
  explicit GraphBuilder(int64_t opset = 21, DType dtype = DType::kFloat) : opset_(opset) {
    graph_.opsets = {{"", opset}, {"com.microsoft", 1}};
    last_ = graph_.add_value({.name = "x", .dtype = dtype, .shape = graph::Shape{{2, 0}, {4, 0}}});
    graph_.inputs = {last_};
  }
  GraphBuilder& node(const std::string& op, graph::Attributes attributes = {}) {
    Node node;
    node.name = "node_" + std::to_string(graph_.nodes.size());
    node.op_type = op;
    node.opset = opset_;
    node.inputs = {last_};
    node.attributes = std::move(attributes);
    last_ = graph_.add_value({.name = node.name + "/output"});
    node.outputs = {last_};
    graph_.nodes.push_back(std::move(node));
    return *this;
  }
  Graph inferred() {
    graph_.outputs = {last_};
    EXPECT_TRUE(graph::infer(graph_, {}).empty());
    return graph_;
  }

 private:
  Graph graph_;
  int64_t opset_;
  ValueId last_;
};

TEST(OpTable, EveryOperatorHasARuleOfInference) {
  for (const OpRow& row : op_table()) {
    EXPECT_TRUE(graph::can_infer(std::string(row.domain), std::string(row.op_type)))
        << row.domain << "." << row.op_type;
  }
}

TEST(OpTable, HasNoOperatorTwice) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const OpRow& row : op_table()) EXPECT_TRUE(seen.emplace(row.domain, row.op_type).second) << row.op_type;
  EXPECT_EQ(find_op("", "NoSuchOperator"), nullptr);
}

// The one obstacle of a graph of Neg (opset 7 on, numbers) or Gelu (20 on, floats).
std::string obstacle(int64_t opset, DType dtype, const std::string& op) {
  const gpu::Caps caps;
  const Lowered lowered = lower(GraphBuilder(opset, dtype).node(op).inferred(), {}, caps);
  return lowered.obstacles.size() == 1 ? lowered.obstacles[0] : std::to_string(lowered.obstacles.size());
}

TEST(OpTable, RefusesOtherOpsetsAndTypes) {
  EXPECT_EQ(obstacle(21, DType::kFloat, "Neg"), "0");
  EXPECT_EQ(obstacle(kNewestOpset, DType::kFloat16, "Gelu"), "0");
  EXPECT_EQ(obstacle(kNewestOpset + 1, DType::kFloat, "Neg"),
            "Neg \"node_0\": [lower] opset 29 is not supported, only 7 to 28");
  EXPECT_EQ(obstacle(19, DType::kFloat, "Gelu"), "Gelu \"node_0\": [lower] opset 19 is not supported, only 20 to 28");
  EXPECT_EQ(obstacle(21, DType::kInt32, "Erf"),
            "Erf \"node_0\": [lower] element type int32 of input 0 (\"x\") is not supported, only float, float16");
  EXPECT_EQ(obstacle(21, DType::kDouble, "Erf"),
            "Erf \"node_0\": [lower] element type double of input 0 (\"x\") is not supported, only float, float16");
}

TEST(OpTable, RowsAreWellFormed) {
  EXPECT_EQ(to_string(Types(DType::kBool, DType::kFloat)), "float, bool");
  for (const OpRow& row : op_table()) {
    EXPECT_LE(row.opsets.first, row.opsets.last) << row.op_type;
    EXPECT_LE(row.opsets.last, kNewestOpset) << row.op_type;
    EXPECT_NE(row.types.bits, 0u) << row.op_type;
  }
}

TEST(OpTable, RefusesAttributesThatNothingReads) {
  const gpu::Caps caps;
  const auto obstacles = [&](const std::string& op, const std::string& attribute) {
    return lower(GraphBuilder(21).node(op, {{attribute, int64_t{1}}}).inferred(), {}, caps).obstacles;
  };
  EXPECT_TRUE(obstacles("ReduceSum", "noop_with_empty_axes").empty());
  ASSERT_EQ(obstacles("Neg", "window").size(), 1u);
  EXPECT_EQ(obstacles("Neg", "window")[0], "Neg \"node_0\": [lower] attribute window is not supported");
}

TEST(Lowering, AliasesCostNothing) {
  const gpu::Caps caps;
  const Lowered lowered = lower(GraphBuilder().node("Identity").node("Neg").node("Flatten").inferred(), {}, caps);
  ASSERT_TRUE(lowered.obstacles.empty()) << lowered.obstacles[0];
  EXPECT_EQ(lowered.dispatches.size(), 1u);
  EXPECT_EQ(lowered.nodes, std::vector<std::string>{"Neg node_1"});
}

// One dispatch in the name of the last node, which does the work of all of them.
TEST(Lowering, ElementwiseChainsAreOneDispatch) {
  const gpu::Caps caps;
  const Lowered lowered = lower(
      GraphBuilder().node("Neg").node("Transpose").node("Sigmoid").node("Identity").node("Exp").inferred(), {}, caps);
  ASSERT_TRUE(lowered.obstacles.empty()) << lowered.obstacles[0];
  ASSERT_EQ(lowered.dispatches.size(), 1u);
  EXPECT_EQ(lowered.dispatches[0].name, "elementwise/Neg+Sigmoid+Exp");
  EXPECT_EQ(lowered.nodes, std::vector<std::string>{"Exp node_4"});
  const std::vector<std::string> sources = {"Neg node_0", "Transpose node_1", "Sigmoid node_2", "Exp node_4"};
  EXPECT_EQ(lowered.sources.at(0), sources);

  gpu::Caps single;
  single.fusion = false;
  EXPECT_EQ(lower(GraphBuilder().node("Neg").node("Transpose").node("Exp").inferred(), {}, single).dispatches.size(),
            3u);
}

// Softmax needs its input in memory; the transposition before it is a copy, which stays one.
TEST(Lowering, ExpressionsAreComputedForOtherReaders) {
  const gpu::Caps caps;
  const Lowered lowered = lower(
      GraphBuilder().node("Neg").node("Exp").node("Softmax").node("Transpose").node("Softmax").inferred(), {}, caps);
  ASSERT_TRUE(lowered.obstacles.empty()) << lowered.obstacles[0];
  EXPECT_EQ(lowered.nodes,
            (std::vector<std::string>{"Exp node_1", "Softmax node_2", "Transpose node_3", "Softmax node_4"}));
  EXPECT_EQ(lowered.dispatches[2].name, "transpose");
}

// Every obstacle is there, each with its node, and one does not hide the next.
TEST(Lowering, ListsAllObstacles) {
  const gpu::Caps caps;
  Graph graph = GraphBuilder()
                    .node("Pad", {{"mode", std::string("reflect")}, {"pads", std::vector<int64_t>(4, 0)}})
                    .node("Neg")
                    .inferred();
  graph.nodes.push_back(graph.nodes[1]);
  graph.nodes.back().op_type = "NoSuchOperator";
  graph.nodes.back().name = "stranger";
  graph.nodes.back().outputs = {graph.add_value({.name = "y"})};
  const Lowered lowered = lower(graph, {}, caps);
  ASSERT_EQ(lowered.obstacles.size(), 2u);
  EXPECT_NE(lowered.obstacles[0].find("Pad \"node_0\": [lower] mode \"reflect\""), std::string::npos)
      << lowered.obstacles[0];
  EXPECT_NE(lowered.obstacles[1].find("NoSuchOperator \"stranger\""), std::string::npos) << lowered.obstacles[1];
}

TEST(Lowering, Float16IsFloat32WithoutTheFeature) {
  gpu::Caps caps;
  EXPECT_EQ(kernels::storage_of(DType::kFloat16, caps), kernels::Storage::kF32);
  caps.f16 = true;
  EXPECT_EQ(kernels::storage_of(DType::kFloat16, caps), kernels::Storage::kF16);
}

}  // namespace
}  // namespace sluice::lower
