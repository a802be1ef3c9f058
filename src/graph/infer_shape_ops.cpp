// Operators that make or read shapes, and those that only give the same elements another shape or type.
#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

void infer_constant(NodeInfer& n) {
  const Node& node = n.node();
  if (const Attribute* value = node.find("value")) {
    const Constant* tensor = std::get_if<Constant>(value);
    if (tensor == nullptr) n.refuse("attribute value must be a tensor");
    return n.set_constant(0, *tensor);
  }
  Content content;
  DType dtype = DType::kInt64;
  if (node.find("value_int") != nullptr) {
    content.ints = {{node.i("value_int", 0), 0}};
  } else if (node.find("value_float") != nullptr) {
    dtype = DType::kFloat;
    content.floats = {node.f("value_float", 0)};
  } else if (node.find("value_ints") != nullptr) {
    for (const int64_t value : node.ints("value_ints")) content.ints.push_back({value, 0});
    content.shape = {static_cast<int64_t>(content.ints.size())};
  } else if (const Attribute* list = node.find("value_floats")) {
    const auto* floats = std::get_if<std::vector<float>>(list);
    if (floats == nullptr) n.refuse("attribute value_floats must be a list of floats");
    dtype = DType::kFloat;
    content.floats.assign(floats->begin(), floats->end());
    content.shape = {static_cast<int64_t>(content.floats.size())};
  } else {
    n.refuse("it holds no tensor or number");
  }
  Shape shape;
  for (const int64_t dim : content.shape) shape.push_back({dim, 0});
  n.set(0, dtype, std::move(shape));
  n.set_content(0, std::move(content));
}

void infer_identity(NodeInfer& n) {
  n.set(0, n.dtype(0), n.shape(0));
  if (n.is_ones(0)) n.set_ones(0);
}

// Inference: everything passes, and the mask says so.
void infer_dropout(NodeInfer& n) {
  infer_identity(n);
  n.set(1, DType::kBool, n.shape(0));
}

std::optional<DType> cast_target(NodeInfer& n) { return dtype_of_onnx(n.attribute("to", 0, kMax)); }

void infer_cast(NodeInfer& n) {
  const std::optional<DType> to = cast_target(n);
  if (!to) n.refuse("cannot cast to type {}", n.attribute("to", 0, kMax));
  n.set(0, *to, n.shape(0));
  if (n.is_ones(0)) n.set_ones(0);
}

void infer_cast_like(NodeInfer& n) { n.set(0, n.dtype(1), n.shape(0)); }

std::optional<Content> cast_content(const Content& from, DType to) {
  Content result;
  const bool keeps_symbols = to == DType::kInt64 || to == DType::kInt32;
  for (const Dim& dim : from.ints) {
    if (!dim.is_constant() && !keeps_symbols) return std::nullopt;
    if (is_float(to)) {
      result.floats.push_back(static_cast<double>(dim.value));
    } else {
      result.ints.push_back(dim);
    }
  }
  for (const double value : from.floats) {
    if (is_float(to)) {
      result.floats.push_back(value);
    } else if (to == DType::kBool) {
      result.ints.push_back({value != 0, 0});
    } else {
      if (!(std::abs(value) < 0x1p62)) return std::nullopt;  // ONNX leaves it undefined
      result.ints.push_back({static_cast<int64_t>(value), 0});
    }
  }
  return result;
}

std::optional<Content> fold_cast(NodeInfer& n) { return cast_content(*n.content(0), *cast_target(n)); }
std::optional<Content> fold_cast_like(NodeInfer& n) { return cast_content(*n.content(0), n.dtype(1)); }

