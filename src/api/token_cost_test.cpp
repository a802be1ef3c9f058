// What a token costs, against counts by the exporters' names of nodes and weights.
#include "api/token_cost.h"

#include <gtest/gtest.h>

#include "decode/token_reads.h"
#include "graph/infer.h"
#include "onnx/import.h"

namespace sluice {
namespace {

decode::ModelGraph load(const std::string& folder) {
  const decode::ModelFiles files = decode::find_model_files(folder, "");
  return {onnx::import_model(files.onnx), files};
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Bytes of the file's tensors, with the given divisor of each that a token does not read whole.
uint64_t sum_by_name(const graph::Graph& g, uint64_t experts, uint64_t chosen) {
  uint64_t total = 0;
  for (const graph::Value& value : g.values) {
    if (!value.constant || value.constant->bytes.size() < 64) continue;  // scalars of the shape arithmetic
    const uint64_t bytes = value.constant->bytes.size(), rows = static_cast<uint64_t>(value.constant->shape[0]);
    const bool is_table = contains(value.name, "embed_tokens") || contains(value.name, "_cache");
    total += is_table ? bytes / rows : contains(value.name, "experts.") ? bytes / experts * chosen : bytes;
  }
  return total;
}

gpu::Caps with_f16() {
  gpu::Caps caps;
  caps.f16 = true;
  return caps;
}

TEST(TokenReads, WeightsOfGptOss) {
  const decode::ModelGraph model = load("tests/models/gptoss-webgpu");
  uint64_t experts = 0, chosen = 0;
  for (const graph::Node& node : model.graph().nodes) {
    if (node.op_type != "QMoE") continue;
    experts = static_cast<uint64_t>(model.graph().values[node.input(2)].constant->shape[0]);
    chosen = static_cast<uint64_t>(node.i("k", 0));
  }
  ASSERT_GT(experts, chosen);
  const double expected = static_cast<double>(sum_by_name(model.graph(), experts, chosen));
  EXPECT_NEAR(static_cast<double>(decode::token_reads(model, 0, with_f16()).weights), expected, 0.01 * expected);
}

// The same matrix is the embedding, of which one row is read, and the output projection, which is read whole.
TEST(TokenReads, TiedEmbeddingCountsOnce) {
  const decode::ModelGraph model = load("models/demo");
  uint64_t bytes = 0;
  for (const graph::Value& value : model.graph().values) bytes += value.constant ? value.constant->bytes.size() : 0;
  const uint64_t reads = decode::token_reads(model, 0, with_f16()).weights;
  EXPECT_LT(reads, bytes);
  EXPECT_GT(reads, bytes / 8);
}

TEST(TokenReads, CacheGrowsUpToTheWindow) {
  const decode::ModelGraph model = load("tests/models/gptoss-webgpu");
  uint64_t rows = 0, windowed = 0, window = 0;  // bytes that a past token adds
  const graph::Graph g = model.inferred(1);
  for (const graph::Node& node : g.nodes) {
    if (node.op_type != "GroupQueryAttention") continue;
    const graph::Shape& cache = *g.values[node.input(3)].shape;
    const auto bytes = static_cast<uint64_t>(2 * 2 * cache[1].value * cache[3].value);
    rows += bytes;
    if (node.i("local_window_size", -1) < 0) continue;
    window = static_cast<uint64_t>(node.i("local_window_size", -1));
    windowed += bytes;
  }
  ASSERT_GT(windowed, 0u);
  const auto state = [&](uint64_t past) { return decode::token_reads(model, past, with_f16()).state; };
  EXPECT_EQ(state(0), 0u);
  EXPECT_EQ(state(window), window * rows);
  EXPECT_EQ(state(window + 100), window * rows + 100 * (rows - windowed));
}

TEST(TokenReads, WithoutFloat16TensorsAreWider) {
  const decode::ModelGraph model = load("tests/models/gptoss-webgpu");
  EXPECT_EQ(decode::token_reads(model, 50, gpu::Caps{}).state, 2 * decode::token_reads(model, 50, with_f16()).state);
}

TEST(TokenCost, CountsTheDemo) {
  const TextModel model = TextModel::load("models/demo");
  const TokenCost cost = model.token_cost(100);
  EXPECT_EQ(cost.layers, load("models/demo").layers());
  EXPECT_GT(cost.layers, 1u);
  EXPECT_GT(cost.layer_dispatches, 2 * cost.layers);
  EXPECT_GT(cost.dispatches, cost.layer_dispatches);
  EXPECT_LE(cost.weight_bytes, model.weight_bytes());
  EXPECT_GT(cost.state_bytes, model.token_cost(50).state_bytes);
}

}  // namespace
}  // namespace sluice
