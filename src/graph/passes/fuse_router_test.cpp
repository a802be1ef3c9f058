#include "graph/passes/fuse_router.h"

#include <gtest/gtest.h>

#include "base/half.h"
#include "graph/passes/fuse.h"
#include "graph/testing.h"

namespace sluice::graph {
namespace {

constexpr int64_t kExperts = 8, kTop = 2;

// Routers of 3 tokens as exports write them. What a test changes is a member.
class Routers : public GraphBuilder {
 public:
  ValueId typed(ValueId id, DType dtype, Shape shape) {
    graph.values[id].dtype = dtype;
    graph.values[id].shape = std::move(shape);
    return id;
  }
  ValueId op(const std::string& name, std::vector<ValueId> inputs, DType dtype, Shape shape,
             Attributes attributes = {}) {
    return typed(node(name, std::move(inputs), 1, std::move(attributes))[0], dtype, std::move(shape));
  }
  ValueId number(float v, DType dtype, Shape shape = {}) {
    int64_t elements = 1, bits = 0;
    for (const Dim& dim : shape) elements *= dim.value;
    if (dtype == DType::kFloat16) {
      bits = float_to_half(v);
    } else {
      std::memcpy(&bits, &v, 4);
    }
    return constant(Value(), dtype, std::move(shape), std::vector<int64_t>(static_cast<size_t>(elements), bits));
  }
  ValueId choose(ValueId choice, const Shape& rows) {
    Shape top = rows;
    top.back() = {kTop, 0};
    const auto both = node("TopK", {choice, value("={2}")}, 2, {{"axis", int64_t{-1}}, {"largest", largest}});
    typed(both[0], *graph.values[choice].dtype, top);
    return typed(both[1], DType::kInt64, top);
  }
  ValueId experts(ValueId router) {
    return op("com.microsoft.QMoE", {value("float16[1, 3, 32]"), router, weights, weights}, DType::kFloat16, hidden,
              {{"k", kTop}});
  }

  // AfMoE: everything in float16, Softplus, one number behind. Returns the end of the layer.
  ValueId afmoe() {
    const Shape rows = {{1, 0}, {3, 0}, {kExperts, 0}}, top = {{1, 0}, {3, 0}, {kTop, 0}};
    const DType half = DType::kFloat16;
    logits = value("float16[1, 3, 8]");
    const ValueId scores = op("Sigmoid", {logits}, half, rows);
    bias = number(0.25f, half, {{kExperts, 0}});
    const ValueId indices = choose(op("Add", {scores, bias}, half, rows), rows);
    ValueId logs = op("GatherElements", {logits, indices}, half, top, {{"axis", int64_t{-1}}});
    for (const char* name : {"Neg", "Softplus", "Neg"}) logs = op(name, {logs}, half, top);
    const ValueId low = op("Expand", {number(fill, half), value("={1, 3, 8}")}, half, rows);
    const ValueId spread = op("ScatterElements", {low, indices, logs}, half, rows, {{"axis", int64_t{-1}}});
    const ValueId probs = op("Reshape", {spread, value("={-1, 8}")}, half, {{3, 0}, {kExperts, 0}});
    mixed = experts(probs);
    return op("Mul", {mixed, number(2.5f, half)}, half, hidden);
  }

  // LFM2-MoE: scores in float32 by way of Exp, clipped logarithms, and total / (total + 1e-6) behind.
  ValueId lfm2() {
    const Shape rows = {{3, 0}, {kExperts, 0}}, top = {{3, 0}, {kTop, 0}}, one = {{3, 0}, {1, 0}};
    const DType f = DType::kFloat;
    logits = value("float16[1, 3, 8]");
    ValueId scores = op("Reshape", {logits, value("={-1, 8}")}, DType::kFloat16, rows);
    for (const char* name : {"Cast", "Neg", "Exp"}) scores = op(name, {scores}, f, rows);
    scores = op("Reciprocal", {op("Add", {scores, number(1, f)}, f, rows)}, f, rows);
    bias = number(0.25f, f, {{kExperts, 0}});
    const ValueId indices = choose(op("Add", {scores, bias}, f, rows), rows);
    const ValueId picked = op("GatherElements", {scores, indices}, f, top, {{"axis", int64_t{1}}});
    const ValueId total = op("ReduceSum", {picked, known("={-1}")}, f, one, {{"keepdims", int64_t{1}}});
    const ValueId padded = op("Add", {total, number(1e-6f, f)}, f, one);
    const Shape column = {{1, 0}, {3, 0}, {1, 0}};
    const ValueId ratio = op("Reshape", {op("Div", {total, padded}, f, one), value("={1, 3, 1}")}, f, column);
    const ValueId factor = op("Cast", {ratio}, DType::kFloat16, column);
    const ValueId logs = op("Log", {op("Clip", {picked, number(1e-30f, f), kNoValue}, f, top)}, f, top);
    const ValueId low = number(fill, f, rows);
    const ValueId spread = op("ScatterElements", {low, indices, logs}, f, rows, {{"axis", int64_t{1}}});
    mixed = experts(op("Cast", {spread}, DType::kFloat16, rows));
    return op("Mul", {mixed, factor}, DType::kFloat16, hidden);
  }

  ValueId known(const std::string& text) {
    const ValueId id = value(text);
    graph.values[id].known = std::vector<Dim>{{-1, 0}};
    return id;
  }

