#include "graph/dims.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace sluice::graph {

int64_t saturating_mul(int64_t a, int64_t b) {
  if (a > 0 && b > std::numeric_limits<int64_t>::max() / a) return std::numeric_limits<int64_t>::max();
  return a * b;
}

std::optional<Dim> add(const Dim& a, const Dim& b) {
  if (a.symbol != 0 && b.symbol != 0) return std::nullopt;
  return Dim{wrap_add(a.value, b.value), a.symbol != 0 ? a.symbol : b.symbol};
}

std::optional<Dim> subtract(const Dim& a, const Dim& b) {
  if (b.symbol == 0) return Dim{wrap_sub(a.value, b.value), a.symbol};
  if (a.symbol == b.symbol) return Dim{wrap_sub(a.value, b.value), 0};
  return std::nullopt;
}

bool surely_differ(const Dim& a, const Dim& b) {
  if (a.symbol == b.symbol) return a.value != b.value;
  if (a.symbol == 0) return a.value < b.value;
  if (b.symbol == 0) return b.value < a.value;
  return false;
}

std::optional<int64_t> constant_elements(const Shape& shape) {
  int64_t elements = 1;
  for (const Dim& dim : shape) {
    if (!dim.is_constant()) return std::nullopt;
    elements = saturating_mul(elements, dim.value);
  }
  return elements;
}

namespace {

// A product of sizes: a constant factor and symbolic ones.
struct Factors {
  int64_t constant = 1;
  std::vector<Dim> symbolic;

  explicit Factors(std::span<const Dim> dims) {
    for (const Dim& dim : dims) {
      if (dim.is_constant()) {
        constant = saturating_mul(constant, dim.value);
      } else {
        symbolic.push_back(dim);
      }
    }
  }
};

std::string expression(const Factors& factors, const Graph& graph) {
  std::vector<std::string> names;
  for (const Dim& dim : factors.symbolic) names.push_back(to_string(dim, graph));
  for (std::string& text : names) {
    if (text.find_first_of("+-*/") != std::string::npos) text = "(" + text + ")";
  }
  std::ranges::sort(names);
  if (factors.constant != 1 || names.empty()) names.insert(names.begin(), fmt::format("{}", factors.constant));
  return fmt::format("{}", fmt::join(names, "*"));
}

// The symbol for an expression. A long one goes by its beginning and its hash, or repeated doubling would outgrow
// memory.
Symbol derived_symbol(const std::string& text, Graph& graph) {
  constexpr size_t kMaxLength = 200;
  if (text.size() <= kMaxLength) return graph.symbol(text);
  return graph.symbol(fmt::format("{}...#{:x}", text.substr(0, kMaxLength / 2), std::hash<std::string>()(text)));
}

Dim as_dim(const Factors& factors, Graph& graph) {
  if (factors.symbolic.empty() || factors.constant == 0) return {factors.constant, 0};
  if (factors.symbolic.size() == 1 && factors.constant == 1) return factors.symbolic.front();
  return {0, derived_symbol(expression(factors, graph), graph)};
}

}  // namespace

Dim sum(const Dim& a, const Dim& b, Graph& graph) {
  if (const std::optional<Dim> linear = add(a, b)) return *linear;
  std::string names[] = {graph.symbols[a.symbol], graph.symbols[b.symbol]};
  std::ranges::sort(names);
  return {wrap_add(a.value, b.value), derived_symbol(names[0] + "+" + names[1], graph)};
}

Dim product(std::span<const Dim> dims, Graph& graph) { return as_dim(Factors(dims), graph); }

std::optional<Dim> quotient(std::span<const Dim> dims, std::span<const Dim> divisors, Graph& graph) {
  Factors above(dims);
  Factors below(divisors);
  std::erase_if(above.symbolic, [&](const Dim& dim) {
    const auto same = std::ranges::find(below.symbolic, dim);
    if (same == below.symbolic.end()) return false;
    below.symbolic.erase(same);
    return true;
  });
  if (below.constant == 0) return std::nullopt;
  if (below.symbolic.empty() && above.constant % below.constant == 0) {
    above.constant /= below.constant;
    return as_dim(above, graph);
  }
  if (above.symbolic.empty() && below.symbolic.empty()) return std::nullopt;
  return Dim{0, derived_symbol(expression(above, graph) + "/(" + expression(below, graph) + ")", graph)};
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  const size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    const Dim& other = shorter[i];
    Dim& dim = result[offset + i];
    const Dim one{1, 0};
    if (dim == other || other == one) continue;
    if (dim == one) {
      dim = other;
    } else if (surely_differ(dim, other)) {
      return std::nullopt;
    } else if (other.is_constant()) {
      dim = other;
    }
  }
  return result;
}

}  // namespace sluice::graph