void infer_reshape(NodeInfer& n) {
  n.expect_rank(1, "the target shape", 1);
  const Content* target = n.content(1);
  if (target == nullptr || is_float(n.dtype(1))) n.refuse("the target shape must be known at compile time");
  const bool keeps_zero = n.node().i("allowzero", 0) != 0;
  const Shape& from = n.shape(0);
  Shape to;
  std::optional<size_t> open;
  for (const Dim& dim : target->ints) {
    if (dim == Dim{-1, 0}) {
      if (open) n.refuse("only one dimension of the target shape may be -1");
      open = to.size();
      to.push_back({1, 0});
    } else if (dim == Dim{0, 0} && !keeps_zero) {
      if (to.size() >= from.size())
        n.refuse("dimension {} of the target is 0, but {} has no such dimension", to.size(), n.text(from));
      to.push_back(from[to.size()]);
    } else {
      if (dim.is_constant() && dim.value < 0) n.refuse("a dimension of the target shape is {}", dim.value);
      to.push_back(dim);
    }
  }
  if (open) {
    const std::optional<Dim> rest = quotient(from, to, n.graph());
    if (!rest) n.refuse("cannot reshape {} with the target {}", n.text(from), n.text(Shape(target->ints)));
    to[*open] = *rest;
  }
  const std::optional<int64_t> before = constant_elements(from);
  const std::optional<int64_t> after = constant_elements(to);
  if (before && after && *before != *after) n.refuse("cannot reshape {} to {}", n.text(from), n.text(to));
  n.set(0, n.dtype(0), std::move(to));
  if (n.is_ones(0)) n.set_ones(0);
}

void infer_flatten(NodeInfer& n) {
  const Shape& from = n.shape(0);
  const int64_t rank = static_cast<int64_t>(from.size());
  int64_t axis = n.attribute("axis", -rank, rank, 1);
  if (axis < 0) axis += rank;
  const std::span<const Dim> dims(from);
  const size_t split = static_cast<size_t>(axis);
  n.set(0, n.dtype(0), {product(dims.first(split), n.graph()), product(dims.subspan(split), n.graph())});
}

void infer_squeeze(NodeInfer& n) {
  const Shape& from = n.shape(0);
  std::vector<bool> drop(from.size());
  if (const auto axes = n.ints_of("axes", 1)) {
    for (const int64_t axis : *axes) {
      const size_t i = n.axis(axis, from.size());
      if (surely_differ(from[i], {1, 0})) n.refuse("axis {} of {} is not 1", axis, n.text(from));
      drop[i] = true;
    }
  } else {
    for (size_t i = 0; i < from.size(); ++i) drop[i] = from[i] == Dim{1, 0};
  }
  Shape to;
  for (size_t i = 0; i < from.size(); ++i) {
    if (!drop[i]) to.push_back(from[i]);
  }
  n.set(0, n.dtype(0), std::move(to));
}

void infer_unsqueeze(NodeInfer& n) {
  const auto axes = n.ints_of("axes", 1);
  if (!axes) n.refuse("axes are missing");
  const size_t rank = n.rank(0) + axes->size();
  std::vector<bool> is_new(rank);
  for (const int64_t axis : *axes) {
    const size_t i = n.axis(axis, rank);
    if (is_new[i]) n.refuse("axis {} is given twice", axis);
    is_new[i] = true;
  }
  Shape to;
  auto from = n.shape(0).begin();
  for (size_t i = 0; i < rank; ++i) to.push_back(is_new[i] ? Dim{1, 0} : *from++);
  n.set(0, n.dtype(0), std::move(to));
}

std::vector<size_t> permutation(NodeInfer& n) {
  const size_t rank = n.rank(0);
  std::vector<size_t> result;
  if (n.node().find("perm") == nullptr) {
    for (size_t i = rank; i-- > 0;) result.push_back(i);
    return result;
  }
  const std::vector<int64_t> perm = n.node().ints("perm");
  std::vector<bool> seen(rank);
  if (perm.size() != rank) n.refuse("perm has {} axes for rank {}", perm.size(), rank);
  for (const int64_t axis : perm) {
    const size_t i = n.axis(axis, rank);
    if (seen[i]) n.refuse("perm names axis {} twice", axis);
    seen[i] = true;
    result.push_back(i);
  }
  return result;
}

