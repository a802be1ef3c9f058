// Operators that repeat, pad, order or accumulate elements along axes.
#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

void infer_same(NodeInfer& n) { n.set(0, n.dtype(0), n.shape(0)); }

void infer_tile(NodeInfer& n) {
  n.expect_rank(1, "repeats", 1);
  const Content* repeats = n.content(1);
  if (repeats == nullptr || is_float(n.dtype(1))) n.refuse("repeats must be known at compile time");
  const Shape& from = n.shape(0);
  if (repeats->ints.size() != from.size()) n.refuse("{} repeats are given for {}", repeats->ints.size(), n.text(from));
  Shape to;
  for (size_t i = 0; i < from.size(); ++i) {
    if (repeats->ints[i].is_constant() && repeats->ints[i].value < 0)
      n.refuse("a repeat is {}", repeats->ints[i].value);
    const Dim factors[] = {from[i], repeats->ints[i]};
    to.push_back(product(factors, n.graph()));
  }
  n.set(0, n.dtype(0), std::move(to));
}

void infer_pad(NodeInfer& n) {
  const Shape& from = n.shape(0);
  const auto pads = n.ints_of("pads", 1);
  if (!pads) n.refuse("pads are missing");
  std::vector<int64_t> axes;
  if (n.has(3)) {
    axes = n.ints(3, "axes");
  } else {
    for (size_t i = 0; i < from.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (pads->size() != 2 * axes.size()) n.refuse("{} pads are given for {} axes", pads->size(), axes.size());
  Shape to = from;
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& dim = to[n.axis(axes[i], from.size())];
    dim.value = wrap_add(dim.value, wrap_add((*pads)[i], (*pads)[i + axes.size()]));
  }
  n.set(0, n.dtype(0), std::move(to));
}

void infer_trilu(NodeInfer& n) {
  if (n.rank(0) < 2) n.refuse("the input must be matrices, got {}", n.text(n.shape(0)));
  infer_same(n);
}

void infer_cumsum(NodeInfer& n) {
  n.expect_index(1, "axis");
  if (const Content* axis = n.content(1);
      axis != nullptr && axis->size() == 1 && axis->is_constant() && !axis->ints.empty()) {
    n.axis(axis->ints[0].value, n.rank(0));
  }
  infer_same(n);
}

// Until opset 9 k is an attribute; from 11 on there is a choice of the smallest.
void infer_topk(NodeInfer& n) {
  const Shape& from = n.shape(0);
  if (from.empty()) n.refuse("the input must not be a scalar");
  const size_t axis = n.axis(n.node().i("axis", -1), from.size());
  Dim k{0, 0};
  if (n.opset() < 10) {
    k.value = n.attribute("k", 0, kMaxElements);
  } else {
    if (!n.has(1)) n.refuse("k is missing");
    n.expect_dtype(1, "k", {DType::kInt64});
    n.expect_shape(1, "k", {{1, 0}});
    if (n.has_problem()) return;
    const Content* given = n.content(1);
    if (given == nullptr || given->ints.size() != 1) n.refuse("k must be known at compile time");
    k = given->ints[0];
  }
  if (n.opset() >= 11) {
    n.attribute("largest", 0, 1, 1);
    n.attribute("sorted", 0, 1, 1);
  }
  const Dim& size = from[axis];
  const bool is_too_large = k.symbol == size.symbol && k.value > size.value;
  if (is_too_large || (k.is_constant() && k.value < 0)) {
    n.refuse("k must be 0 to {}, got {}", n.text(size), n.text(k));
  }
  Shape to = from;
  to[axis] = k;
  n.set(0, n.dtype(0), to);
  n.set(1, DType::kInt64, std::move(to));
}

// indices, depth, {off, on}: a new axis of that depth.
void infer_one_hot(NodeInfer& n) {
  n.expect_shape(2, "values", {{2, 0}});
  const std::vector<int64_t> depth = n.ints(1, "depth");
  if (depth.size() != 1 || depth[0] < 1) n.refuse("depth must be one number, at least 1");
  Shape to = n.shape(0);
  const size_t axis = n.axis(n.node().i("axis", -1), to.size() + 1);
  to.insert(to.begin() + static_cast<ptrdiff_t>(axis), Dim{depth[0], 0});
  n.set(0, n.dtype(2), std::move(to));
}

void infer_eye_like(NodeInfer& n) {
  n.expect_rank(0, "the input", 2);
  const std::optional<DType> to = n.node().find("dtype") != nullptr ? dtype_of_onnx(n.attribute("dtype", 0, 0x7fffffff))
                                                                    : std::optional(n.dtype(0));
  if (!to) n.refuse("dtype {} is not known", n.node().i("dtype", 0));
  n.set(0, *to, n.shape(0));
}

// (N, C, H, W) with blocks of pixels as channels, or back.
template <bool kToSpace>
void infer_blocks(NodeInfer& n) {
  n.expect_rank(0, "the input", 4);
  const int64_t block = n.size_attribute("blocksize");
  if (kToSpace) {
    const std::string mode = n.node().s("mode", "DCR");
    if (mode != "DCR" && mode != "CRD") n.refuse("mode must be DCR or CRD, got \"{}\"", mode);
  }
  Shape to = n.shape(0);
  if (!constant_elements(to)) n.refuse("the shape {} must be known at compile time", n.text(to));
  const bool fits =
      kToSpace ? to[1].value % saturating_mul(block, block) == 0 : to[2].value % block == 0 && to[3].value % block == 0;
  if (!fits) n.refuse("{} does not split into blocks of {}", n.text(to), block);
  to[1].value = kToSpace ? to[1].value / (block * block) : saturating_mul(to[1].value, saturating_mul(block, block));
  for (size_t i = 2; i < 4; ++i) to[i].value = kToSpace ? saturating_mul(to[i].value, block) : to[i].value / block;
  n.set(0, n.dtype(0), std::move(to));
}

void refuse_data_dependent(NodeInfer& n) {
  n.refuse("the operator is not supported: the size of its output depends on the data");
}

constexpr OpRule kRules[] = {
    {kOnnx, "OneHot", 3, infer_one_hot},
    {kOnnx, "EyeLike", 1, infer_eye_like},
    {kOnnx, "DepthToSpace", 1, infer_blocks<true>},
    {kOnnx, "SpaceToDepth", 1, infer_blocks<false>},
    {kOnnx, "NonZero", 1, refuse_data_dependent},
    {kOnnx, "Compress", 2, refuse_data_dependent},
    {kOnnx, "Unique", 1, refuse_data_dependent},
    {kOnnx, "Tile", 2, infer_tile},
    {kOnnx, "Pad", 1, infer_pad},
    {kOnnx, "Trilu", 1, infer_trilu},
    {kOnnx, "CumSum", 2, infer_cumsum},
    {kOnnx, "TopK", 1, infer_topk},
};

}  // namespace

std::span<const OpRule> move_rules() { return kRules; }

}  // namespace sluice::graph
