#include "graph/passes/join_products.h"

#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

constexpr JoinOptions kAll{.max_bindings = 16};

// Products of a row of 32 with weights that are never looked at.
class Products : public GraphBuilder {
 public:
  ValueId weight(DType dtype) { return constant(Value(), dtype, {{32, 0}}, std::vector<int64_t>(32)); }
  ValueId product(ValueId x, int64_t n, std::vector<ValueId> more = {}, int64_t rows = 1) {
    std::vector<ValueId> inputs = {x, weight(DType::kUint8), weight(DType::kFloat)};
    inputs.insert(inputs.end(), more.begin(), more.end());
    const ValueId y = node("com.microsoft.MatMulNBits", inputs, 1, {{"N", n}, {"K", int64_t{32}}})[0];
    return typed(y, Shape{{1, 0}, {rows, 0}, {n, 0}});
  }
  ValueId op(const std::string& type, std::vector<ValueId> inputs) {
    const ValueId like = inputs[0];
    return typed(node(type, std::move(inputs))[0], *graph.values[like].shape);
  }
  ValueId typed(ValueId id, Shape shape) {
    graph.values[id].dtype = DType::kFloat;
    graph.values[id].shape = std::move(shape);
    return id;
  }
  std::string ops() const {
    std::string text;
    for (const Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op_type;
    return text;
  }
};

TEST(JoinProducts, OfOneRow) {
  for (const int64_t rows : {1, 2}) {
    Products p;
    const ValueId x = p.value("float[1, " + std::to_string(rows) + ", 32]");
    const ValueId q = p.product(x, 64, {}, rows), k = p.product(x, 16, {}, rows);
    p.graph.outputs = {q, k};
    join_products(p.graph, kAll);
    ASSERT_EQ(p.ops(), rows == 1 ? "JoinedMatMulNBits" : "MatMulNBits MatMulNBits");
    if (rows != 1) continue;
    const Node& joined = p.graph.nodes[0];
    EXPECT_EQ(joined.domain, "sluice");
    EXPECT_EQ(joined.inputs.size(), 10u);
    EXPECT_EQ(joined.input(0), x);
    EXPECT_FALSE(joined.has(1));
    EXPECT_EQ(joined.outputs, (std::vector{q, k}));
    EXPECT_EQ(joined.ints("N"), (std::vector<int64_t>{64, 16}));
    EXPECT_EQ(joined.i("K", 0), 32);
    EXPECT_TRUE(verify(p.graph).empty());
  }
}

TEST(JoinProducts, AsManyAsTheDeviceBinds) {
  Products p;
  const ValueId x = p.value("float[1, 1, 32]");
  for (int64_t i = 0; i < 5; ++i) p.graph.outputs.push_back(p.product(x, 32 + i));
  join_products(p.graph, {.max_bindings = 8});
  EXPECT_EQ(p.ops(), "JoinedMatMulNBits JoinedMatMulNBits MatMulNBits");
  EXPECT_TRUE(verify(p.graph).empty());
}

TEST(JoinProducts, OnlyThoseAlike) {
  Products p;
  const ValueId x = p.value("float[1, 1, 32]"), other = p.value("float[1, 1, 32]"), weights = p.value("uint8[32]");
  p.graph.outputs = {p.product(x, 32), p.product(x, 32, {kNoValue, kNoValue, p.weight(DType::kFloat)}),
                     p.product(other, 32), p.product(x, 32)};
  p.graph.nodes.back().attributes["accuracy_level"] = int64_t{4};
  p.graph.nodes[2].inputs[1] = weights;
  const std::string before = dump(p.graph);
  join_products(p.graph, kAll);
  EXPECT_EQ(dump(p.graph), before);
}

// The result of gate and up, with the operands of every Mul in one order or the other.
ValueId gated(Products& p, const std::string& activation, ValueId gate, ValueId up, bool swapped) {
  const auto mul = [&](ValueId a, ValueId b) { return p.op("Mul", swapped ? std::vector{b, a} : std::vector{a, b}); };
  if (activation != "Sigmoid") return mul(p.op(activation, {gate}), up);
  return mul(mul(gate, p.op("Sigmoid", {gate})), up);
}

TEST(JoinProducts, AGateTakesItsActivationAlong) {
  for (const std::string activation : {"Sigmoid", "com.microsoft.QuickGelu", "Swish"}) {
    for (const bool swapped : {false, true}) {
      Products p;
      const ValueId x = p.value("float[1, 1, 32]");
      const ValueId router = p.product(x, 8), gate = p.product(x, 64), up = p.product(x, 64), other = p.product(x, 8);
      p.graph.outputs = {gated(p, activation, gate, up, swapped), router, other};
      join_products(p.graph, kAll);
      ASSERT_EQ(p.ops(), "JoinedMatMulNBits JoinedMatMulNBits");
      const Node& joined = p.graph.nodes[1];
      EXPECT_EQ(joined.outputs, std::vector{p.graph.outputs[0]});
      EXPECT_EQ(joined.i("gated", 0), 1);
      EXPECT_FLOAT_EQ(joined.f("gate_alpha", 0), activation == "com.microsoft.QuickGelu" ? 1.702f : 1.0f);
      EXPECT_EQ(p.graph.nodes[0].outputs, (std::vector{router, other}));
      EXPECT_TRUE(verify(p.graph).empty());
    }
  }
}

TEST(JoinProducts, AGateThatOthersReadStays) {
  for (const int outside : {0, 1, 2}) {
    Products p;
    const ValueId x = p.value("float[1, 1, 32]");
    const ValueId gate = p.product(x, 64), up = p.product(x, 64);
    const ValueId y = gated(p, "Sigmoid", gate, up, false);
    p.graph.outputs = {y, outside == 0 ? gate : outside == 1 ? up : p.graph.nodes[2].output(0)};
    join_products(p.graph, kAll);
    EXPECT_EQ(p.ops(), "JoinedMatMulNBits Sigmoid Mul Mul");
    EXPECT_EQ(p.graph.nodes[0].i("gated", 1), 0);
  }
}

}  // namespace
}  // namespace sluice::graph
