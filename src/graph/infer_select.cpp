// Operators that take parts of tensors, join them, or write into them.
#include <algorithm>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

// One axis of a Slice: elements start, start + step, ...
struct Cut {
  Dim start;
  Dim length;
  int64_t step = 1;
};

// Index `at` of an axis of `size` elements, where negative ones count from the end. Symbolic indices are taken to be in
// range: whether a position lies inside a cache is not known before the model runs.
Dim from_end(const Dim& at, const Dim& size) {
  if (!at.is_constant() || at.value >= 0) return at;
  return {wrap_add(at.value, size.value), size.symbol};
}

Cut forward_cut(NodeInfer& n, Dim start, Dim end, const Dim& size) {
  start = from_end(start, size);
  end = from_end(end, size);
  if (start.is_constant()) start.value = std::max<int64_t>(start.value, 0);
  if (size.is_constant() && start.is_constant()) start.value = std::min(start.value, size.value);
  if (end.is_constant() && end.value >= (size.is_constant() ? size.value : kMaxElements)) end = size;
  if (end.is_constant()) end.value = std::max<int64_t>(end.value, 0);
  if (end.is_constant() && !size.is_constant() && end.value > size.value) {
    n.refuse("whether index {} lies in an axis of {} is not known at compile time", end.value, n.text(size));
  }
  std::optional<Dim> length = subtract(end, start);
  if (!length) n.refuse("the length from {} to {} is not known at compile time", n.text(start), n.text(end));
  if (length->is_constant()) length->value = std::max<int64_t>(length->value, 0);
  return {start, *length, 1};
}

Cut strided_cut(NodeInfer& n, Dim start, Dim end, int64_t step, const Dim& size) {
  if (!start.is_constant() || !end.is_constant() || !size.is_constant()) {
    n.refuse("a step of {} over an axis of {} needs constant indices", step, n.text(size));
  }
  // Going backwards, -1 is the end before the first element.
  const int64_t low = step > 0 ? 0 : -1;
  const int64_t high = step > 0 ? size.value : size.value - 1;
  start.value = std::clamp<int64_t>(from_end(start, size).value, 0, std::max<int64_t>(high, 0));
  end.value = std::clamp(from_end(end, size).value, low, std::max(low, high));
  const int64_t span = step > 0 ? end.value - start.value : start.value - end.value;
  if (span <= 0 || size.value == 0) return {start, {0, 0}, step};
  // As unsigned, the smallest int64 has a magnitude too.
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  return {start, {static_cast<int64_t>((static_cast<uint64_t>(span) - 1) / stride + 1), 0}, step};
}

// Starts or ends: input `i`, or the attribute of opsets below 10.
std::vector<Dim> slice_indices(NodeInfer& n, std::string_view name, size_t i) {
  if (n.opset() < 10) {
    std::vector<Dim> dims;
    for (const int64_t value : n.node().ints(name)) dims.push_back({value, 0});
    return dims;
  }
  const Content* content = n.content(i);
  if (content == nullptr || is_float(n.dtype(i))) n.refuse("{} must be known at compile time", name);
  return content->ints;
}

std::vector<Cut> slice_cuts(NodeInfer& n) {
  const Shape& from = n.shape(0);
  std::vector<Cut> cuts;
  for (const Dim& size : from) cuts.push_back({{0, 0}, size, 1});
  const std::vector<Dim> starts = slice_indices(n, "starts", 1);
  const std::vector<Dim> ends = slice_indices(n, "ends", 2);
  std::vector<int64_t> axes = n.ints_of("axes", 3).value_or(std::vector<int64_t>());
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  const std::vector<int64_t> steps = n.has(4) ? n.ints(4, "steps") : std::vector<int64_t>(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    n.refuse("{} starts, {} ends, {} axes and {} steps must be equally many", starts.size(), ends.size(), axes.size(),
             steps.size());
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = n.axis(axes[i], from.size());
    if (steps[i] == 0) n.refuse("a step must not be 0");
    cuts[axis] = steps[i] == 1 ? forward_cut(n, starts[i], ends[i], from[axis])
                               : strided_cut(n, starts[i], ends[i], steps[i], from[axis]);
  }
  return cuts;
}

void infer_slice(NodeInfer& n) {
  if (n.opset() >= 10 && (!n.has(1) || !n.has(2))) n.refuse("starts and ends are missing");
  Shape to;
  for (const Cut& cut : slice_cuts(n)) to.push_back(cut.length);
  n.set(0, n.dtype(0), std::move(to));
  if (n.is_ones(0)) n.set_ones(0);
}

std::optional<Content> fold_slice(NodeInfer& n) {
  const Content& from = *n.content(0);
  const std::vector<int64_t> strides = strides_of(from.shape);
  const std::vector<Cut> cuts = slice_cuts(n);
  std::vector<size_t> indices{0};
  for (size_t axis = 0; axis < cuts.size(); ++axis) {
    const Cut& cut = cuts[axis];
    if (!cut.start.is_constant()) return std::nullopt;
    std::vector<size_t> next;
    for (const size_t index : indices) {
      for (int64_t i = 0; i < cut.length.value; ++i) {
        next.push_back(index + static_cast<size_t>((cut.start.value + i * cut.step) * strides[axis]));
      }
    }
    indices = std::move(next);
  }
  return pick(from, indices);
}

