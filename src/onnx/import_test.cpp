// Models that must be accepted, and what becomes of them.
#include "onnx/import.h"

#include <cstring>

#include "graph/infer.h"
#include "onnx/testing.h"

namespace sluice::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::ModelProto;
using ::onnx::TensorProto;

const graph::Value& value(const graph::Graph& g, const std::string& name) { return g.values.at(g.find(name)); }

TEST_F(ImportTest, ReadsTheWholeGraph) {
  ModelProto model = small_model();
  model.mutable_graph()->set_name("small");
  const graph::Graph g = import(model);
  EXPECT_EQ(g.name, "small");
  EXPECT_TRUE(graph::verify(g).empty());
  EXPECT_EQ(graph::dump(g),
            "input %x:float[batch, 4]\n"
            "%sum = Add(%x, %inline)  # add\n"
            "%product = Mul(%sum, %external)  # mul\n"
            "%y = Transpose(%product) {perm=[1, 0]}  # Transpose_2\n"
            "output %y\n");
  EXPECT_EQ(g.nodes[0].opset, 21);
  EXPECT_EQ(g.opsets.at("com.microsoft"), 1);
  const graph::Value& external = value(g, "external");
  EXPECT_EQ(graph::to_string(*external.shape, g), "[2, 4]");
  ASSERT_EQ(external.constant->bytes.size(), 32u);
  EXPECT_EQ(external.constant->bytes[31], std::byte{2});
  EXPECT_EQ(value(g, "inline").constant->bytes.size(), 16u);
}

TEST_F(ImportTest, ConstantsOutliveFilesAndGraph) {
  std::shared_ptr<const graph::Constant> constants[2];
  {
    const graph::Graph g = import(small_model());
    constants[0] = value(g, "external").constant;
    constants[1] = value(g, "inline").constant;
  }
  EXPECT_EQ(constants[0]->bytes[0], std::byte{2});
  EXPECT_EQ(constants[1]->bytes[0], std::byte{1});
}

TEST_F(ImportTest, WithoutMappingOnlySmallIntegersAreRead) {
  ModelProto model = small_model();
  TensorProto axes = external_floats("axes", {1}, "weights.data");
  axes.set_data_type(TensorProto::INT64);
  *model.mutable_graph()->add_initializer() = axes;
  const graph::Graph g = import(model, {.map_external_data = false});
  EXPECT_TRUE(graph::verify(g).empty());
  EXPECT_TRUE(value(g, "external").constant->bytes.empty());
  EXPECT_EQ(value(g, "axes").constant->bytes.size(), 8u);
}

