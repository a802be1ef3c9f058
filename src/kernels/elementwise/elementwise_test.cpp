#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "kernels/common/strides.h"
#include "kernels/elementwise/element_rules.h"
#include "kernels/elementwise/elementwise_ref.h"
#include "kernels/elementwise/test_values.h"

namespace sluice::kernels {
namespace {

using test::download;
using test::expect_close;
using test::has_f16;
using test::upload;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Case {
  std::vector<std::vector<uint32_t>> shapes;  // of inputs
  std::vector<Storage> storages;
  std::vector<uint32_t> shape;  // of the output
  Storage storage = Storage::kF32;
  ElementProgram program;
  double tolerance = 0;
  bool special = false;  // NaN, infinities and signed zeros among the values
  std::string text;
};

std::vector<double> random_values(std::mt19937& random, Storage storage, uint64_t count, bool special) {
  const float odd[] = {kNan, kInf, -kInf, 0.0f, -0.0f, 1.0f, -1.0f, 100.0f, -100.0f, 0.5f, 2.0f};
  std::normal_distribution<float> normal(0, 3);
  std::vector<double> values(count);
  for (double& v : values) {
    const uint32_t pick = random();
    if (storage == Storage::kU32) {
      v = pick % 2;
    } else if (storage == Storage::kUnsigned) {
      v = pick % 2 ? pick : pick % 41;
    } else if (storage == Storage::kI32) {
      v = static_cast<int>(pick % 41) - 20;
    } else if (special && pick % 3 == 0) {
      v = odd[pick / 3 % std::size(odd)];
    } else {
      v = std::round(normal(random) * 64) / 64;  // exact in float16
    }
  }
  return values;
}

void check(const Case& c, uint32_t seed) {
  std::mt19937 random(seed);
  Runner runner(test_device());
  ElementwiseProblem problem{{}, {}, c.program, ""};
  std::vector<std::vector<double>> inputs;
  for (size_t k = 0; k < c.shapes.size(); ++k) {
    const Tensor shaped{0, c.storages[k], c.shapes[k]};
    inputs.push_back(random_values(random, c.storages[k], shaped.elements(), c.special));
    problem.inputs.emplace_back(upload(runner, c.storages[k], c.shapes[k], inputs.back()));
  }
  problem.output = runner.allocate(c.storage, c.shape);
  plan_elementwise(problem, runner.recorder());
  runner.run();
  const auto expected = elementwise_ref(problem, inputs);
  const auto actual = download(runner, problem.output);
  ASSERT_EQ(actual.size(), expected.size());
  const double tolerance = c.storage == Storage::kF16 ? std::max(c.tolerance, 1e-3) : c.tolerance;
  for (size_t i = 0; i < actual.size(); ++i) {
    if (c.storage == Storage::kF16 && std::fabs(expected[i]) > 65504) continue;
    std::string text = c.text + " shape " + shape_text(c.shape) + " element " + std::to_string(i);
    if (expected.size() == inputs[0].size()) text += " of " + std::to_string(inputs[0][i]);
    expect_close(actual[i], expected[i], tolerance, text);
    if (testing::Test::HasFailure()) return;
  }
}

Storage storage_for(char letter) {
  if (letter == 'u') return Storage::kUnsigned;
  return letter == 'f' ? Storage::kF32 : letter == 'i' ? Storage::kI32 : Storage::kU32;
}

double tolerance_of(const ElementRule& rule) {
  switch (rule.op) {
    case ElementOp::kExp:
    case ElementOp::kPow:
    case ElementOp::kTan:
    case ElementOp::kSinh:
    case ElementOp::kCosh:
      return 3e-5;
    case ElementOp::kFmod:
      return 1e-5;
    case ElementOp::kLog:
    case ElementOp::kSqrt:
    case ElementOp::kRsqrt:
    case ElementOp::kReciprocal:
    case ElementOp::kSigmoid:
    case ElementOp::kTanh:
    case ElementOp::kGelu:
    case ElementOp::kGeluTanh:
    case ElementOp::kSilu:
    case ElementOp::kSoftplus:
    case ElementOp::kErf:
    case ElementOp::kSin:
    case ElementOp::kCos:
    case ElementOp::kAsin:
    case ElementOp::kAcos:
    case ElementOp::kAtan:
    case ElementOp::kAsinh:
    case ElementOp::kAcosh:
    case ElementOp::kAtanh:
    case ElementOp::kQuickGelu:
    case ElementOp::kDiv:
      return 3e-6;
    default:
      return 0;
  }
}

Case case_of(const ElementRule& rule, uint32_t count) {
  Case c;
  ElementArg args[3];
  for (size_t k = 0; k < rule.operands.size(); ++k) {
    c.shapes.push_back({count});
    c.storages.push_back(storage_for(rule.operands[k]));
    args[k] = ElementProgram::input(static_cast<uint32_t>(k));
  }
  c.shape = {count};
  c.storage = storage_for(rule.result);
  c.program.apply(rule.op, args[0], args[1], args[2]);
  c.tolerance = tolerance_of(rule);
  c.text = std::string(name(rule.op)) + "(" + std::string(rule.operands) + ")";
  return c;
}

// Float to int of what does not fit, and bounds that are NaN, are the device's business.
bool takes_special(ElementOp op) {
  return op != ElementOp::kToInt && op != ElementOp::kToUnsigned && op != ElementOp::kFmod && op != ElementOp::kClip;
}

TEST(Elementwise, EveryRuleAtEdgeSizes) {
  for (const ElementRule& rule : element_rules()) {
    for (const uint32_t count : {1u, 3u, 4u, 31u, 32u, 33u, 255u, 256u, 257u, 1028u}) {
      Case c = case_of(rule, count);
      check(c, count);
      c.special = takes_special(rule.op);
      check(c, count + 1);
      if (HasFailure()) return;
    }
  }
}

TEST(Elementwise, EveryRuleInFloat16) {
  if (!has_f16()) GTEST_SKIP() << "no float16 on this device";
  for (const ElementRule& rule : element_rules()) {
    for (const uint32_t count : {5u, 64u}) {
      Case c = case_of(rule, count);
      for (Storage& s : c.storages) s = s == Storage::kF32 ? Storage::kF16 : s;
      if (c.storage == Storage::kF32) c.storage = Storage::kF16;
      check(c, count);
      if (HasFailure()) return;
    }
  }
}

TEST(Elementwise, Broadcasts) {
  struct Shapes {
    std::vector<uint32_t> a, b, y;
  };
  const Shapes all[] = {
      {{4, 8}, {8}, {4, 8}},
      {{4, 8}, {4, 1}, {4, 8}},
      {{3, 5}, {5}, {3, 5}},
      {{7, 1}, {1, 12}, {7, 12}},
      {{2, 3, 4}, {}, {2, 3, 4}},
      {{}, {}, {}},
      {{1}, {6}, {6}},
      {{2, 1, 3, 1}, {1, 4, 1, 8}, {2, 4, 3, 8}},
      {{2, 1, 2, 1, 2, 1, 2, 1}, {1, 2, 1, 2, 1, 2, 1, 3}, {2, 2, 2, 2, 2, 2, 2, 3}},
      {{2, 2, 1, 3, 1, 2, 1, 1, 2}, {2, 1, 2, 1, 2, 1, 2, 1, 1}, {2, 2, 2, 3, 2, 2, 2, 1, 2}},
      {{5, 1, 4}, {5, 6, 4}, {5, 6, 4}},
      {{1, 300}, {300, 1}, {300, 300}},
      {{33, 1, 1}, {1, 31, 1}, {33, 31, 1}},
  };
  for (const Shapes& s : all) {
    for (const Storage storage : {Storage::kF32, Storage::kF16}) {
      if (storage == Storage::kF16 && !has_f16()) continue;
      Case c{{s.a, s.b}, {storage, Storage::kF32}, s.y, Storage::kF32, {}, 0, false, "Sub"};
      c.program.apply(ElementOp::kSub, ElementProgram::input(0), ElementProgram::input(1));
      check(c, 5);
    }
  }
}

TEST(Elementwise, ManyWorkgroups) {
  for (const uint32_t count : {65536u * 4, 65536u * 4 + 1, 300001u}) {
    Case c{{{count}, {1}}, {Storage::kF32, Storage::kF32}, {count}, Storage::kF32, {}, 0, false, "Add"};
    c.program.apply(ElementOp::kAdd, ElementProgram::input(0), ElementProgram::input(1));
    check(c, 6);
  }
}

// log(sigmoid(x)) as exporters write it, selected, clipped, and joined with other inputs of other types and shapes.
TEST(Elementwise, ChainsAreOneDispatch) {
  using P = ElementProgram;
  Case c{{{6, 8}, {8}, {6, 1}, {6, 8}},
         {Storage::kF32, Storage::kF32, Storage::kI32, Storage::kU32},
         {6, 8},
         Storage::kF32,
         {},
         1e-5,
         false,
         "chain"};
  auto& p = c.program;
  const auto softplus = p.apply(ElementOp::kSoftplus, p.apply(ElementOp::kNeg, P::input(0)));
  const auto negative = p.apply(ElementOp::kNeg, softplus);
  const auto scaled = p.apply(ElementOp::kMul, negative, P::input(1));
  const auto added = p.apply(ElementOp::kAdd, scaled, p.apply(ElementOp::kToFloat, P::input(2)));
  const auto chosen = p.apply(ElementOp::kWhere, P::input(3), added, p.constant(-7.5f));
  p.apply(ElementOp::kClip, chosen, p.constant(-20.0f), p.constant(20.0f));
  for (uint32_t seed = 0; seed < 5; ++seed) check(c, seed);

  const gpu::Caps caps;
  Recorder recorder(caps);
  plan_elementwise({{Tensor{1, Storage::kF32, {6, 8}}, Tensor{2, Storage::kF32, {8}}, Tensor{3, Storage::kI32, {6, 1}},
                     Tensor{4, Storage::kU32, {6, 8}}},
                    {5, Storage::kF32, {6, 8}},
                    p,
                    ""},
                   recorder);
  ASSERT_EQ(recorder.dispatches().size(), 1u);
  EXPECT_EQ(recorder.dispatches()[0].name, "elementwise/Neg+Softplus+Neg+Mul+ToFloat+Add+Where+Clip");
}

TEST(Elementwise, RandomPrograms) {
  const Storage kinds[] = {Storage::kF32, Storage::kI32, Storage::kU32};
  for (uint32_t seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    Case c{{}, {}, {3, 4, 1 + seed % 9}, Storage::kF32, {}, 1e-4, false, "random program " + std::to_string(seed)};
    std::vector<std::pair<ElementArg, ElementType>> values;
    for (uint32_t k = 0; k < 6; ++k) {
      auto shape = c.shape;
      for (uint32_t& d : shape) d = random() % 3 == 0 ? 1 : d;
      if (k == 0) shape = c.shape;
      c.shapes.push_back(shape);
      c.storages.push_back(kinds[random() % 3]);
      values.emplace_back(ElementProgram::input(k), element_type(c.storages.back()));
    }
    values.emplace_back(c.program.constant(1.5f), ElementType::kFloat);
    values.emplace_back(c.program.constant(int32_t{-3}), ElementType::kInt);
    values.emplace_back(c.program.constant(true), ElementType::kBool);
    while (c.program.code.size() < 10) {
      const ElementRule& rule = element_rules()[random() % element_rules().size()];
      // What magnifies rounding would need a tolerance of its own.
      const bool from_float = rule.operands == "f" && rule.op == ElementOp::kToUnsigned;
      if (tolerance_of(rule) != 0 || rule.op == ElementOp::kToInt || from_float || rule.operands == "ff") {
        if (rule.op != ElementOp::kAdd && rule.op != ElementOp::kSigmoid && rule.op != ElementOp::kMax) continue;
      }
      ElementArg args[3];
      bool fits = true;
      for (size_t k = 0; fits && k < rule.operands.size(); ++k) {
        const auto& [arg, type] = values[random() % values.size()];
        args[k] = arg;
        fits = element_type(storage_for(rule.operands[k])) == type;
      }
      if (!fits) continue;
      values.emplace_back(c.program.apply(rule.op, args[0], args[1], args[2]), element_type(storage_for(rule.result)));
    }
    static const std::map<ElementType, Storage> kStorages = {{ElementType::kFloat, Storage::kF32},
                                                             {ElementType::kInt, Storage::kI32},
                                                             {ElementType::kBool, Storage::kU32},
                                                             {ElementType::kUnsigned, Storage::kUnsigned}};
    c.storage = kStorages.at(values.back().second);
    check(c, seed);
    if (HasFailure()) return;
  }
}

TEST(Elementwise, EmptyRecordsNothing) {
  const gpu::Caps caps;
  Recorder recorder(caps);
  plan_unary(ElementOp::kExp, {1, Storage::kF32, {0, 4}}, {2, Storage::kF32, {0, 4}}, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

// Programs that differ in constants only share a shader.
TEST(Elementwise, ConstantsAreNotInTheKey) {
  const gpu::Caps caps;
  Recorder recorder(caps);
  const Tensor x{1, Storage::kF32, {8}}, y{2, Storage::kF32, {8}};
  for (const float alpha : {1.702f, 1.0f}) {
    ElementwiseProblem problem{{x}, y, {}, ""};
    problem.program.apply(ElementOp::kQuickGelu, ElementProgram::input(0), problem.program.constant(alpha));
    plan_elementwise(problem, recorder);
  }
  EXPECT_EQ(recorder.dispatches()[0].shader, recorder.dispatches()[1].shader);
  EXPECT_NE(recorder.dispatches()[0].uniforms, recorder.dispatches()[1].uniforms);
}

void expect_refusal(const ElementwiseProblem& problem, const std::string& message) {
  const gpu::Caps caps;
  Recorder recorder(caps);
  try {
    plan_elementwise(problem, recorder);
    ADD_FAILURE() << "not refused: " << message;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

TEST(Elementwise, Refusals) {
  const Tensor f{1, Storage::kF32, {4}}, i{2, Storage::kI32, {4}}, y{3, Storage::kF32, {4}};
  ElementwiseProblem problem{{f, i}, y, {}, ""};
  expect_refusal(problem, "instructions are supported, got 0");
  problem.program.apply(ElementOp::kAdd, ElementProgram::input(0), ElementProgram::input(1));
  expect_refusal(problem, "Add does not take (float, int, nothing)");
  problem.inputs = {f, Tensor{2, Storage::kF32, {3}}};
  expect_refusal(problem, "shape 3 does not broadcast to 4");
  problem.inputs = {f, ElementInput({2, Storage::kF32, {6}}, 3, {1})};
  expect_refusal(problem, "elements 3 to 6 of a tensor of 6 are read");
  problem.inputs = {f, ElementInput({2, Storage::kF32, {6}}, 2, {-1})};
  expect_refusal(problem, "elements -1 to 2 of a tensor of 6 are read");
  problem.inputs = {f, f};
  problem.output.storage = Storage::kI32;
  expect_refusal(problem, "not the program's result");
  problem.output = f;
  expect_refusal(problem, "must not share");
  problem.inputs.assign(7, f);
  expect_refusal(problem, "6 inputs are supported, got 7");
}

}  // namespace
}  // namespace sluice::kernels
