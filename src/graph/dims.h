// Arithmetic on symbolic dimensions. Sums stay `value + symbol`; a product or quotient that is not linear becomes a new
// symbol named after the expression, so that the same expression is the same symbol wherever it appears.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "graph/graph.h"

namespace sluice::graph {

inline constexpr int64_t kMaxElements = int64_t{1} << 40;  // of one tensor; also bounds a dimension
inline constexpr size_t kMaxRank = 16;

// Two's complement wrap-around, as ONNX integers have it.
inline int64_t wrap_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t wrap_sub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
inline int64_t wrap_mul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

// Products of sizes (not negative) that stop at the largest int64 instead of wrapping.
int64_t saturating_mul(int64_t a, int64_t b);

std::optional<Dim> add(const Dim& a, const Dim& b);       // nothing if both have symbols
std::optional<Dim> subtract(const Dim& a, const Dim& b);  // nothing if a symbol would be negative

// True if no value of the symbols (sizes, so not negative) makes them equal.
bool surely_differ(const Dim& a, const Dim& b);

// Elements of a shape whose dimensions are all constant.
std::optional<int64_t> constant_elements(const Shape& shape);

// The sum, as a new symbol if it is not linear.
Dim sum(const Dim& a, const Dim& b, Graph& graph);
// The product of all dimensions.
Dim product(std::span<const Dim> dims, Graph& graph);
// The product of `dims` divided by that of `divisors`, equal dimensions cancelled. Nothing if it surely has a
// remainder.
std::optional<Dim> quotient(std::span<const Dim> dims, std::span<const Dim> divisors, Graph& graph);

// What numpy's broadcasting makes of two shapes; a symbol against a constant above 1 is taken to be that constant.
// Nothing if the shapes surely do not fit.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);

}  // namespace sluice::graph
