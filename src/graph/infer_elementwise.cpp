// Operators that work element by element, with numpy's broadcasting. Integers fold symbolically where the result stays
// linear in one symbol; symbols are sizes, so never negative.
#include <algorithm>
#include <cmath>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

void infer_same(NodeInfer& n) { n.set(0, n.dtype(0), n.shape(0)); }

void infer_float(NodeInfer& n) {
  n.expect_float(0, "the input");
  infer_same(n);
}

void infer_not(NodeInfer& n) {
  n.expect_dtype(0, "the input", {DType::kBool});
  infer_same(n);
}

void infer_test(NodeInfer& n) {
  n.expect_float(0, "the input");
  n.set(0, DType::kBool, n.shape(0));
}

// The shape that all present inputs broadcast to.
Shape broadcast_all(NodeInfer& n) {
  std::optional<Shape> to = n.shape(0);
  for (size_t i = 1; i < n.inputs(); ++i) {
    if (!n.has(i)) continue;
    const std::optional<Shape> next = broadcast(*to, n.shape(i));
    if (!next) n.refuse("{} and {} do not broadcast", n.text(*to), n.text(n.shape(i)));
    to = next;
  }
  return *std::move(to);
}

void infer_arithmetic(NodeInfer& n) {
  for (size_t i = 1; i < n.inputs(); ++i) n.expect_same_dtype(0, i, "inputs");
  n.set(0, n.dtype(0), broadcast_all(n));
}

void infer_pow(NodeInfer& n) { n.set(0, n.dtype(0), broadcast_all(n)); }

void infer_compare(NodeInfer& n) {
  n.expect_same_dtype(0, 1, "inputs");
  n.set(0, DType::kBool, broadcast_all(n));
}

void infer_logic(NodeInfer& n) {
  n.expect_dtype(0, "the first input", {DType::kBool});
  n.expect_dtype(1, "the second input", {DType::kBool});
  n.set(0, DType::kBool, broadcast_all(n));
}

void infer_bits(NodeInfer& n) {
  if (is_float(n.dtype(0)) || n.dtype(0) == DType::kBool)
    n.refuse("the inputs must be integers, got {}", name(n.dtype(0)));
  infer_arithmetic(n);
}

void infer_shift(NodeInfer& n) {
  const std::string direction = n.node().s("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") n.refuse("direction must be LEFT or RIGHT, got \"{}\"", direction);
  infer_bits(n);
}

void infer_where(NodeInfer& n) {
  n.expect_dtype(0, "the condition", {DType::kBool});
  n.expect_same_dtype(1, 2, "both choices");
  n.set(0, n.dtype(1), broadcast_all(n));
}

void infer_prelu(NodeInfer& n) {
  n.expect_same_dtype(0, 1, "inputs");
  const std::optional<Shape> to = broadcast(n.shape(0), n.shape(1));
  if (!to || to->size() != n.rank(0))
    n.refuse("slope {} does not broadcast to {}", n.text(n.shape(1)), n.text(n.shape(0)));
  infer_same(n);
}

void infer_clip(NodeInfer& n) {
  for (size_t i = 1; i < std::min<size_t>(n.inputs(), 3); ++i) {
    n.expect_same_dtype(0, i, "inputs");
    if (n.has(i) && !(n.rank(i) == 0 || n.shape(i) == Shape{{1, 0}})) {
      n.problem("its limits must be scalars, got {}", n.text(n.shape(i)));
    }
  }
  infer_same(n);
}

// Activations of com.microsoft that take a bias over the last dimension.
void infer_biased(NodeInfer& n) {
  n.expect_float(0, "the input");
  n.expect_same_dtype(0, 1, "input and bias");
  if (n.has(1)) {
    if (n.rank(0) == 0) n.refuse("the input must not be a scalar");
    n.expect_shape(1, "bias", {n.shape(0).back()});
  }
  infer_same(n);
}

using OptionalDim = std::optional<Dim>;

OptionalDim multiply_dims(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return Dim{wrap_mul(a.value, b.value), 0};
  const Dim zero{0, 0};
  const Dim one{1, 0};
  if (a == zero || b == zero) return zero;
  if (a == one) return b;
  if (b == one) return a;
  return std::nullopt;
}

