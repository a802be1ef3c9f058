// Damaged files: whatever the damage, the import ends in an Error or in a well-formed graph that inference can walk.
// Meant to be run in the sanitizer build too.
#include <random>

#include "graph/infer.h"
#include "onnx/testing.h"

namespace sluice::onnx {
namespace {

using ::onnx::ModelProto;
using ::onnx::TensorProto;

// Operators whose rules read much from attributes and constants.
ModelProto rich_model() {
  ModelProto model = small_model();
  const auto list = [&model](const std::string& name, const std::vector<int64_t>& values) {
    TensorProto* tensor = model.mutable_graph()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(TensorProto::INT64);
    tensor->add_dims(static_cast<int64_t>(values.size()));
    for (const int64_t value : values) tensor->add_int64_data(value);
  };
  list("target", {-1, 2, 2});
  list("one", {1});
  list("two", {2, 2});
  add_node(model, "Reshape", {"y", "target"}, {"cube"});
  add_node(model, "Shape", {"cube"}, {"sizes"});
  add_node(model, "Slice", {"sizes", "one", "two", "one"}, {"bad"});
  add_node(model, "Split", {"cube", "one"}, {"part"});
  add_node(model, "Gather", {"sizes", "one"}, {"size"});
  add_node(model, "Range", {"one", "size", "one"}, {"range"});
  auto* axis = add_node(model, "Concat", {"size", "one"}, {"both"})->add_attribute();
  axis->set_name("axis");
  axis->set_type(::onnx::AttributeProto::INT);
  add_node(model, "Expand", {"one", "both"}, {"wide"});
  add_node(model, "Unsqueeze", {"wide", "one"}, {"deep"});
  add_node(model, "Tile", {"deep", "target"}, {"tiled"});
  add_node(model, "ReduceSum", {"tiled", "one"}, {"total"});
  add_node(model, "TopK", {"total", "one"}, {"top", "index"});
  add_node(model, "Conv", {"cube", "cube"}, {"conv"});
  add_ints(*add_node(model, "Pad", {"cube", "target"}, {"padded"}), "pads", {1, 2, 3, 4, 5, 6});
  return model;
}

std::string describe(const std::vector<std::string>& lines) { return lines.empty() ? "" : lines.front(); }

class ImportMutationTest : public ImportTest {
 protected:
  // Error or a well-formed graph.
  void try_bytes(const std::string& file) {
    try {
      graph::Graph g = import_bytes(std::as_bytes(std::span(file)), folder_);
      ASSERT_EQ(describe(graph::verify(g)), "");
      ++accepted_;
      graph::infer(g, {});
      ASSERT_EQ(describe(graph::verify(g)), "");
      graph::remove_dead_nodes(g);
      ASSERT_EQ(describe(graph::verify(g)), "");
      graph::dump(g);
    } catch (const Error&) {
      ++refused_;
    }
  }

