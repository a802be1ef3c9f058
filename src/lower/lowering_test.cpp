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
  GraphBuilder() {
    graph_.opsets = {{"", 21}, {"com.microsoft", 1}};
    last_ = graph_.add_value({.name = "x", .dtype = DType::kFloat, .shape = graph::Shape{{2, 0}, {4, 0}}});
    graph_.inputs = {last_};
  }
  GraphBuilder& node(const std::string& op, std::map<std::string, graph::Attribute> attributes = {}) {
    Node node;
    node.name = "node_" + std::to_string(graph_.nodes.size());
    node.op_type = op;
    node.opset = 21;
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

TEST(Lowering, AliasesCostNothing) {
  const gpu::Caps caps;
  const Lowered lowered = lower(GraphBuilder().node("Identity").node("Neg").node("Flatten").inferred(), {}, caps);
  ASSERT_TRUE(lowered.obstacles.empty()) << lowered.obstacles[0];
  EXPECT_EQ(lowered.dispatches.size(), 1u);
  EXPECT_EQ(lowered.nodes, std::vector<std::string>{"Neg node_1"});
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
