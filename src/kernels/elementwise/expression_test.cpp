#include "kernels/elementwise/expression.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <random>

#include "kernels/common/strides.h"
#include "kernels/elementwise/elementwise_ref.h"
#include "kernels/elementwise/test_values.h"

namespace sluice::kernels {
namespace {

using enum ElementOp;
using Shape = std::vector<uint32_t>;

ElementExpression tensor(Slot slot, Shape shape) {
  return ElementExpression::of(Tensor{slot, Storage::kF32, std::move(shape)});
}

std::optional<ElementExpression> unary(ElementOp op, const ElementExpression& x) {
  ElementProgram program;
  program.apply(op, ElementProgram::input(0));
  return compose(std::array{x}, program, x.shape);
}

std::optional<ElementExpression> binary(ElementOp op, const ElementExpression& a, const ElementExpression& b,
                                        const Shape& shape) {
  ElementProgram program;
  program.apply(op, ElementProgram::input(0), ElementProgram::input(1));
  return compose(std::array{a, b}, program, shape);
}

TEST(Expression, ReadsAndComputesWhatIsSharedOnce) {
  const auto x = tensor(1, {2, 3});
  const auto gate = unary(kSigmoid, x);
  const auto y = binary(kAdd, *binary(kMul, x, *gate, {2, 3}), *gate, {2, 3});
  ASSERT_TRUE(y);
  EXPECT_EQ(y->inputs.size(), 1u);
  ASSERT_EQ(y->program.code.size(), 3u);  // Sigmoid, Mul, Add
  EXPECT_EQ(y->result, (ElementArg{ElementArg::Kind::kResult, 2}));
}

TEST(Expression, EndsWithItsResult) {
  const auto x = tensor(1, {4});
  ElementProgram program;  // reads its second operand only, which is Neg of x
  program.apply(kNeg, ElementProgram::input(1));
  const auto y = compose(std::array{*unary(kExp, *unary(kNeg, x)), x}, program, {4});
  ASSERT_TRUE(y);
  EXPECT_EQ(y->program.code.size(), 1u);
  EXPECT_EQ(y->program.code[0].op, kNeg);
}

TEST(Expression, ConstantsAreNoInputs) {
  const auto half = ElementExpression::of(ElementConstant{ElementType::kFloat, 0x3f000000u}, {1});
  const auto y = binary(kMul, tensor(1, {3}), half, {3});
  ASSERT_TRUE(y);
  EXPECT_EQ(y->inputs.size(), 1u);
  EXPECT_EQ(y->program.constants.size(), 1u);
  EXPECT_EQ(y->type(), ElementType::kFloat);
}

TEST(Expression, ViewsKnowTheTensorThatTheyAre) {
  const Tensor t{7, Storage::kF32, {2, 1, 6}};
  const auto x = ElementExpression::of(t);
  EXPECT_EQ(x.whole_tensor().slot, 7u);
  EXPECT_EQ(transposed(x, {1, 0, 2}).whole_tensor().shape, (Shape{1, 2, 6}));
  EXPECT_EQ(reshaped(x, {3, 4})->whole_tensor().shape, (Shape{3, 4}));
  EXPECT_FALSE(transposed(x, {2, 1, 0}).whole_tensor());
  EXPECT_FALSE(sliced(x, {1, 0, 0}, {1, 1, 1}, {1, 1, 6}).whole_tensor());
  EXPECT_TRUE(sliced(x, {0, 0, 0}, {1, 1, 1}, {1, 1, 6}).whole_tensor());
  EXPECT_FALSE(broadcast(x, {2, 2, 6}).whole_tensor());
  EXPECT_FALSE(unary(kNeg, x)->whole_tensor());
}

TEST(Expression, ReshapesWhatStridesCanWalk) {
  const auto x = transposed(tensor(1, {4, 6}), {1, 0});  // 6 x 4 by strides 1, 6
  EXPECT_TRUE(reshaped(x, {2, 3, 4}));
  EXPECT_FALSE(reshaped(x, {24}));
  EXPECT_FALSE(reshaped(x, {4, 6}));
}

TEST(Expression, NothingBeyondOneDispatch) {
  std::optional<ElementExpression> sum = tensor(1, {4});
  for (Slot slot = 2; slot <= ElementProgram::kMaxInputs; ++slot) sum = binary(kAdd, *sum, tensor(slot, {4}), {4});
  ASSERT_TRUE(sum);
  EXPECT_FALSE(binary(kAdd, *sum, tensor(100, {4}), {4}));
  EXPECT_TRUE(binary(kAdd, *sum, tensor(1, {4}), {4}));

  std::optional<ElementExpression> chain = tensor(1, {4});
  for (uint32_t i = 0; i < ElementProgram::kMaxInstructions; ++i) chain = unary(kSin, *chain);
  ASSERT_TRUE(chain);
  EXPECT_FALSE(unary(kSin, *chain));

  chain = tensor(1, {4});
  for (uint32_t i = 0; i < ElementProgram::kMaxConstants; ++i)
    chain = binary(kAdd, *chain, ElementExpression::of(ElementConstant{ElementType::kFloat, i}, {}), {4});
  ASSERT_TRUE(chain);
  EXPECT_FALSE(binary(kAdd, *chain, ElementExpression::of(ElementConstant{ElementType::kFloat, 99}, {}), {4}));

  const Shape wide(9, 2);
  EXPECT_FALSE(binary(kAdd, tensor(1, wide), tensor(2, {2, 1, 2, 1, 2, 1, 2, 1, 2}), wide));
}

// Expressions beside the numbers that they stand for.
struct Known {
  ElementExpression expression;
  std::vector<double> values;
};

// Elements of `known` in the order in which `index` maps coordinates of the result to coordinates of known.
Known gathered(const Known& known, ElementExpression view, const std::function<Shape(Shape)>& index) {
  Known result{std::move(view), {}};
  const Shape& shape = result.expression.shape;
  const auto strides = row_major_strides(known.expression.shape);
  for (uint64_t i = 0; i < result.expression.elements(); ++i) {
    Shape at(shape.size());
    uint64_t rest = i;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) at[d] = static_cast<uint32_t>(rest % shape[d]);
    int64_t from = 0;
    const Shape source = index(at);
    for (size_t d = 0; d < source.size(); ++d) from += source[d] * strides[d];
    result.values.push_back(known.values[static_cast<size_t>(from)]);
  }
  return result;
}

Known random_view(std::mt19937& random, const Known& x) {
  const Shape& shape = x.expression.shape;
  const size_t rank = shape.size();
  switch (random() % 4) {
    case 0: {
      std::vector<uint32_t> perm(rank);
      for (uint32_t d = 0; d < rank; ++d) perm[d] = d;
      std::shuffle(perm.begin(), perm.end(), random);
      return gathered(x, transposed(x.expression, perm), [perm](const Shape& at) {
        Shape from(at.size());
        for (size_t d = 0; d < at.size(); ++d) from[perm[d]] = at[d];
        return from;
      });
    }
    case 1: {
      std::vector<int32_t> starts(rank), steps(rank);
      Shape part(rank);
      for (size_t d = 0; d < rank; ++d) {
        const bool backwards = random() % 3 == 0;
        starts[d] = static_cast<int32_t>(random() % shape[d]);
        steps[d] = (backwards ? -1 : 1) * static_cast<int32_t>(1 + random() % 2);
        const uint32_t room = backwards ? static_cast<uint32_t>(starts[d]) : shape[d] - 1 - starts[d];
        part[d] = 1 + room / static_cast<uint32_t>(std::abs(steps[d]));
      }
      return gathered(x, sliced(x.expression, starts, steps, part), [starts, steps](Shape at) {
        for (size_t d = 0; d < at.size(); ++d) at[d] = static_cast<uint32_t>(starts[d] + steps[d] * int64_t{at[d]});
        return at;
      });
    }
    case 2: {
      Shape wide = shape;
      wide.insert(wide.begin(), 1 + random() % 3);
      for (uint32_t& d : wide) d = d == 1 ? 1 + random() % 4 : d;
      return gathered(x, broadcast(x.expression, wide), [shape](Shape at) {
        at.erase(at.begin());
        for (size_t d = 0; d < at.size(); ++d) at[d] = shape[d] == 1 ? 0 : at[d];
        return at;
      });
    }
    default: {
      Shape flat = {static_cast<uint32_t>(x.expression.elements()), 1};
      for (const uint32_t factor : {2u, 3u, 4u}) {
        if (flat[0] % factor != 0) continue;
        flat[0] /= factor;
        flat.insert(flat.begin() + 1, factor);
      }
      auto view = reshaped(x.expression, flat);
      return view ? Known{*view, x.values} : x;
    }
  }
}

// a op b where b is of a's shape, or one element of b everywhere.
std::optional<Known> random_sum(std::mt19937& random, const Known& a, const Known& b) {
  const bool same = a.expression.shape == b.expression.shape;
  ElementExpression other = b.expression;
  if (!same)
    other = sliced(other, std::vector<int32_t>(other.shape.size(), 0), std::vector<int32_t>(other.shape.size(), 1),
                   Shape(other.shape.size(), 1));
  if (!same && other.shape.size() > a.expression.shape.size()) return std::nullopt;
  const ElementOp op = random() % 2 ? kAdd : kMax;
  const auto joined = binary(op, a.expression, other, a.expression.shape);
  if (!joined) return std::nullopt;
  Known result{*joined, a.values};
  for (size_t i = 0; i < result.values.size(); ++i) {
    const double x = a.values[i], y = b.values[same ? i : 0];
    result.values[i] = static_cast<float>(op == kAdd ? x + y : std::max(x, y));
  }
  return result;
}

TEST(Expression, RandomChainsOfViewsAndSums) {
  size_t with_code = 0;
  for (uint32_t seed = 0; seed < 80; ++seed) {
    std::mt19937 random(seed);
    Runner runner(test_device());
    std::vector<Known> known;
    for (const Shape& shape : {Shape{4, 6}, Shape{2, 3, 8}, Shape{5}, Shape{8, 1, 3}}) {
      std::vector<double> values(Tensor{0, Storage::kF32, shape}.elements());
      for (double& v : values) v = static_cast<double>(random() % 64);
      known.push_back({ElementExpression::of(test::upload(runner, Storage::kF32, shape, values)), values});
    }
    for (int step = 0; step < 12; ++step) {
      const Known& x = known[random() % known.size()];
      if (random() % 2) {
        Known view = random_view(random, x);
        if (view.values.size() < 2000) known.push_back(std::move(view));
      } else if (auto sum = random_sum(random, x, known[random() % known.size()])) {
        known.push_back(*std::move(sum));
      }
    }
    for (size_t i = known.size(); i-- > 4;) {
      const Known& x = known[i];
      if (x.expression.program.empty()) continue;
      const Tensor y = runner.allocate(Storage::kF32, x.expression.shape);
      plan_expression(x.expression, y, "", runner.recorder());
      runner.run();
      ASSERT_EQ(test::download(runner, y), x.values) << "seed " << seed << " expression " << i;
      ++with_code;
      break;
    }
  }
  EXPECT_GT(with_code, 60u);
}

}  // namespace
}  // namespace sluice::kernels