std::vector<Dim> split_sizes(NodeInfer& n, const Dim& size) {
  const size_t parts = n.outputs();
  if (n.has(1)) {
    const Content* content = n.content(1);
    if (content == nullptr || is_float(n.dtype(1))) n.refuse("the sizes must be known at compile time");
    return content->ints;
  }
  std::vector<Dim> sizes;
  for (const int64_t value : n.node().ints("split")) sizes.push_back({value, 0});
  if (!sizes.empty()) return sizes;
  if (parts == 1) return {size};
  const int64_t count = n.node().i("num_outputs", static_cast<int64_t>(parts));
  if (count != static_cast<int64_t>(parts)) n.refuse("num_outputs is {}, but it has {} outputs", count, parts);
  if (!size.is_constant()) n.refuse("an axis of {} cannot be split into {} equal parts", n.text(size), parts);
  const int64_t chunk = (size.value + count - 1) / count;
  // From opset 18 on the last part may be smaller.
  const int64_t last = size.value - chunk * (count - 1);
  if (last < 0 || (last != chunk && n.opset() < 18))
    n.refuse("an axis of {} cannot be split into {} equal parts", size.value, count);
  sizes.assign(parts, {chunk, 0});
  sizes.back().value = last;
  return sizes;
}

void infer_split(NodeInfer& n) {
  if (n.outputs() == 0) n.refuse("it has no outputs");
  const Shape& from = n.shape(0);
  const size_t axis = n.axis(n.node().i("axis", 0), from.size());
  const std::vector<Dim> sizes = split_sizes(n, from[axis]);
  if (sizes.size() != n.outputs()) n.refuse("{} sizes are given for {} outputs", sizes.size(), n.outputs());
  int64_t total = 0;
  for (const Dim& size : sizes) {
    if (size.is_constant() && size.value < 0) n.refuse("a size is {}", size.value);
    total = wrap_add(total, size.value);
  }
  const std::optional<int64_t> known_total = constant_elements(sizes);
  if (known_total && surely_differ({total, 0}, from[axis])) {
    n.refuse("the sizes add up to {}, axis {} of {} does not", total, axis, n.text(from));
  }
  const Content* content = from.size() == 1 && known_total ? n.content(0) : nullptr;
  size_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    Shape to = from;
    to[axis] = sizes[i];
    n.set(i, n.dtype(0), std::move(to));
    if (content == nullptr) continue;
    std::vector<size_t> indices;
    for (int64_t j = 0; j < sizes[i].value; ++j) indices.push_back(begin++);
    Content part = pick(*content, indices);
    part.shape = {sizes[i].value};
    n.set_content(i, std::move(part));
  }
}

void infer_concat(NodeInfer& n) {
  for (size_t i = 0; i < n.inputs(); ++i) {
    if (!n.has(i)) n.refuse("input {} is missing", i);
  }
  if (n.node().find("axis") == nullptr) n.refuse("attribute axis is missing");
  const size_t axis = n.axis(n.node().i("axis", 0), n.rank(0));
  Shape to = n.shape(0);
  for (size_t i = 1; i < n.inputs(); ++i) {
    n.expect_same_dtype(0, i, "inputs");
    const Shape& other = n.shape(i);
    if (other.size() != to.size()) n.refuse("cannot join {} and {}", n.text(to), n.text(other));
    for (size_t j = 0; j < to.size(); ++j) {
      if (j == axis) {
        to[j] = sum(to[j], other[j], n.graph());
      } else if (surely_differ(to[j], other[j])) {
        n.refuse("cannot join {} and {} along axis {}", n.text(n.shape(0)), n.text(other), axis);
      } else if (other[j].is_constant()) {
        to[j] = other[j];
      }
    }
  }
  n.set(0, n.dtype(0), std::move(to));
}

std::optional<Content> fold_concat(NodeInfer& n) {
  const size_t axis = n.axis(n.node().i("axis", 0), n.rank(0));
  int64_t outer = 1;
  for (size_t i = 0; i < axis; ++i) outer *= n.content(0)->shape[i];
  Content result;
  for (int64_t row = 0; row < outer; ++row) {
    for (size_t i = 0; i < n.inputs(); ++i) {
      const Content& from = *n.content(i);
      const size_t run = from.size() / static_cast<size_t>(outer);
      const size_t begin = static_cast<size_t>(row) * run;
      for (size_t j = begin; j < begin + run; ++j) {
        if (!from.ints.empty()) result.ints.push_back(from.ints[j]);
        if (!from.floats.empty()) result.floats.push_back(from.floats[j]);
      }
    }
  }
  return result;
}