  int accepted_ = 0;
  int refused_ = 0;
};

TEST_F(ImportMutationTest, TruncatedAtEveryLength) {
  const std::string file = rich_model().SerializeAsString();
  for (size_t length = 0; length < file.size(); ++length) {
    try_bytes(file.substr(0, length));
    if (HasFatalFailure()) FAIL() << "cut to " << length << " of " << file.size() << " bytes";
  }
  EXPECT_GT(refused_, 0);
}

TEST_F(ImportMutationTest, FlippedBytes) {
  const std::string file = rich_model().SerializeAsString();
  for (uint32_t seed = 0; seed < 20000; ++seed) {
    std::mt19937 random(seed);
    std::string damaged = file;
    const uint32_t flips = 1 + random() % 4;
    for (uint32_t i = 0; i < flips; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    try_bytes(damaged);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(refused_, 1000);
  EXPECT_GT(accepted_, 1000) << "most damage is caught early: the later stages must be reached too";
}

TEST_F(ImportMutationTest, MovedAndRepeatedPieces) {
  const std::string file = rich_model().SerializeAsString();
  for (uint32_t seed = 0; seed < 5000; ++seed) {
    std::mt19937 random(seed);
    std::string damaged = file;
    const size_t from = random() % file.size();
    const size_t length = 1 + random() % 64;
    damaged.insert(random() % file.size(), file.substr(from, length));
    if (random() % 2 == 0) damaged.erase(random() % damaged.size(), 1 + random() % 64);
    try_bytes(damaged);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

// Values that a fuzzer seldom finds: extremes in every integer of the model.
TEST_F(ImportMutationTest, ExtremeNumbers) {
  const int64_t extremes[] = {INT64_MIN,  INT64_MIN + 1, -4294967297,      -1,       0, 1,
                              2147483648, 4294967295,    int64_t{1} << 40, INT64_MAX};
  const ModelProto model = rich_model();
  for (const int64_t extreme : extremes) {
    for (int i = 2; i < model.graph().initializer_size(); ++i) {
      for (int j = 0; j < model.graph().initializer(i).int64_data_size(); ++j) {
        ModelProto changed = model;
        changed.mutable_graph()->mutable_initializer(i)->set_int64_data(j, extreme);
        try_bytes(changed.SerializeAsString());
      }
    }
    for (int i = 0; i < model.graph().node_size(); ++i) {
      for (const char* name :
           {"axis", "strides", "pads", "group", "k", "perm", "allowzero", "keepdims", "dilations", "start"}) {
        ModelProto changed = model;
        auto* attribute = changed.mutable_graph()->mutable_node(i)->add_attribute();
        attribute->set_name(name);
        const bool is_list = std::string_view(name).ends_with("s") || std::string_view(name) == "perm";
        attribute->set_type(is_list ? ::onnx::AttributeProto::INTS : ::onnx::AttributeProto::INT);
        attribute->set_i(extreme);
        attribute->add_ints(extreme);
        try_bytes(changed.SerializeAsString());
      }
    }
  }
  EXPECT_GT(accepted_, 100);
}

// The same for the attributes and declared dimensions of the graphs that exporters write: the contrib operators'
// arithmetic.
TEST_F(ImportMutationTest, ExtremeNumbersInExportedModels) {
  const int64_t extremes[] = {INT64_MIN, -1, 0, 1, 3, 2147483647, int64_t{1} << 40, INT64_MAX};
  for (const char* name : {"gptoss-webgpu", "lfm2moe-webgpu", "qwen3-webgpu"}) {
    folder_ = std::filesystem::path("tests/models") / name;
    ModelProto model;
    std::ifstream file(folder_ / "model.onnx", std::ios::binary);
    ASSERT_TRUE(model.ParseFromIstream(&file)) << folder_ << ": run from the repository root";
    for (const int64_t extreme : extremes) {
      for (auto& node : *model.mutable_graph()->mutable_node()) {
        for (auto& attribute : *node.mutable_attribute()) {
          if (attribute.type() != ::onnx::AttributeProto::INT) continue;
          const int64_t before = attribute.i();
          attribute.set_i(extreme);
          try_bytes(model.SerializeAsString());
          attribute.set_i(before);
        }
      }
      for (auto& input : *model.mutable_graph()->mutable_input()) {
        for (auto& dim : *input.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim()) {
          const auto before = dim;
          dim.set_dim_value(extreme);
          try_bytes(model.SerializeAsString());
          dim = before;
        }
      }
    }
  }
  EXPECT_GT(accepted_, 1000);
}

// Every input of every node wired to every value.
TEST_F(ImportMutationTest, Rewired) {
  const ModelProto model = rich_model();
  std::vector<std::string> names = {"", "x", "inline", "external", "target", "one", "two"};
  for (const auto& node : model.graph().node()) names.insert(names.end(), node.output().begin(), node.output().end());
  for (int i = 0; i < model.graph().node_size(); ++i) {
    for (int j = 0; j < model.graph().node(i).input_size(); ++j) {
      for (const std::string& name : names) {
        ModelProto changed = model;
        changed.mutable_graph()->mutable_node(i)->set_input(j, name);
        try_bytes(changed.SerializeAsString());
        if (HasFatalFailure()) FAIL() << "node " << i << " input " << j << " from \"" << name << "\"";
      }
    }
  }
  EXPECT_GT(accepted_, 100);
}

}  // namespace
}  // namespace sluice::onnx
