// Operators that reduce or normalize along axes.
#include <algorithm>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

// Which axes a Reduce* operator reduces: an attribute, or from opset 13 (ReduceSum) or 18 on an input.
std::vector<bool> reduced_axes(NodeInfer& n) {
  const size_t rank = n.rank(0);
  const std::vector<int64_t> axes = n.ints_of("axes", 1).value_or(std::vector<int64_t>());
  if (axes.empty()) return std::vector<bool>(rank, n.node().i("noop_with_empty_axes", 0) == 0);
  std::vector<bool> reduced(rank);
  for (const int64_t axis : axes) reduced[n.axis(axis, rank)] = true;
  return reduced;
}

Shape reduced_shape(const Shape& from, const std::vector<bool>& reduced, bool keeps) {
  Shape to;
  for (size_t i = 0; i < from.size(); ++i) {
    if (!reduced[i]) {
      to.push_back(from[i]);
    } else if (keeps) {
      to.push_back({1, 0});
    }
  }
  return to;
}

void infer_reduce(NodeInfer& n) {
  n.set(0, n.dtype(0), reduced_shape(n.shape(0), reduced_axes(n), n.node().i("keepdims", 1) != 0));
}

// The sum of ones is how many there are.
void infer_reduce_sum(NodeInfer& n) {
  infer_reduce(n);
  if (!n.is_ones(0) || is_float(n.dtype(0)) || !n.wants(0)) return;
  const std::vector<bool> reduced = reduced_axes(n);
  Dim count{1, 0};
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) continue;
    const Dim& dim = n.shape(0)[i];
    if (count == Dim{1, 0}) {
      count = dim;
    } else if (count.is_constant() && dim.is_constant()) {
      count.value = saturating_mul(count.value, dim.value);
    } else if (dim != Dim{1, 0}) {
      return;
    }
  }
  const std::optional<int64_t> elements = constant_elements(n.output_shape(0));
  if (!elements || *elements > kMaxFoldElements) return;
  Content content;
  content.ints.assign(static_cast<size_t>(*elements), count);
  for (const Dim& dim : n.output_shape(0)) content.shape.push_back(dim.value);
  n.set_content(0, std::move(content));
}

// Sums and products of all elements of a small integer tensor.
template <bool kIsProduct>
std::optional<Content> fold_reduce(NodeInfer& n) {
  const Content& from = *n.content(0);
  const bool is_full = std::ranges::count(reduced_axes(n), false) == 0;
  if (!is_full || !from.floats.empty()) return std::nullopt;
  Dim result{kIsProduct ? 1 : 0, 0};
  for (const Dim& dim : from.ints) {
    if (kIsProduct && !(result.is_constant() && dim.is_constant())) {
      if (result == Dim{1, 0}) {
        result = dim;
      } else if (dim != Dim{1, 0}) {
        return std::nullopt;
      }
      continue;
    }
    const std::optional<Dim> next = kIsProduct ? Dim{wrap_mul(result.value, dim.value), 0} : add(result, dim);
    if (!next) return std::nullopt;
    result = *next;
  }
  Content content;
  content.ints = {result};
  return content;
}

void infer_arg(NodeInfer& n) {
  std::vector<bool> reduced(n.rank(0));
  if (!reduced.empty()) reduced[n.axis(n.node().i("axis", 0), reduced.size())] = true;
  n.set(0, DType::kInt64, reduced_shape(n.shape(0), reduced, n.node().i("keepdims", 1) != 0));
}

// Over all but batch and channels.
void infer_global_pool(NodeInfer& n) {
  n.expect_float(0, "the input");
  if (n.rank(0) < 3) n.refuse("the input must have rank 3 or more, got {}", n.text(n.shape(0)));
  Shape to = n.shape(0);
  for (size_t i = 2; i < to.size(); ++i) to[i] = {1, 0};
  n.set(0, n.dtype(0), std::move(to));
}

void infer_softmax(NodeInfer& n) {
  n.expect_float(0, "the input");
  if (n.rank(0) > 0)
    n.axis(n.node().i("axis", n.opset() < 13 ? std::min<int64_t>(1, static_cast<int64_t>(n.rank(0)) - 1) : -1),
           n.rank(0));
  n.set(0, n.dtype(0), n.shape(0));
}

constexpr OpRule kRules[] = {
    {kOnnx, "ReduceSum", 1, infer_reduce_sum, fold_reduce<false>},
    {kOnnx, "ReduceProd", 1, infer_reduce, fold_reduce<true>},
    {kOnnx, "ReduceMean", 1, infer_reduce},
    {kOnnx, "ReduceMax", 1, infer_reduce},
    {kOnnx, "ReduceMin", 1, infer_reduce},
    {kOnnx, "ReduceSumSquare", 1, infer_reduce},
    {kOnnx, "ReduceL1", 1, infer_reduce},
    {kOnnx, "ReduceL2", 1, infer_reduce},
    {kOnnx, "ReduceLogSum", 1, infer_reduce},
    {kOnnx, "ReduceLogSumExp", 1, infer_reduce},
    {kOnnx, "GlobalAveragePool", 1, infer_global_pool},
    {kOnnx, "GlobalMaxPool", 1, infer_global_pool},
    {kOnnx, "ArgMax", 1, infer_arg},
    {kOnnx, "ArgMin", 1, infer_arg},
    {kOnnx, "Softmax", 1, infer_softmax},
    {kOnnx, "LogSoftmax", 1, infer_softmax},
    {kOnnx, "Hardmax", 1, infer_softmax},
};

}  // namespace

std::span<const OpRule> reduce_rules() { return kRules; }

}  // namespace sluice::graph
