// Elements of small tensors known at compile time: what folding works on.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace sluice::graph {

inline constexpr int64_t kMaxFoldElements = 1024;

// Row-major elements: integers and bools in `ints` (perhaps symbolic), floats in `floats`; the other vector stays
// empty.
struct Content {
  std::vector<int64_t> shape;
  std::vector<Dim> ints;
  std::vector<double> floats;

  size_t size() const { return ints.size() + floats.size(); }
  bool is_constant() const;
};

// Nothing if the tensor is too large, its bytes are absent, or its type is not folded (strings, 4-bit and 64-bit
// unsigned numbers).
std::optional<Content> decode(const Constant& constant);

// The tensor of a constant content, rounded to `dtype`. Null for types that are not folded.
std::shared_ptr<const Constant> encode(const Content& content, DType dtype);

// `value` as an integer type of that width stores it.
int64_t wrap_to(int64_t value, DType dtype);
bool is_foldable(DType dtype);

}  // namespace sluice::graph
