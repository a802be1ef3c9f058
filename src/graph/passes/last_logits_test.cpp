#include "graph/passes/last_logits.h"

#include <gtest/gtest.h>

namespace sluice::graph {
namespace {

// hidden -> MatMulNBits -> Cast -> logits
Graph head() {
  Graph g;
  g.opsets = {{"", 21}};
  const auto value = [&](const char* name) {
    return g.add_value({.name = name, .dtype = {}, .shape = {}, .constant = nullptr, .known = {}});
  };
  const ValueId hidden = value("hidden"), product = value("product"), logits = value("logits");
  Node matmul, cast;
  matmul.op_type = "MatMulNBits";
  matmul.inputs = {hidden};
  matmul.outputs = {product};
  cast.op_type = "Cast";
  cast.inputs = {product};
  cast.outputs = {logits};
  g.nodes = {matmul, cast};
  g.inputs = {hidden};
  g.outputs = {logits};
  return g;
}

TEST(LastLogits, SlicesBeforeTheProjection) {
  Graph g = head();
  ASSERT_TRUE(keep_last_logits(g, "logits"));
  ASSERT_EQ(g.nodes.size(), 3u);
  EXPECT_EQ(g.nodes[0].op_type, "Slice");
  EXPECT_EQ(g.nodes[0].inputs[0], g.find("hidden"));
  EXPECT_EQ(g.nodes[1].inputs[0], g.nodes[0].outputs[0]);
  EXPECT_TRUE(verify(g).empty());
}

TEST(LastLogits, LeavesOtherGraphsAlone) {
  Graph softmax = head();
  softmax.nodes[1].op_type = "Softmax";
  EXPECT_FALSE(keep_last_logits(softmax, "logits"));
  EXPECT_EQ(softmax.nodes.size(), 2u);

  Graph shared = head();  // something else reads all positions of the product
  Node other = shared.nodes[1];
  other.outputs = {shared.add_value({.name = "other", .dtype = {}, .shape = {}, .constant = nullptr, .known = {}})};
  shared.nodes.push_back(other);
  EXPECT_FALSE(keep_last_logits(shared, "logits"));

  Graph missing = head();
  EXPECT_FALSE(keep_last_logits(missing, "no such output"));
}

}  // namespace
}  // namespace sluice::graph