void infer_transpose(NodeInfer& n) {
  Shape to;
  for (const size_t axis : permutation(n)) to.push_back(n.shape(0)[axis]);
  n.set(0, n.dtype(0), std::move(to));
}

std::optional<Content> fold_transpose(NodeInfer& n) {
  const Content& from = *n.content(0);
  const std::vector<int64_t> strides = strides_of(from.shape);
  std::vector<size_t> indices{0};
  for (const size_t axis : permutation(n)) {
    std::vector<size_t> next;
    for (const size_t index : indices) {
      for (int64_t i = 0; i < from.shape[axis]; ++i) next.push_back(index + static_cast<size_t>(i * strides[axis]));
    }
    indices = std::move(next);
  }
  return pick(from, indices);
}

void infer_shape(NodeInfer& n) {
  const Shape& from = n.shape(0);
  const int64_t rank = static_cast<int64_t>(from.size());
  const auto clamp = [rank](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? wrap_add(axis, rank) : axis, 0, rank);
  };
  const int64_t start = clamp(n.node().i("start", 0));
  const int64_t end = std::max(start, clamp(n.node().i("end", rank)));
  Content content;
  content.shape = {end - start};
  content.ints.assign(from.begin() + start, from.begin() + end);
  n.set(0, DType::kInt64, {{end - start, 0}});
  n.set_content(0, std::move(content));
}

void infer_size(NodeInfer& n) {
  n.set(0, DType::kInt64, {});
  int64_t constant = 1;
  Dim elements{1, 0};
  size_t symbols = 0;
  for (const Dim& dim : n.shape(0)) {
    if (dim.is_constant()) {
      constant = saturating_mul(constant, dim.value);
    } else {
      elements = dim;
      ++symbols;
    }
  }
  if (symbols == 0) elements.value = constant;
  if (symbols > 1 || (symbols == 1 && constant != 1)) return;
  Content content;
  content.ints = {elements};
  n.set_content(0, std::move(content));
}

uint64_t range_count(int64_t start, int64_t limit, int64_t delta) {
  const uint64_t from = static_cast<uint64_t>(start);
  const uint64_t to = static_cast<uint64_t>(limit);
  const uint64_t step = static_cast<uint64_t>(delta);
  if (delta > 0) return limit <= start ? 0 : (to - from - 1) / step + 1;
  return limit >= start ? 0 : (from - to - 1) / (0 - step) + 1;
}

void infer_integer_range(NodeInfer& n, const Dim& start, const Dim& limit, const Dim& delta) {
  if (delta == Dim{0, 0}) n.refuse("delta must not be 0");
  if (delta == Dim{1, 0} && !(start.is_constant() && limit.is_constant())) {
    const std::optional<Dim> length = subtract(limit, start);
    if (!length) n.refuse("its length is not known at compile time");
    n.set(0, n.dtype(0), {*length});
    if (!length->is_constant() || length->value > kMaxFoldElements) return;
    Content content;
    content.shape = {length->value};
    for (int64_t i = 0; i < length->value; ++i) content.ints.push_back({wrap_add(start.value, i), start.symbol});
    return n.set_content(0, std::move(content));
  }
  if (!start.is_constant() || !limit.is_constant() || !delta.is_constant())
    n.refuse("its length is not known at compile time");
  const uint64_t count = range_count(start.value, limit.value, delta.value);
  if (count > static_cast<uint64_t>(kMaxElements)) n.refuse("it would have {} elements", count);
  n.set(0, n.dtype(0), {{static_cast<int64_t>(count), 0}});
  if (count > static_cast<uint64_t>(kMaxFoldElements)) return;
  Content content;
  content.shape = {static_cast<int64_t>(count)};
  for (uint64_t i = 0; i < count; ++i) {
    content.ints.push_back({wrap_add(start.value, wrap_mul(static_cast<int64_t>(i), delta.value)), 0});
  }
  n.set_content(0, std::move(content));
}