OptionalDim divide_dims(const Dim& a, const Dim& b) {
  if (b == Dim{1, 0}) return a;
  if (!a.is_constant() || !b.is_constant() || b.value == 0) return std::nullopt;
  if (b.value == -1) return Dim{wrap_sub(0, a.value), 0};  // the smallest number has no opposite
  return Dim{a.value / b.value, 0};
}

OptionalDim modulo_dims(const Dim& a, const Dim& b) {
  if (!a.is_constant() || !b.is_constant() || b.value == 0) return std::nullopt;
  if (b.value == -1) return Dim{0, 0};
  const int64_t rest = a.value % b.value;
  return Dim{rest != 0 && (rest < 0) != (b.value < 0) ? rest + b.value : rest, 0};
}

// Whether a < b, if that holds or fails for all values of the symbols.
std::optional<bool> is_less(const Dim& a, const Dim& b) {
  if (a.symbol == b.symbol) return a.value < b.value;
  if (a.is_constant() && a.value < b.value) return true;
  if (b.is_constant() && a.value >= b.value) return false;
  return std::nullopt;
}

OptionalDim as_dim(std::optional<bool> truth) { return truth ? OptionalDim(Dim{*truth, 0}) : std::nullopt; }
std::optional<bool> negate(std::optional<bool> truth) { return truth ? std::optional(!*truth) : std::nullopt; }

OptionalDim less_dims(const Dim& a, const Dim& b) { return as_dim(is_less(a, b)); }
OptionalDim greater_dims(const Dim& a, const Dim& b) { return as_dim(is_less(b, a)); }
OptionalDim less_equal_dims(const Dim& a, const Dim& b) { return as_dim(negate(is_less(b, a))); }
OptionalDim greater_equal_dims(const Dim& a, const Dim& b) { return as_dim(negate(is_less(a, b))); }

OptionalDim equal_dims(const Dim& a, const Dim& b) {
  if (a == b) return Dim{1, 0};
  return surely_differ(a, b) ? OptionalDim(Dim{0, 0}) : std::nullopt;
}

OptionalDim min_dims(const Dim& a, const Dim& b) {
  const std::optional<bool> less = is_less(a, b);
  return less ? OptionalDim(*less ? a : b) : std::nullopt;
}

OptionalDim max_dims(const Dim& a, const Dim& b) {
  const std::optional<bool> less = is_less(a, b);
  return less ? OptionalDim(*less ? b : a) : std::nullopt;
}

OptionalDim and_dims(const Dim& a, const Dim& b) { return Dim{a.value != 0 && b.value != 0, 0}; }
OptionalDim or_dims(const Dim& a, const Dim& b) { return Dim{a.value != 0 || b.value != 0, 0}; }

double add_floats(double a, double b) { return a + b; }
double subtract_floats(double a, double b) { return a - b; }
double multiply_floats(double a, double b) { return a * b; }
double divide_floats(double a, double b) { return a / b; }
double less_floats(double a, double b) { return a < b; }
double greater_floats(double a, double b) { return a > b; }
double less_equal_floats(double a, double b) { return a <= b; }
double greater_equal_floats(double a, double b) { return a >= b; }
double equal_floats(double a, double b) { return a == b; }
double min_floats(double a, double b) { return std::isnan(a) || a < b ? a : b; }
double max_floats(double a, double b) { return std::isnan(a) || a > b ? a : b; }

using IntegerRule = OptionalDim (*)(const Dim&, const Dim&);
using FloatRule = double (*)(double, double);

// a and b, each broadcast to `to`, joined element by element.
std::optional<Content> combine(const Content& a, const Content& b, const Shape& to, IntegerRule ints,
                               FloatRule floats) {
  const std::vector<size_t> from_a = broadcast_indices(a.shape, to);
  const std::vector<size_t> from_b = broadcast_indices(b.shape, to);
  Content result;
  for (size_t i = 0; i < from_a.size(); ++i) {
    if (!a.floats.empty() && !b.floats.empty()) {
      if (floats == nullptr) return std::nullopt;
      result.floats.push_back(floats(a.floats[from_a[i]], b.floats[from_b[i]]));
    } else {
      if (a.ints.empty() || b.ints.empty() || ints == nullptr) return std::nullopt;
      const OptionalDim dim = ints(a.ints[from_a[i]], b.ints[from_b[i]]);
      if (!dim) return std::nullopt;
      result.ints.push_back(*dim);
    }
  }
  return result;
}

