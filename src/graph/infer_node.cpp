#include "graph/infer_node.h"

#include <algorithm>

namespace sluice::graph {

void NodeInfer::add_problem(const std::string& message) {
  has_problem_ = true;
  state_.obstacles.push_back(fmt::format("[infer] {} \"{}\": {}", node_.op_type, node_.name, message));
}

const Content* NodeInfer::content(size_t i) {
  const ValueId id = node_.input(i);
  if (id == kNoValue) return nullptr;
  InferState::Slot& slot = state_.slots[id];
  if (slot.has == InferState::Has::kUnknown) {
    const Value& from = graph_.values[id];
    std::optional<Content> decoded;
    if (from.constant != nullptr) {
      decoded = decode(*from.constant);
    } else if (from.known && from.shape &&
               std::ranges::all_of(*from.shape, &Dim::is_constant)) {  // an input whose elements the caller told
      decoded.emplace();
      for (const Dim& dim : *from.shape) decoded->shape.push_back(dim.value);
      decoded->ints = *from.known;
    }
    slot.has = decoded ? InferState::Has::kContent : InferState::Has::kNothing;
    if (decoded) slot.content = std::make_unique<Content>(*std::move(decoded));
  }
  return slot.content.get();
}

std::vector<int64_t> NodeInfer::ints(size_t i, std::string_view what) {
  if (is_float(dtype(i))) refuse("{} must be integers, got {}", what, name(dtype(i)));
  const Content* elements = content(i);
  if (elements == nullptr || !elements->is_constant()) refuse("{} must be known at compile time", what);
  std::vector<int64_t> result;
  for (const Dim& dim : elements->ints) result.push_back(dim.value);
  return result;
}

std::optional<std::vector<int64_t>> NodeInfer::ints_of(std::string_view attribute_name, size_t i) {
  if (has(i)) return ints(i, attribute_name);
  if (node_.find(attribute_name) == nullptr) return std::nullopt;
  return node_.ints(attribute_name);
}

void NodeInfer::set(size_t i, DType dtype, Shape shape) {
  if (shape.size() > kMaxRank) refuse("output {} would have rank {}, the limit is {}", i, shape.size(), kMaxRank);
  int64_t elements = 1;
  for (const Dim& dim : shape) {
    if (dim.is_constant() && dim.value < 0) refuse("output {} would have the shape {}", i, text(shape));
    if (dim.value > kMaxElements || dim.value < -kMaxElements)
      refuse("output {} would be too large: {}", i, text(shape));
    if (dim.is_constant()) elements = saturating_mul(elements, dim.value);
  }
  if (elements > kMaxElements) refuse("output {} would have more than 2^40 elements: {}", i, text(shape));
  const ValueId id = node_.output(i);
  if (id == kNoValue) return;
  graph_.values[id].dtype = dtype;
  graph_.values[id].shape = std::move(shape);
}

void NodeInfer::set_content(size_t i, Content content) {
  const ValueId id = node_.output(i);
  if (id == kNoValue) return;
  Value& to = graph_.values[id];
  if (!is_float(*to.dtype)) {
    for (Dim& dim : content.ints) {
      if (dim.is_constant()) dim.value = wrap_to(dim.value, *to.dtype);
    }
    if (content.shape.size() <= 1) to.known = content.ints;
  }
  to.constant = encode(content, *to.dtype);
  if (is_float(*to.dtype) && to.constant != nullptr) content = *decode(*to.constant);  // rounded as it will be stored
  state_.slots[id].has = InferState::Has::kContent;
  state_.slots[id].content = std::make_unique<Content>(std::move(content));
}

void NodeInfer::set_constant(size_t i, const Constant& constant) {
  Shape shape;
  for (const int64_t dim : constant.shape) shape.push_back({dim, 0});
  set(i, constant.dtype, std::move(shape));
  const ValueId id = node_.output(i);
  if (id == kNoValue) return;
  std::optional<Content> elements = decode(constant);
  if (elements) set_content(i, *std::move(elements));
  graph_.values[id].constant = std::make_shared<const Constant>(constant);
}

void NodeInfer::set_ones(size_t i) {
  if (wants(i)) state_.slots[node_.outputs[i]].is_ones = true;
}

size_t NodeInfer::axis(int64_t axis, size_t rank) {
  const int64_t limit = static_cast<int64_t>(rank);
  if (axis < -limit || axis >= limit) refuse("axis {} is out of range for rank {}", axis, rank);
  return static_cast<size_t>(axis < 0 ? axis + limit : axis);
}

void NodeInfer::expect_rank(size_t i, std::string_view name, size_t expected) {
  if (has(i) && rank(i) != expected) refuse("{} must have rank {}, got {}", name, expected, text(shape(i)));
}

void NodeInfer::expect_shape(size_t i, std::string_view name, const Shape& expected) {
  if (!has(i)) return;
  const Shape& got = shape(i);
  const bool fits = std::ranges::equal(got, expected, [](const Dim& a, const Dim& b) { return !surely_differ(a, b); });
  if (!fits) problem("{} must be {}, got {}", name, text(expected), text(got));
}

void NodeInfer::expect_dtype(size_t i, std::string_view input_name, std::initializer_list<DType> allowed) {
  if (!has(i) || std::ranges::find(allowed, dtype(i)) != allowed.end()) return;
  std::string names;
  for (const DType type : allowed) names += fmt::format("{}{}", names.empty() ? "" : " or ", name(type));
  problem("{} must be {}, got {}", input_name, names, name(dtype(i)));
}

void NodeInfer::expect_float(size_t i, std::string_view input_name) {
  if (has(i) && !is_float(dtype(i))) problem("{} must be floats, got {}", input_name, name(dtype(i)));
}

void NodeInfer::expect_same_dtype(size_t i, size_t j, std::string_view names) {
  if (!has(i) || !has(j) || dtype(i) == dtype(j)) return;
  problem("{} must have one type, got {} and {}", names, name(dtype(i)), name(dtype(j)));
}

int64_t NodeInfer::attribute(std::string_view attribute_name, int64_t low, int64_t high,
                             std::optional<int64_t> otherwise) {
  if (!otherwise && node_.find(attribute_name) == nullptr) refuse("attribute {} is missing", attribute_name);
  const int64_t value = node_.i(attribute_name, otherwise.value_or(0));
  if (value < low || value > high) refuse("{} must be {} to {}, got {}", attribute_name, low, high, value);
  return value;
}

std::vector<int64_t> strides_of(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::vector<size_t> broadcast_indices(const std::vector<int64_t>& from, const Shape& to) {
  std::vector<size_t> indices{0};
  const std::vector<int64_t> strides = strides_of(from);
  const size_t offset = to.size() - from.size();
  for (size_t axis = 0; axis < to.size(); ++axis) {
    const bool is_spread = axis < offset || from[axis - offset] == 1;
    const size_t step = is_spread ? 0 : static_cast<size_t>(strides[axis - offset]);
    std::vector<size_t> next;
    for (const size_t index : indices) {
      for (int64_t i = 0; i < to[axis].value; ++i) next.push_back(index + static_cast<size_t>(i) * step);
    }
    indices = std::move(next);
  }
  return indices;
}

Content pick(const Content& from, const std::vector<size_t>& indices) {
  Content result;
  for (const size_t index : indices) {
    if (!from.ints.empty()) result.ints.push_back(from.ints[index]);
    if (!from.floats.empty()) result.floats.push_back(from.floats[index]);
  }
  return result;
}

std::optional<Content> fold_same(NodeInfer& n) { return *n.content(0); }

}  // namespace sluice::graph
