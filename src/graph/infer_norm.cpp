// Normalizations: the output has the input's shape; scales and biases cover the normalized dimensions.
#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

// First normalized axis; notes what does not fit.
size_t check_scale(NodeInfer& n) {
  n.expect_float(0, "X");
  if (n.rank(0) == 0) n.refuse("X must not be a scalar");
  const size_t axis = n.axis(n.node().i("axis", -1), n.rank(0));
  const Shape normalized(n.shape(0).begin() + static_cast<ptrdiff_t>(axis), n.shape(0).end());
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (!n.has(i)) continue;
    const std::string_view name = i == 1 ? "scale" : "bias";
    n.expect_float(i, name);
    const std::optional<Shape> fitted = broadcast(n.shape(0), n.shape(i));
    if (!fitted || fitted->size() != n.rank(0))
      n.problem("{} must be {}, got {}", name, n.text(normalized), n.text(n.shape(i)));
  }
  return axis;
}

Shape statistics_shape(NodeInfer& n, size_t axis) {
  Shape to = n.shape(0);
  for (size_t i = axis; i < to.size(); ++i) to[i] = {1, 0};
  return to;
}

void infer_layer_norm(NodeInfer& n) {
  const size_t axis = check_scale(n);
  n.set(0, n.dtype(1), n.shape(0));
  n.set(1, DType::kFloat, statistics_shape(n, axis));
  n.set(2, DType::kFloat, statistics_shape(n, axis));
}

void infer_simplified_layer_norm(NodeInfer& n) {
  const size_t axis = check_scale(n);
  n.set(0, n.dtype(1), n.shape(0));
  n.set(1, DType::kFloat, statistics_shape(n, axis));
}

// input, skip, gamma, then beta and bias (SkipLayerNormalization) or bias alone -> output, mean, inverse deviation, sum
template <bool kHasBeta>
void infer_skip_norm(NodeInfer& n) {
  const Shape& from = n.shape(0);
  n.expect_float(0, "input");
  n.expect_same_dtype(0, 1, "input and skip");
  if (from.size() != 3 && from.size() != 2) n.refuse("input must have rank 2 or 3, got {}", n.text(from));
  const std::optional<Shape> sum = broadcast(from, n.shape(1));
  if (!sum || sum->size() != from.size()) n.problem("skip must be {}, got {}", n.text(from), n.text(n.shape(1)));
  const Shape last = {from.back()};
  n.expect_shape(2, "gamma", last);
  n.expect_shape(3, kHasBeta ? "beta" : "bias", last);
  if (kHasBeta) n.expect_shape(4, "bias", last);
  n.set(0, n.dtype(0), from);
  n.set(1, DType::kFloat, statistics_shape(n, from.size() - 1));
  n.set(2, DType::kFloat, statistics_shape(n, from.size() - 1));
  n.set(3, n.dtype(0), from);
}

// X (N, C, ...) and vectors over the channels, called by these names in order.
void check_channels(NodeInfer& n, std::initializer_list<const char*> names) {
  n.expect_float(0, "X");
  if (n.rank(0) < 2) n.refuse("X must have rank 2 or more, got {}", n.text(n.shape(0)));
  size_t i = 1;
  for (const char* name : names) {
    n.expect_float(i, name);
    n.expect_shape(i++, name, {n.shape(0)[1]});
  }
}

void infer_batch_norm(NodeInfer& n) {
  if (n.node().i("training_mode", 0) != 0) n.refuse("training_mode must be 0");
  check_channels(n, {"scale", "B", "mean", "var"});
  n.set(0, n.dtype(0), n.shape(0));
}

void infer_instance_norm(NodeInfer& n) {
  check_channels(n, {"scale", "B"});
  n.set(0, n.dtype(0), n.shape(0));
}

// scale and bias are of the groups before opset 21, of the channels from then on.
void infer_group_norm(NodeInfer& n) {
  check_channels(n, {});
  const int64_t groups = n.size_attribute("num_groups");
  const Dim channels = n.shape(0)[1];
  if (!channels.is_constant() || channels.value % groups != 0)
    n.refuse("{} channels do not make {} groups", n.text(channels), groups);
  const Shape expected = {n.opset() < 21 ? Dim{groups, 0} : channels};
  n.expect_shape(1, "scale", expected);
  n.expect_shape(2, "bias", expected);
  n.set(0, n.dtype(0), n.shape(0));
}

void infer_lp_norm(NodeInfer& n) {
  n.expect_float(0, "the input");
  n.axis(n.node().i("axis", -1), n.rank(0));
  n.attribute("p", 1, 2, 2);
  n.set(0, n.dtype(0), n.shape(0));
}

void infer_mean_variance_norm(NodeInfer& n) {
  n.expect_float(0, "X");
  std::vector<int64_t> axes = n.node().ints("axes");
  if (axes.empty()) axes = {0, 2, 3};
  for (const int64_t axis : axes) n.axis(axis, n.rank(0));
  n.set(0, n.dtype(0), n.shape(0));
}

constexpr OpRule kRules[] = {
    {kOnnx, "BatchNormalization", 5, infer_batch_norm},
    {kOnnx, "InstanceNormalization", 3, infer_instance_norm},
    {kOnnx, "GroupNormalization", 3, infer_group_norm},
    {kOnnx, "LpNormalization", 1, infer_lp_norm},
    {kOnnx, "MeanVarianceNormalization", 1, infer_mean_variance_norm},
    {kOnnx, "LayerNormalization", 2, infer_layer_norm},
    {kOnnx, "SimplifiedLayerNormalization", 2, infer_simplified_layer_norm},
    {kMicrosoft, "SimplifiedLayerNormalization", 2, infer_simplified_layer_norm},
    {kOnnx, "RMSNormalization", 2, infer_simplified_layer_norm},
    {kMicrosoft, "SkipLayerNormalization", 3, infer_skip_norm<true>},
    {kMicrosoft, "SkipSimplifiedLayerNormalization", 3, infer_skip_norm<false>},
};

}  // namespace

std::span<const OpRule> norm_rules() { return kRules; }

}  // namespace sluice::graph
