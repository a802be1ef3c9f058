#include "decode/token_reads.h"

#include <algorithm>
#include <map>

#include "kernels/common/plan.h"

namespace sluice::decode {

namespace {

using graph::Constant;
using graph::Node;

uint64_t device_bytes(DType type, uint64_t elements, const gpu::Caps& caps) {
  if (bits(type) < 8) return (elements * bits(type) + 7) / 8;
  return kernels::storage_bytes(kernels::storage_of(type, caps), elements);
}

bool is_in(size_t i, std::initializer_list<size_t> list) {
  return std::find(list.begin(), list.end(), i) != list.end();
}

// One of how many equal parts a token reads of a node's i-th input along the given axis, if not all of it.
struct Part {
  uint64_t read = 1, of = 1;
};

Part part_of(const Node& node, size_t i, const Constant& c) {
  const auto one_of = [&](int64_t axis) {
    const auto rank = static_cast<int64_t>(c.shape.size());
    const int64_t at = axis < 0 ? axis + rank : axis;
    return at >= 0 && at < rank ? Part{1, static_cast<uint64_t>(c.shape[static_cast<size_t>(at)])} : Part{};
  };
  const std::string& op = node.op_type;
  if (op == "Gather" && i == 0) return one_of(node.i("axis", 0));
  if (op == "GatherBlockQuantized" && i != 1) return one_of(node.i("gather_axis", 0));
  if (op == "GroupQueryAttention" && is_in(i, {7, 8})) return one_of(0);
  if (op == "RotaryEmbedding" && i != 0) return one_of(0);
  if ((op == "QMoE" || op == "MoE") && i >= 2) {
    const uint64_t experts = one_of(0).of;
    return {std::min<uint64_t>(static_cast<uint64_t>(node.i("k", 1)), experts), experts};
  }
  return {};
}

uint64_t weight_bytes(const graph::Graph& g, const gpu::Caps& caps) {
  std::map<const std::byte*, uint64_t> read;  // by address: a constant that several nodes read counts with the most
  for (const Node& node : g.nodes) {
    if (node.output(0) != graph::kNoValue && g.values[node.output(0)].constant) continue;  // folded
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.has(i) || !g.values[node.input(i)].constant) continue;
      const Constant& c = *g.values[node.input(i)].constant;
      const Part part = part_of(node, i, c);
      uint64_t& bytes = read[c.bytes.data()];
      bytes = std::max(bytes, device_bytes(c.dtype, static_cast<uint64_t>(c.elements()), caps) * part.read /
                                  std::max<uint64_t>(part.of, 1));
    }
  }
  uint64_t total = 0;
  for (const auto& [address, bytes] : read) total += bytes;
  return total;
}

// Past tokens that a layer with this cache looks at.
uint64_t visible(const graph::Graph& g, graph::ValueId cache, uint64_t past) {
  for (const Node& node : g.nodes) {
    const int64_t window = node.op_type == "GroupQueryAttention" ? node.i("local_window_size", -1) : -1;
    if (window > 0 && (node.input(3) == cache || node.input(4) == cache))
      return std::min(past, static_cast<uint64_t>(window));
  }
  return past;
}

uint64_t state_bytes(const graph::Graph& g, const StateInput& state, uint64_t past, const gpu::Caps& caps) {
  const graph::ValueId id = g.find(state.past);
  const graph::Value& value = g.values[id];
  if (!value.shape || !value.dtype) return 0;
  uint64_t elements = 1;
  for (const graph::Dim& dim : *value.shape)
    elements *= dim.is_constant() ? static_cast<uint64_t>(dim.value) : visible(g, id, past);
  return device_bytes(*value.dtype, elements, caps);
}

}  // namespace

TokenReads token_reads(const ModelGraph& model, uint64_t past, const gpu::Caps& caps) {
  const graph::Graph g = model.inferred(1);
  TokenReads reads{.weights = weight_bytes(g, caps), .state = 0};
  for (const StateInput& state : model.states()) reads.state += state_bytes(g, state, past, caps);
  return reads;
}

}  // namespace sluice::decode