void infer_gather(NodeInfer& n) {
  n.expect_index(1, "indices");
  const Shape& from = n.shape(0);
  const size_t axis = n.axis(n.node().i("axis", 0), from.size());
  Shape to(from.begin(), from.begin() + static_cast<ptrdiff_t>(axis));
  to.insert(to.end(), n.shape(1).begin(), n.shape(1).end());
  to.insert(to.end(), from.begin() + static_cast<ptrdiff_t>(axis) + 1, from.end());
  n.set(0, n.dtype(0), std::move(to));
}

std::optional<Content> fold_gather(NodeInfer& n) {
  const Content& from = *n.content(0);
  const Content& at = *n.content(1);
  if (!at.is_constant()) return std::nullopt;
  const size_t axis = n.axis(n.node().i("axis", 0), n.rank(0));
  const int64_t size = from.shape[axis];
  int64_t outer = 1;
  for (size_t i = 0; i < axis; ++i) outer *= from.shape[i];
  const int64_t inner = strides_of(from.shape)[axis];
  std::vector<size_t> indices;
  for (int64_t row = 0; row < outer; ++row) {
    for (const Dim& dim : at.ints) {
      if (dim.value < -size || dim.value >= size)
        n.refuse("index {} is out of range for an axis of {}", dim.value, size);
      const int64_t index = dim.value < 0 ? dim.value + size : dim.value;
      for (int64_t i = 0; i < inner; ++i) indices.push_back(static_cast<size_t>((row * size + index) * inner + i));
    }
  }
  return pick(from, indices);
}

void infer_gather_elements(NodeInfer& n) {
  n.expect_index(1, "indices");
  n.expect_rank(1, "indices", n.rank(0));
  n.axis(n.node().i("axis", 0), n.rank(0));
  n.set(0, n.dtype(0), n.shape(1));
}

void infer_gather_nd(NodeInfer& n) {
  n.expect_dtype(1, "indices", {DType::kInt64});
  const Shape& from = n.shape(0);
  const Shape& at = n.shape(1);
  if (at.empty() || from.empty()) n.refuse("data and indices must not be scalars");
  const int64_t batch = n.attribute("batch_dims", 0, static_cast<int64_t>(std::min(from.size(), at.size())) - 1, 0);
  const int64_t rank = static_cast<int64_t>(from.size());
  const Dim& depth = at.back();
  if (!depth.is_constant() || depth.value < 1 || depth.value > rank - batch) {
    n.refuse("the last dimension of indices must be 1 to {}, got {}", rank - batch, n.text(depth));
  }
  Shape to(at.begin(), at.end() - 1);
  to.insert(to.end(), from.begin() + batch + depth.value, from.end());
  n.set(0, n.dtype(0), std::move(to));
}

void infer_scatter_elements(NodeInfer& n) {
  n.expect_index(1, "indices");
  n.expect_same_dtype(0, 2, "data and updates");
  n.expect_rank(1, "indices", n.rank(0));
  n.expect_shape(2, "updates", n.shape(1));
  n.axis(n.node().i("axis", 0), n.rank(0));
  n.set(0, n.dtype(0), n.shape(0));
}

void infer_scatter_nd(NodeInfer& n) {
  n.expect_dtype(1, "indices", {DType::kInt64});
  n.expect_same_dtype(0, 2, "data and updates");
  const Shape& from = n.shape(0);
  const Shape& at = n.shape(1);
  if (at.empty() || from.empty()) n.refuse("data and indices must not be scalars");
  const Dim& depth = at.back();
  if (!depth.is_constant() || depth.value < 1 || depth.value > static_cast<int64_t>(from.size())) {
    n.refuse("the last dimension of indices must be 1 to {}, got {}", from.size(), n.text(depth));
  }
  Shape updates(at.begin(), at.end() - 1);
  updates.insert(updates.end(), from.begin() + depth.value, from.end());
  n.expect_shape(2, "updates", updates);
  n.set(0, n.dtype(0), from);
}

void infer_tensor_scatter(NodeInfer& n) {
  n.expect_same_dtype(0, 1, "past_cache and update");
  n.expect_rank(1, "update", n.rank(0));
  n.expect_dtype(2, "write_indices", {DType::kInt64});
  n.axis(n.node().i("axis", -2), n.rank(0));
  n.set(0, n.dtype(0), n.shape(0));
}

constexpr OpRule kRules[] = {
    {kOnnx, "Slice", 1, infer_slice, fold_slice},          {kOnnx, "Split", 1, infer_split},
    {kOnnx, "Concat", 1, infer_concat, fold_concat},       {kOnnx, "Gather", 2, infer_gather, fold_gather},
    {kOnnx, "GatherElements", 2, infer_gather_elements},   {kOnnx, "GatherND", 2, infer_gather_nd},
    {kOnnx, "ScatterElements", 3, infer_scatter_elements}, {kOnnx, "ScatterND", 3, infer_scatter_nd},
    {kOnnx, "TensorScatter", 2, infer_tensor_scatter},
};

}  // namespace

std::span<const OpRule> select_rules() { return kRules; }

}  // namespace sluice::graph