template <IntegerRule kInts, FloatRule kFloats>
std::optional<Content> fold_arithmetic(NodeInfer& n) {
  if (n.inputs() != 2 || !n.has(1)) return std::nullopt;  // Min and Max of more are not shape arithmetic
  return combine(*n.content(0), *n.content(1), n.output_shape(0), kInts, kFloats);
}

template <IntegerRule kInts, FloatRule kFloats>
std::optional<Content> fold_compare(NodeInfer& n) {
  std::optional<Content> result = combine(*n.content(0), *n.content(1), n.output_shape(0), kInts, kFloats);
  if (result) {
    for (const double truth : result->floats) result->ints.push_back({truth != 0, 0});
    result->floats.clear();
  }
  return result;
}

std::optional<Content> fold_modulo(NodeInfer& n) {
  if (n.node().i("fmod", 0) != 0) return std::nullopt;
  return combine(*n.content(0), *n.content(1), n.output_shape(0), modulo_dims, nullptr);
}

std::optional<Content> fold_where(NodeInfer& n) {
  const Content& condition = *n.content(0);
  const Content& yes = *n.content(1);
  const Content& no = *n.content(2);
  const Shape& to = n.output_shape(0);
  const std::vector<size_t> from_condition = broadcast_indices(condition.shape, to);
  const std::vector<size_t> from_yes = broadcast_indices(yes.shape, to);
  const std::vector<size_t> from_no = broadcast_indices(no.shape, to);
  Content result;
  for (size_t i = 0; i < from_condition.size(); ++i) {
    const bool take = condition.ints[from_condition[i]].value != 0;
    const Content& from = take ? yes : no;
    const size_t index = take ? from_yes[i] : from_no[i];
    if (!from.ints.empty()) result.ints.push_back(from.ints[index]);
    if (!from.floats.empty()) result.floats.push_back(from.floats[index]);
  }
  return result;
}

OptionalDim negative_dim(const Dim& a) { return subtract({0, 0}, a); }
OptionalDim absolute_dim(const Dim& a) {
  if (!a.is_constant()) return a.value >= 0 ? OptionalDim(a) : std::nullopt;
  return Dim{a.value < 0 ? wrap_sub(0, a.value) : a.value, 0};
}
OptionalDim not_dim(const Dim& a) { return Dim{a.value == 0, 0}; }

double negative_float(double a) { return -a; }
double absolute_float(double a) { return std::abs(a); }
double root(double a) { return std::sqrt(a); }
double reciprocal(double a) { return 1 / a; }
double floor_of(double a) { return std::floor(a); }
double ceil_of(double a) { return std::ceil(a); }
double exponential(double a) { return std::exp(a); }
double logarithm(double a) { return std::log(a); }

template <OptionalDim (*kInts)(const Dim&), double (*kFloats)(double)>
std::optional<Content> fold_unary(NodeInfer& n) {
  Content result = *n.content(0);
  if constexpr (kInts != nullptr) {
    for (Dim& dim : result.ints) {
      const OptionalDim changed = kInts(dim);
      if (!changed) return std::nullopt;
      dim = *changed;
    }
  } else if (!result.ints.empty()) {
    return std::nullopt;
  }
  if constexpr (kFloats != nullptr) {
    for (double& value : result.floats) value = kFloats(value);
  } else if (!result.floats.empty()) {
    return std::nullopt;
  }
  return result;
}