template <class Fill>
std::string bytes_of(TensorProto::DataType type, int64_t count, Fill fill) {
  ModelProto model = small_model();
  TensorProto& tensor = *model.mutable_graph()->mutable_initializer(0);
  tensor.Clear();
  tensor.set_name("inline");
  tensor.set_data_type(type);
  tensor.add_dims(count);
  fill(tensor);
  model.mutable_graph()->mutable_initializer()->DeleteSubrange(1, 1);
  model.mutable_graph()->mutable_node(1)->set_input(1, "inline");
  const std::string file = model.SerializeAsString();
  const graph::Graph g = import_bytes(std::as_bytes(std::span(file)), {});
  const auto bytes = value(g, "inline").constant->bytes;
  std::string hex;
  for (const std::byte byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return hex;
}

TEST_F(ImportTest, TypedDataBecomesLittleEndianBytes) {
  const auto ints = [](const std::vector<int32_t>& values) {
    return [values](TensorProto& tensor) {
      for (const int32_t item : values) tensor.add_int32_data(item);
    };
  };
  EXPECT_EQ(bytes_of(TensorProto::FLOAT, 1, [](TensorProto& t) { t.add_float_data(1.0f); }), "0000803f");
  EXPECT_EQ(bytes_of(TensorProto::DOUBLE, 1, [](TensorProto& t) { t.add_double_data(1.0); }), "000000000000f03f");
  EXPECT_EQ(bytes_of(TensorProto::INT64, 1, [](TensorProto& t) { t.add_int64_data(-2); }), "feffffffffffffff");
  EXPECT_EQ(bytes_of(TensorProto::UINT64, 1, [](TensorProto& t) { t.add_uint64_data(258); }), "0201000000000000");
  EXPECT_EQ(bytes_of(TensorProto::UINT32, 1, [](TensorProto& t) { t.add_uint64_data(0xffffffff); }), "ffffffff");
  EXPECT_EQ(bytes_of(TensorProto::INT32, 2, ints({1, -1})), "01000000ffffffff");
  EXPECT_EQ(bytes_of(TensorProto::INT16, 2, ints({1, -1})), "0100ffff");
  EXPECT_EQ(bytes_of(TensorProto::UINT16, 1, ints({0xfffe})), "feff");
  EXPECT_EQ(bytes_of(TensorProto::INT8, 2, ints({-128, 127})), "807f");
  EXPECT_EQ(bytes_of(TensorProto::UINT8, 2, ints({0, 255})), "00ff");
  EXPECT_EQ(bytes_of(TensorProto::BOOL, 2, ints({1, 0})), "0100");
  EXPECT_EQ(bytes_of(TensorProto::FLOAT16, 1, ints({0x3c00})), "003c");
  EXPECT_EQ(bytes_of(TensorProto::BFLOAT16, 1, ints({0x3f80})), "803f");
  EXPECT_EQ(bytes_of(TensorProto::INT4, 3, ints({0x21, 0x0f})), "210f");
  EXPECT_EQ(bytes_of(TensorProto::UINT4, 4, ints({0x21, 0x43})), "2143");
  EXPECT_EQ(bytes_of(TensorProto::INT32, 0, [](TensorProto&) {}), "");
}

TEST_F(ImportTest, AttributesOfAllKinds) {
  ModelProto model = small_model();
  ::onnx::NodeProto& node = *model.mutable_graph()->mutable_node(2);
  const auto add = [&node](const char* name, AttributeProto::AttributeType type) {
    AttributeProto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    return attribute;
  };
  add("int", AttributeProto::INT)->set_i(-7);
  add("float", AttributeProto::FLOAT)->set_f(0.5f);
  add("string", AttributeProto::STRING)->set_s("swiglu");
  add("floats", AttributeProto::FLOATS)->add_floats(2.0f);
  add("strings", AttributeProto::STRINGS)->add_strings("a");
  *add("tensor", AttributeProto::TENSOR)->mutable_t() = raw_floats("", {2}, 2);
  const graph::Graph g = import(model);
  const graph::Node& got = g.nodes[2];
  EXPECT_EQ(got.i("int", 0), -7);
  EXPECT_EQ(got.f("float", 0), 0.5f);
  EXPECT_EQ(got.s("string", ""), "swiglu");
  EXPECT_EQ(got.ints("perm"), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(std::get<std::vector<float>>(*got.find("floats")), std::vector<float>{2.0f});
  EXPECT_EQ(std::get<std::vector<std::string>>(*got.find("strings")), std::vector<std::string>{"a"});
  EXPECT_EQ(std::get<graph::Constant>(*got.find("tensor")).bytes.size(), 8u);
}

TEST_F(ImportTest, InitializersAmongInputsAreConstants) {
  ModelProto model = small_model();
  auto* input = model.mutable_graph()->add_input();
  *input = model.graph().input(0);
  input->set_name("inline");
  const graph::Graph g = import(model);
  ASSERT_EQ(g.inputs.size(), 1u);
  EXPECT_EQ(g.values[g.inputs[0]].name, "x");
}

TEST_F(ImportTest, UnknownDimensionsGetTheirOwnSymbols) {
  ModelProto model = small_model();
  auto* shape = model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(0)->Clear();
  shape->mutable_dim(1)->set_dim_param("");
  const graph::Graph g = import(model);
  EXPECT_EQ(graph::to_string(*value(g, "x").shape, g), "[x[0], x[1]]");
  model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_FALSE(value(import(model), "x").shape.has_value());
}

TEST_F(ImportTest, AbsentOptionalsAndUnnamedNodes) {
  ModelProto model = small_model();
  add_node(model, "Clip", {"y", "", "inline"}, {"clipped", ""})->set_name("Clip_4");
  add_node(model, "Clip", {"clipped", "", ""}, {"again"});
  const graph::Graph g = import(model);
  EXPECT_EQ(g.nodes[3].input(1), graph::kNoValue);
  EXPECT_EQ(g.nodes[3].output(1), graph::kNoValue);
  EXPECT_EQ(g.nodes[4].name, "Clip_4_") << "Clip_4 is taken";
}

TEST_F(ImportTest, DomainsAndOpsets) {
  ModelProto model = small_model();
  model.mutable_opset_import(0)->set_domain("ai.onnx");
  auto* unused = model.add_opset_import();
  unused->set_domain("ai.onnx.ml");
  unused->set_version(99);
  model.mutable_graph()->mutable_node(0)->set_domain("ai.onnx");
  const graph::Graph g = import(model);
  EXPECT_EQ(g.nodes[0].domain, "");
  EXPECT_EQ(g.nodes[0].opset, 21);
}

TEST_F(ImportTest, SortsNodesOnlyIfItMust) {
  ModelProto model = small_model();
  model.mutable_graph()->mutable_node()->SwapElements(0, 2);
  const graph::Graph g = import(model);
  EXPECT_TRUE(graph::verify(g).empty());
  EXPECT_EQ(g.nodes[0].name, "add");
  EXPECT_EQ(g.nodes[2].op_type, "Transpose");
}

TEST_F(ImportTest, TenThousandNodesInAChain) {
  ModelProto model = small_model();
  std::string last = "y";
  for (int i = 0; i < 10000; ++i) {
    const std::string next = fmt::format("chain{}", i);
    add_node(model, i % 2 == 0 ? "Neg" : "Transpose", {last}, {next});
    last = next;
  }
  model.mutable_graph()->mutable_output(0)->set_name(last);
  // Back to front: the worst order there is.
  auto& nodes = *model.mutable_graph()->mutable_node();
  for (int i = 0, j = nodes.size() - 1; i < j; ++i, --j) nodes.SwapElements(i, j);
  graph::Graph g = import(model);
  EXPECT_TRUE(graph::verify(g).empty());
  EXPECT_TRUE(graph::infer(g, {}).empty());
  EXPECT_TRUE(g.values[g.outputs[0]].shape.has_value());
}

TEST_F(ImportTest, DownloadCachesLinkEveryFileIntoAStore) {
#ifdef _WIN32
  GTEST_SKIP() << "needs symbolic links";
#else
  import(small_model());
  const std::filesystem::path store = root_ / "store";
  const std::filesystem::path snapshot = root_ / "snapshots" / "main" / "onnx";
  std::filesystem::create_directories(store);
  std::filesystem::create_directories(snapshot);
  std::filesystem::rename(folder_ / "model.onnx", store / "0123");
  std::filesystem::rename(folder_ / "weights.data", store / "4567");
  std::filesystem::create_symlink("../../../store/0123", snapshot / "model.onnx");
  std::filesystem::create_symlink("../../../store/4567", snapshot / "weights.data");
  EXPECT_TRUE(graph::verify(import_model(snapshot / "model.onnx")).empty());
#endif
}

TEST_F(ImportTest, ModelsInTheCurrentFolder) {
  import(small_model());
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  const graph::Graph g = import_model("model.onnx");
  std::filesystem::current_path(before);
  EXPECT_EQ(g.nodes.size(), 3u);
}

}  // namespace
}  // namespace sluice::onnx
