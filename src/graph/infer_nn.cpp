// Matrix products and convolutions over plain (not quantized) weights.
#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

void infer_matmul(NodeInfer& n) {
  n.expect_same_dtype(0, 1, "A and B");
  Shape a = n.shape(0);
  Shape b = n.shape(1);
  if (a.empty() || b.empty()) n.refuse("A and B must not be scalars");
  const bool is_row = a.size() == 1;
  const bool is_column = b.size() == 1;
  if (is_row) a.insert(a.begin(), Dim{1, 0});
  if (is_column) b.push_back({1, 0});
  const Dim rows = a[a.size() - 2];
  const Dim columns = b.back();
  const bool fits = !surely_differ(a.back(), b[b.size() - 2]);
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  std::optional<Shape> to = broadcast(a, b);
  if (!to || !fits) n.refuse("cannot multiply {} by {}", n.text(n.shape(0)), n.text(n.shape(1)));
  if (!is_row) to->push_back(rows);
  if (!is_column) to->push_back(columns);
  n.set(0, n.dtype(0), *std::move(to));
}

void infer_gemm(NodeInfer& n) {
  n.expect_rank(0, "A", 2);
  n.expect_rank(1, "B", 2);
  n.expect_same_dtype(0, 1, "A and B");
  n.expect_same_dtype(0, 2, "A and C");
  const size_t across_a = n.node().i("transA", 0) != 0 ? 1 : 0;
  const size_t across_b = n.node().i("transB", 0) != 0 ? 1 : 0;
  if (surely_differ(n.shape(0)[1 - across_a], n.shape(1)[across_b])) {
    n.refuse("cannot multiply {} by {} (transA {}, transB {})", n.text(n.shape(0)), n.text(n.shape(1)), across_a,
             across_b);
  }
  const Shape to = {n.shape(0)[across_a], n.shape(1)[1 - across_b]};
  if (n.has(2)) {
    const std::optional<Shape> sum = broadcast(to, n.shape(2));
    if (!sum || sum->size() != 2) n.problem("C {} does not broadcast to {}", n.text(n.shape(2)), n.text(to));
  }
  n.set(0, n.dtype(0), to);
}

constexpr int64_t kMaxWindow = int64_t{1} << 30;

// An attribute with a number for each spatial axis (or `per_axis` numbers).
std::vector<int64_t> spatial(NodeInfer& n, std::string_view name, size_t count, int64_t low, int64_t otherwise) {
  std::vector<int64_t> values = n.node().ints(name);
  if (values.empty()) values.assign(count, otherwise);
  if (values.size() != count) n.refuse("{} must have {} numbers, got {}", name, count, values.size());
  for (const int64_t value : values) {
    if (value < low || value > kMaxWindow) n.refuse("{} must be {} to {}, got {}", name, low, kMaxWindow, value);
  }
  return values;
}

// How a window moves along one axis.
struct Window {
  int64_t kernel, stride, dilation, padding;
  bool is_same;  // padded so that only the stride shrinks the axis
};

Dim windows_along(NodeInfer& n, Dim size, const Window& window) {
  // Positions after the first.
  Dim rest = size;
  rest.value -= 1;
  if (!window.is_same) rest.value += window.padding - window.dilation * (window.kernel - 1);
  if (rest.is_constant() && rest.value < (window.is_same ? -1 : 0)) {
    n.refuse("the kernel {} is larger than the padded input {}", n.text(n.shape(1)), n.text(n.shape(0)));
  }
  if (window.stride != 1) {
    if (!rest.is_constant())
      n.refuse("a stride of {} over {} is not known at compile time", window.stride, n.text(size));
    if (rest.value > 0) rest.value /= window.stride;
  }
  rest.value += 1;
  return rest;
}

void infer_conv(NodeInfer& n) {
  const Shape& x = n.shape(0);
  const Shape& w = n.shape(1);
  if (x.size() < 3 || w.size() != x.size()) {
    n.refuse("X {} and W {} must have one rank, 3 or more", n.text(x), n.text(w));
  }
  n.expect_same_dtype(0, 1, "X and W");
  n.expect_same_dtype(0, 2, "X and B");
  const size_t axes = x.size() - 2;
  const int64_t group = n.attribute("group", 1, kMaxWindow, 1);
  if (w[1].is_constant() && surely_differ(x[1], {saturating_mul(w[1].value, group), 0})) {
    n.problem("X has {} channels, W {} times group {}", n.text(x[1]), n.text(w[1]), group);
  }
  if (w[0].is_constant() && w[0].value % group != 0)
    n.problem("{} outputs are not a multiple of group {}", w[0].value, group);
  n.expect_shape(2, "B", {w[0]});
  const std::string auto_pad = n.node().s("auto_pad", "NOTSET");
  const bool is_same = auto_pad.starts_with("SAME_");
  const std::vector<int64_t> strides = spatial(n, "strides", axes, 1, 1);
  const std::vector<int64_t> dilations = spatial(n, "dilations", axes, 1, 1);
  const std::vector<int64_t> pads = spatial(n, "pads", 2 * axes, 0, 0);
  Shape to = {x[0], w[0]};
  for (size_t i = 0; i < axes; ++i) {
    const Dim& kernel = w[i + 2];
    if (!kernel.is_constant() || kernel.value < 1 || kernel.value > kMaxWindow)
      n.refuse("a kernel size is {}", n.text(kernel));
    const int64_t padding = auto_pad == "VALID" ? 0 : pads[i] + pads[i + axes];
    to.push_back(windows_along(n, x[i + 2], {kernel.value, strides[i], dilations[i], padding, is_same}));
  }
  n.set(0, n.dtype(0), std::move(to));
}

constexpr OpRule kRules[] = {
    {kOnnx, "MatMul", 2, infer_matmul},
    {kOnnx, "Gemm", 2, infer_gemm},
    {kOnnx, "Conv", 2, infer_conv},
};

}  // namespace

std::span<const OpRule> nn_rules() { return kRules; }

}  // namespace sluice::graph
