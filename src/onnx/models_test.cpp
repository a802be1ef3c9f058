// The graphs that exporters write (tests/models), from file to known sequence lengths.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "graph/infer.h"
#include "onnx/import.h"

namespace sluice::onnx {
namespace {

using graph::Graph;

// Batch 1, `tokens` new ones behind a past of unknown length: how a decoder is compiled.
graph::InferOptions decoder_options(Graph& g, int64_t tokens, int64_t head_size) {
  const graph::Symbol past = g.symbol("past");
  graph::InferOptions options;
  for (const graph::ValueId id : g.inputs) {
    const graph::Value& value = g.values[id];
    graph::Shape shape = *value.shape;
    shape[0] = {1, 0};
    if (value.name == "input_ids") shape[1] = {tokens, 0};
    if (value.name == "attention_mask") shape[1] = {tokens, past};
    if (value.name == "attention_mask") options.ones.push_back(value.name);
    if (shape.size() == 4) shape = {{1, 0}, shape[1], {0, past}, {head_size, 0}};
    options.inputs.push_back({value.name, shape});
  }
  return options;
}

std::string text(const Graph& g, graph::ValueId id) {
  const graph::Value& value = g.values[id];
  return std::string(name(*value.dtype)) + graph::to_string(*value.shape, g);
}

std::string known_text(const Graph& g, graph::ValueId id) {
  const auto& known = g.values[id].known;
  return known ? graph::to_string(graph::Shape(*known), g) : "unknown";
}

class ModelsTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path file() const { return std::filesystem::path("tests/models") / GetParam() / "model.onnx"; }
  void SetUp() override { ASSERT_TRUE(std::filesystem::exists(file())) << file() << ": run from the repository root"; }
};

TEST_P(ModelsTest, SequenceLengthsAreKnown) {
  Graph g = import_model(file());
  ASSERT_TRUE(graph::verify(g).empty());
  for (const int64_t tokens : {int64_t{1}, int64_t{5}}) {
    const std::vector<std::string> obstacles = graph::infer(g, decoder_options(g, tokens, 16));
    ASSERT_TRUE(obstacles.empty()) << obstacles.front();
    int attentions = 0;
    for (const graph::Node& node : g.nodes) {
      if (node.op_type != "GroupQueryAttention") continue;
      ++attentions;
      EXPECT_EQ(known_text(g, node.input(5)), tokens == 1 ? "[past]" : "[past+4]") << node.name;
      EXPECT_EQ(known_text(g, node.input(6)), tokens == 1 ? "[past+1]" : "[past+5]") << node.name;
      EXPECT_EQ(text(g, node.output(1)), tokens == 1 ? "float16[1, 2, past+1, 16]" : "float16[1, 2, past+5, 16]");
    }
    EXPECT_GT(attentions, 0);
    EXPECT_EQ(text(g, g.find("logits")), fmt::format("float16[1, {}, 512]", tokens));
  }
  graph::remove_dead_nodes(g);
  EXPECT_TRUE(graph::verify(g).empty());
  for (const graph::Node& node : g.nodes) {
    EXPECT_TRUE(node.op_type != "Shape" && node.op_type != "Constant" && node.op_type != "Sub")
        << node.name << " is left";
  }
}

TEST_P(ModelsTest, DeclaredShapesAloneHaveNoObstacles) {
  Graph g = import_model(file(), {.map_external_data = false});
  const std::vector<std::string> obstacles = graph::infer(g, {});
  EXPECT_TRUE(obstacles.empty()) << obstacles.front();
  EXPECT_EQ(text(g, g.find("logits")), "float16[batch_size, sequence_length, 512]");
}

INSTANTIATE_TEST_SUITE_P(Exported, ModelsTest, ::testing::Values("gptoss-webgpu", "lfm2moe-webgpu", "qwen3-webgpu"));

TEST(ModelFoldersTest, EveryModelImports) {
  int models = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/models")) {
    const std::filesystem::path file = entry.path() / "model.onnx";
    if (!std::filesystem::exists(file)) continue;
    ++models;
    try {
      Graph g = import_model(file);
      const std::vector<std::string> obstacles = graph::infer(g, {});
      EXPECT_TRUE(obstacles.empty()) << file << ": " << obstacles.front();
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
  EXPECT_GE(models, 3);
}

}  // namespace
}  // namespace sluice::onnx