void infer_range(NodeInfer& n) {
  const Content* parts[3];
  for (size_t i = 0; i < 3; ++i) {
    n.expect_same_dtype(0, i, "start, limit and delta");
    parts[i] = n.content(i);
    if (parts[i] == nullptr || parts[i]->size() != 1) n.refuse("its length is not known at compile time");
  }
  if (n.has_problem()) return;
  if (!is_float(n.dtype(0))) return infer_integer_range(n, parts[0]->ints[0], parts[1]->ints[0], parts[2]->ints[0]);
  const double count = std::ceil((parts[1]->floats[0] - parts[0]->floats[0]) / parts[2]->floats[0]);
  if (!(count <= static_cast<double>(kMaxElements))) n.refuse("it would have {} elements", count);
  n.set(0, n.dtype(0), {{count > 0 ? static_cast<int64_t>(count) : 0, 0}});
}

void infer_constant_of_shape(NodeInfer& n) {
  n.expect_rank(0, "the shape", 1);
  const Content* target = n.content(0);
  if (target == nullptr || is_float(n.dtype(0))) n.refuse("the shape must be known at compile time");
  Content value;
  DType dtype = DType::kFloat;
  value.floats = {0};
  if (const Attribute* attribute = n.node().find("value")) {
    const Constant* tensor = std::get_if<Constant>(attribute);
    if (tensor == nullptr || tensor->elements() != 1) n.refuse("attribute value must be a tensor of one element");
    dtype = tensor->dtype;
    value = decode(*tensor).value_or(Content());
  }
  n.set(0, dtype, target->ints);
  const std::optional<int64_t> elements = constant_elements(target->ints);
  if (value.ints.empty()) return;
  if (value.ints[0] == Dim{1, 0}) n.set_ones(0);
  if (target->ints.size() > 1 || !elements || *elements > kMaxFoldElements) return;
  value.ints.assign(static_cast<size_t>(*elements), Dim(value.ints[0]));
  value.shape.clear();
  for (const Dim& dim : target->ints) value.shape.push_back(dim.value);
  n.set_content(0, std::move(value));
}

void infer_expand(NodeInfer& n) {
  n.expect_rank(1, "the target shape", 1);
  const Content* target = n.content(1);
  if (target == nullptr || is_float(n.dtype(1))) n.refuse("the target shape must be known at compile time");
  const std::optional<Shape> to = broadcast(n.shape(0), target->ints);
  if (!to) n.refuse("cannot expand {} to {}", n.text(n.shape(0)), n.text(Shape(target->ints)));
  n.set(0, n.dtype(0), *to);
  if (n.is_ones(0)) n.set_ones(0);
}

std::optional<Content> fold_expand(NodeInfer& n) {
  const Content& from = *n.content(0);
  return pick(from, broadcast_indices(from.shape, n.output_shape(0)));
}

constexpr OpRule kRules[] = {
    {kOnnx, "Constant", 0, infer_constant},
    {kOnnx, "Identity", 1, infer_identity, fold_same},
    {kOnnx, "Dropout", 1, infer_dropout},
    {kOnnx, "Cast", 1, infer_cast, fold_cast},
    {kOnnx, "CastLike", 2, infer_cast_like, fold_cast_like},
    {kOnnx, "Reshape", 2, infer_reshape, fold_same},
    {kOnnx, "Flatten", 1, infer_flatten, fold_same},
    {kOnnx, "Squeeze", 1, infer_squeeze, fold_same},
    {kOnnx, "Unsqueeze", 1, infer_unsqueeze, fold_same},
    {kOnnx, "Transpose", 1, infer_transpose, fold_transpose},
    {kOnnx, "Shape", 1, infer_shape},
    {kOnnx, "Size", 1, infer_size},
    {kOnnx, "Range", 3, infer_range},
    {kOnnx, "ConstantOfShape", 1, infer_constant_of_shape},
    {kOnnx, "Expand", 2, infer_expand, fold_expand},
};

}  // namespace

std::span<const OpRule> shape_rules() { return kRules; }

}  // namespace sluice::graph