constexpr OpRule kRules[] = {
    {kOnnx, "Abs", 1, infer_same, fold_unary<absolute_dim, absolute_float>},
    {kOnnx, "Neg", 1, infer_same, fold_unary<negative_dim, negative_float>},
    {kOnnx, "Exp", 1, infer_float, fold_unary<nullptr, exponential>},
    {kOnnx, "Log", 1, infer_float, fold_unary<nullptr, logarithm>},
    {kOnnx, "Sqrt", 1, infer_float, fold_unary<nullptr, root>},
    {kOnnx, "Reciprocal", 1, infer_float, fold_unary<nullptr, reciprocal>},
    {kOnnx, "Floor", 1, infer_float, fold_unary<nullptr, floor_of>},
    {kOnnx, "Ceil", 1, infer_float, fold_unary<nullptr, ceil_of>},
    {kOnnx, "Round", 1, infer_float},
    {kOnnx, "Sign", 1, infer_same},
    {kOnnx, "Sigmoid", 1, infer_float},
    {kOnnx, "HardSigmoid", 1, infer_float},
    {kOnnx, "HardSwish", 1, infer_float},
    {kOnnx, "Tanh", 1, infer_float},
    {kOnnx, "Relu", 1, infer_same},
    {kOnnx, "LeakyRelu", 1, infer_float},
    {kOnnx, "Elu", 1, infer_float},
    {kOnnx, "Gelu", 1, infer_float},
    {kOnnx, "Swish", 1, infer_float},
    {kOnnx, "Mish", 1, infer_float},
    {kOnnx, "Softplus", 1, infer_float},
    {kOnnx, "Softsign", 1, infer_float},
    {kOnnx, "Erf", 1, infer_same},
    {kOnnx, "Cos", 1, infer_float},
    {kOnnx, "Sin", 1, infer_float},
    {kOnnx, "Selu", 1, infer_float},
    {kOnnx, "Celu", 1, infer_float},
    {kOnnx, "ThresholdedRelu", 1, infer_float},
    {kOnnx, "Shrink", 1, infer_float},
    {kOnnx, "Tan", 1, infer_float},
    {kOnnx, "Asin", 1, infer_float},
    {kOnnx, "Acos", 1, infer_float},
    {kOnnx, "Atan", 1, infer_float},
    {kOnnx, "Sinh", 1, infer_float},
    {kOnnx, "Cosh", 1, infer_float},
    {kOnnx, "Asinh", 1, infer_float},
    {kOnnx, "Acosh", 1, infer_float},
    {kOnnx, "Atanh", 1, infer_float},
    {kOnnx, "Not", 1, infer_not, fold_unary<not_dim, nullptr>},
    {kOnnx, "IsNaN", 1, infer_test},
    {kOnnx, "IsInf", 1, infer_test},
    {kMicrosoft, "Gelu", 1, infer_float},
    {kMicrosoft, "QuickGelu", 1, infer_float},
    {kMicrosoft, "FastGelu", 1, infer_biased},
    {kMicrosoft, "BiasGelu", 2, infer_biased},
    {kOnnx, "Add", 2, infer_arithmetic, fold_arithmetic<add, add_floats>},
    {kOnnx, "Sub", 2, infer_arithmetic, fold_arithmetic<subtract, subtract_floats>},
    {kOnnx, "Mul", 2, infer_arithmetic, fold_arithmetic<multiply_dims, multiply_floats>},
    {kOnnx, "Div", 2, infer_arithmetic, fold_arithmetic<divide_dims, divide_floats>},
    {kOnnx, "Min", 1, infer_arithmetic, fold_arithmetic<min_dims, min_floats>},
    {kOnnx, "Max", 1, infer_arithmetic, fold_arithmetic<max_dims, max_floats>},
    {kOnnx, "Sum", 1, infer_arithmetic},
    {kOnnx, "Mean", 1, infer_arithmetic},
    {kOnnx, "BitShift", 2, infer_shift},
    {kOnnx, "BitwiseAnd", 2, infer_bits},
    {kOnnx, "BitwiseOr", 2, infer_bits},
    {kOnnx, "BitwiseXor", 2, infer_bits},
    {kOnnx, "BitwiseNot", 1, infer_bits},
    {kOnnx, "Mod", 2, infer_arithmetic, fold_modulo},
    {kOnnx, "Pow", 2, infer_pow},
    {kOnnx, "PRelu", 2, infer_prelu},
    {kOnnx, "And", 2, infer_logic, fold_arithmetic<and_dims, nullptr>},
    {kOnnx, "Or", 2, infer_logic, fold_arithmetic<or_dims, nullptr>},
    {kOnnx, "Xor", 2, infer_logic},
    {kOnnx, "Equal", 2, infer_compare, fold_compare<equal_dims, equal_floats>},
    {kOnnx, "Less", 2, infer_compare, fold_compare<less_dims, less_floats>},
    {kOnnx, "LessOrEqual", 2, infer_compare, fold_compare<less_equal_dims, less_equal_floats>},
    {kOnnx, "Greater", 2, infer_compare, fold_compare<greater_dims, greater_floats>},
    {kOnnx, "GreaterOrEqual", 2, infer_compare, fold_compare<greater_equal_dims, greater_equal_floats>},
    {kOnnx, "Where", 3, infer_where, fold_where},
    {kOnnx, "Clip", 1, infer_clip},
};

}  // namespace

std::span<const OpRule> elementwise_rules() { return kRules; }

}  // namespace sluice::graph
