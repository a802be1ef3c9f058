#include "graph/graph.h"

#include <algorithm>

#include "base/error.h"

namespace sluice::graph {

int64_t Constant::elements() const {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

Attribute& Attributes::operator[](std::string_view name) {
  for (Entry& entry : entries_) {
    if (entry.name == name) return entry.value;
  }
  entries_.push_back({std::string(name), {}});
  return entries_.back().value;
}

bool Attributes::contains(std::string_view name) const {
  return std::any_of(begin(), end(), [name](const Entry& entry) { return entry.name == name; });
}

const Attribute* Node::find(std::string_view attribute) const {
  for (const Attributes::Entry& entry : attributes) {
    if (entry.name != attribute) continue;
    entry.is_read = true;
    return &entry.value;
  }
  return nullptr;
}

std::vector<std::string> Node::unread_attributes() const {
  std::vector<std::string> unread;
  for (const Attributes::Entry& entry : attributes) {
    if (!entry.is_read) unread.push_back(entry.name);
  }
  return unread;
}

namespace {

template <class T>
const T* find_typed(const Node& node, std::string_view attribute, std::string_view type) {
  const Attribute* found = node.find(attribute);
  if (found == nullptr) return nullptr;
  const T* value = std::get_if<T>(found);
  if (value == nullptr) fail("graph", "{} \"{}\": attribute {} must be {}", node.op_type, node.name, attribute, type);
  return value;
}

}  // namespace

int64_t Node::i(std::string_view attribute, int64_t otherwise) const {
  const int64_t* value = find_typed<int64_t>(*this, attribute, "an integer");
  return value != nullptr ? *value : otherwise;
}

float Node::f(std::string_view attribute, float otherwise) const {
  const float* value = find_typed<float>(*this, attribute, "a float");
  return value != nullptr ? *value : otherwise;
}

std::string Node::s(std::string_view attribute, std::string_view otherwise) const {
  const std::string* value = find_typed<std::string>(*this, attribute, "a string");
  return value != nullptr ? *value : std::string(otherwise);
}

std::vector<int64_t> Node::ints(std::string_view attribute) const {
  const auto* value = find_typed<std::vector<int64_t>>(*this, attribute, "a list of integers");
  return value != nullptr ? *value : std::vector<int64_t>();
}

std::string origin(const Node& node) { return node.op_type + " " + node.name; }

std::vector<std::string> sources_of(const Node& node) {
  return node.sources.empty() ? std::vector{origin(node)} : node.sources;
}

void add_sources(Node& joined, const Node& absorbed) {
  std::vector<std::string>& sources = joined.sources;
  const auto add = [&sources](std::string source) {
    if (std::find(sources.begin(), sources.end(), source) == sources.end()) sources.push_back(std::move(source));
  };
  if (sources.empty()) sources.push_back(origin(joined));
  if (absorbed.sources.empty()) add(origin(absorbed));
  for (const std::string& source : absorbed.sources) add(source);
}

Symbol Graph::symbol(std::string_view symbol_name) {
  for (size_t i = 1; i < symbols.size(); ++i) {
    if (symbols[i] == symbol_name) return static_cast<Symbol>(i);
  }
  symbols.emplace_back(symbol_name);
  return static_cast<Symbol>(symbols.size() - 1);
}

ValueId Graph::add_value(Value value) {
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::find(std::string_view value_name) const {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].name == value_name) return static_cast<ValueId>(i);
  }
  return kNoValue;
}

}  // namespace sluice::graph
