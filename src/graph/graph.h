// The intermediate representation: a flat, topologically ordered graph of ONNX operators over named values. It knows no
// file format and no GPU. Dimensions may be symbolic: a constant plus at most one symbol, which is what
// Shape/Gather/Sub chains over the sequence length come to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"

namespace sluice::graph {

using Symbol = uint32_t;  // index into Graph::symbols; 0 is "no symbol"

// value, or value + symbol.
struct Dim {
  int64_t value = 0;
  Symbol symbol = 0;
  bool is_constant() const { return symbol == 0; }
  bool operator==(const Dim&) const = default;
};
using Shape = std::vector<Dim>;

// Tensor data of an initializer or a Constant node: a view into a mapped file or into bytes that `owner` keeps alive.
struct Constant {
  DType dtype = DType::kFloat;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // little-endian, row-major, as in ONNX raw_data
  std::shared_ptr<const void> owner;
  int64_t elements() const;
};

using ValueId = uint32_t;
inline constexpr ValueId kNoValue = ~0u;

struct Value {
  std::string name;
  std::optional<DType> dtype;     // known for inputs and initializers; inferred for the rest
  std::optional<Shape> shape;     // likewise. A declared input dimension `name` is its symbol
  std::optional<Shape> declared;  // a graph input's shape before infer() put the shape to compile for in its place
  std::shared_ptr<const Constant> constant;  // set for initializers and folded values
  // Elements of a small integer tensor (rank 0 or 1) known at compile time though perhaps symbolic: shape arithmetic.
  std::optional<std::vector<Dim>> known;
};

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                               std::vector<std::string>, Constant>;

// A node's attributes. They are few, and every plan copies them: a list serves better than a map.
class Attributes {
 public:
  struct Entry {
    std::string name;
    Attribute value;
    mutable bool is_read = false;  // something has asked for it
  };

  Attributes() = default;
  Attributes(std::initializer_list<Entry> entries) : entries_(entries) {}
  Attribute& operator[](std::string_view name);  // finds or adds
  bool contains(std::string_view name) const;
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::vector<Entry> entries_;
};

struct Node {
  std::string name;    // as in the file; a made-up unique one ("Add_17") if the file has none
  std::string domain;  // "" for ai.onnx
  std::string op_type;
  int64_t opset = 0;            // version of its domain that the model imports
  std::vector<ValueId> inputs;  // kNoValue where an optional input is absent (also trailing ones may simply be missing)
  std::vector<ValueId> outputs;  // kNoValue where an optional output is not wanted
  Attributes attributes;
  // The nodes of the file whose work this one does, as origin() names them: empty unless a pass joined several.
  std::vector<std::string> sources;

  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
  ValueId output(size_t i) const { return i < outputs.size() ? outputs[i] : kNoValue; }
  bool has(size_t i) const { return input(i) != kNoValue; }
  // Attribute by name, or the default. Throws Error with the node's name if it has another type.
  int64_t i(std::string_view name, int64_t otherwise) const;
  float f(std::string_view name, float otherwise) const;
  std::string s(std::string_view name, std::string_view otherwise) const;
  std::vector<int64_t> ints(std::string_view name) const;  // empty if absent
  const Attribute* find(std::string_view name) const;
  // Attributes that nothing has asked for since the file was read: they may change the operator's meaning.
  std::vector<std::string> unread_attributes() const;
};

struct Graph {
  std::string name;
  std::vector<std::string> symbols = {""};  // names; [0] is "none"
  std::vector<Value> values;
  std::vector<Node> nodes;      // topologically ordered
  std::vector<ValueId> inputs;  // without initializers
  std::vector<ValueId> outputs;
  std::map<std::string, int64_t> opsets;  // domain -> version

  Symbol symbol(std::string_view name);  // finds or adds
  ValueId add_value(Value value);
  ValueId find(std::string_view value_name) const;  // kNoValue if there is none
};

// "QMoE /model/layers.0/moe/QMoE": how messages and profiles name a node.
std::string origin(const Node& node);
// The nodes of the file that a node does the work of: its sources, or itself.
std::vector<std::string> sources_of(const Node& node);
// For passes: `joined` takes over the work of `absorbed`.
void add_sources(Node& joined, const Node& absorbed);

// Every broken rule of a well-formed graph, one line each (empty: none): ids in range, single producer, order, no
// cycles, outputs produced, constants' byte counts agree with dtype and shape. Run after import and after every pass.
std::vector<std::string> verify(const Graph& graph);

// One line a node: `%out:dtype[shape] = Op(%in, ...) {attr=...}  # name`.
std::string dump(const Graph& graph);
std::string to_string(const Dim& dim, const Graph& graph);
std::string to_string(const Shape& shape, const Graph& graph);

}  // namespace sluice::graph
