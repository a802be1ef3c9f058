#include "api/token_cost.h"

#include <algorithm>
#include <charconv>

#include "decode/token_reads.h"

namespace sluice::api {

namespace {

// Exporters name a layer's nodes "/model/layers.7/..."; the final norm is often called layer N of N.
bool is_of_layer(const std::string& node, uint32_t layers) {
  constexpr std::string_view kMark = "layers.";
  const size_t at = node.find(kMark);
  if (at == std::string::npos) return false;
  uint32_t layer = 0;
  const auto [end, error] = std::from_chars(node.data() + at + kMark.size(), node.data() + node.size(), layer);
  return error == std::errc() && layer < layers;
}

}  // namespace

TokenCost token_cost(decode::Engine& engine, uint32_t depth, const gpu::Caps& caps) {
  const std::vector<std::string>& nodes = engine.decode_program().nodes();
  const decode::TokenReads reads = decode::token_reads(engine.model(), depth, caps);
  TokenCost cost;
  cost.layers = engine.model().layers();
  cost.dispatches = static_cast<uint32_t>(nodes.size());
  cost.layer_dispatches = static_cast<uint32_t>(std::count_if(
      nodes.begin(), nodes.end(), [&](const std::string& node) { return is_of_layer(node, cost.layers); }));
  cost.weight_bytes = reads.weights;
  cost.state_bytes = reads.state;
  return cost;
}

}  // namespace sluice::api