  std::string ops() const {
    std::string text;
    for (const Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op_type;
    return text;
  }

  const Shape hidden = {{1, 0}, {3, 0}, {32, 0}};
  ValueId weights = constant(Value(), DType::kUint8, {{32, 0}}, std::vector<int64_t>(32));
  ValueId logits = kNoValue, bias = kNoValue, mixed = kNoValue;
  float fill = -10000;
  int64_t largest = 1;
};

TEST(FuseRouter, AfmoeLeavesOneNode) {
  Routers r;
  const ValueId y = r.afmoe();
  r.graph.outputs = {y};
  fuse_routers(r.graph);
  ASSERT_EQ(r.ops(), "QMoE");
  const Node& joined = r.graph.nodes[0];
  EXPECT_EQ(joined.domain, "sluice");
  EXPECT_EQ(joined.input(1), r.logits);
  EXPECT_EQ(joined.input(17), r.bias);
  EXPECT_EQ(joined.outputs, std::vector{y});
  EXPECT_EQ(joined.i("sigmoid_router", 0), 1);
  EXPECT_EQ(joined.i("score_type", -1), static_cast<int64_t>(DType::kFloat16));
  EXPECT_FLOAT_EQ(joined.f("output_scale", 0), 2.5f);
  EXPECT_FLOAT_EQ(joined.f("score_epsilon", -1), 0);
  EXPECT_FLOAT_EQ(joined.f("least_score", -1), 0);
  EXPECT_TRUE(verify(r.graph).empty());
}

TEST(FuseRouter, Lfm2LeavesOneNode) {
  Routers r;
  const ValueId y = r.lfm2();
  r.graph.outputs = {y};
  fuse_routers(r.graph);
  ASSERT_EQ(r.ops(), "QMoE");
  const Node& joined = r.graph.nodes[0];
  EXPECT_EQ(joined.input(1), r.logits);
  EXPECT_EQ(joined.input(17), r.bias);
  EXPECT_EQ(joined.i("score_type", -1), static_cast<int64_t>(DType::kFloat));
  EXPECT_FLOAT_EQ(joined.f("score_epsilon", 0), 1e-6f);
  EXPECT_FLOAT_EQ(joined.f("least_score", 0), 1e-30f);
  EXPECT_FLOAT_EQ(joined.f("output_scale", 0), 1);
  EXPECT_TRUE(verify(r.graph).empty());
}

TEST(FuseRouter, TheSharedExpertIsAddedByTheSameNode) {
  Routers r;
  const ValueId shared = r.value("float16[1, 3, 32]");
  const ValueId sum = r.op("Add", {r.afmoe(), shared}, DType::kFloat16, r.hidden);
  r.graph.outputs = {sum};
  fuse_routers(r.graph);
  fuse(r.graph, {});
  ASSERT_EQ(r.ops(), "QMoE");
  EXPECT_EQ(r.graph.nodes[0].input(15), shared);
  EXPECT_EQ(r.graph.nodes[0].input(17), r.bias);
}

TEST(FuseRouter, WhatOthersReadStays) {
  Routers r;
  const ValueId y = r.afmoe();
  const ValueId scores = r.graph.nodes[0].output(0);
  r.graph.outputs = {y, r.mixed, scores};
  fuse_routers(r.graph);
  EXPECT_EQ(r.ops(), "Sigmoid QMoE Mul");
  EXPECT_EQ(r.graph.nodes[1].input(1), r.logits);
  EXPECT_TRUE(verify(r.graph).empty());
}

using Change = void (*)(Routers&);

Node& first(Routers& r, const std::string& op) {
  return *std::find_if(r.graph.nodes.begin(), r.graph.nodes.end(), [&](const Node& n) { return n.op_type == op; });
}

struct Different {
  const char* what;
  Change before, after;
};

// One thing that is not as in the exports: the chain stays.
const Different kDifferent[] = {
    {"a fill that logarithms may reach", [](Routers& r) { r.fill = -50; }, [](Routers&) {}},
    {"the smallest", [](Routers& r) { r.largest = 0; }, [](Routers&) {}},
    {"another k", [](Routers&) {}, [](Routers& r) { first(r, "QMoE").attributes["k"] = int64_t{3}; }},
    {"sums", [](Routers&) {},
     [](Routers& r) { first(r, "ScatterElements").attributes["reduction"] = std::string("add"); }},
    {"another axis", [](Routers&) {}, [](Routers& r) { first(r, "GatherElements").attributes["axis"] = int64_t{0}; }},
    {"logarithms of something else", [](Routers&) {},
     [](Routers& r) { first(r, "GatherElements").inputs[0] = r.value("float16[1, 3, 8]"); }},
    {"the sparse mixer", [](Routers&) {},
     [](Routers& r) { first(r, "QMoE").attributes["use_sparse_mixer"] = int64_t{1}; }},
    {"another activation of the scores", [](Routers&) {},
     [](Routers& r) {
       for (Node& node : r.graph.nodes) {
         if (node.op_type == "Sigmoid" || node.op_type == "Reciprocal") node.op_type = "Tanh";
       }
     }},
};

TEST(FuseRouter, WhatIsDifferentStays) {
  for (const Different& d : kDifferent) {
    for (const bool afmoe : {true, false}) {
      Routers r;
      d.before(r);
      const ValueId y = afmoe ? r.afmoe() : r.lfm2();
      d.after(r);
      r.graph.outputs = {y};
      fuse_routers(r.graph);
      EXPECT_EQ(first(r, "QMoE").i("sigmoid_router", 0), 0) << d.what << afmoe;
      EXPECT_NE(r.ops().find("ScatterElements"), std::string::npos) << d.what << afmoe;
      EXPECT_TRUE(verify(r.graph).empty()) << d.what;
    }
  }
}

}  // namespace
}  // namespace sluice::graph
