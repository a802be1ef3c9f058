// Models with one broken rule, and the words that the refusal must have.
#include <functional>

#include "onnx/testing.h"

namespace sluice::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::ModelProto;
using ::onnx::TensorProto;

struct Damage {
  const char* expected;
  std::function<void(ModelProto&)> apply;
};

TensorProto& inline_tensor(ModelProto& model) { return *model.mutable_graph()->mutable_initializer(0); }
TensorProto& external_tensor(ModelProto& model) { return *model.mutable_graph()->mutable_initializer(1); }
::onnx::NodeProto& node(ModelProto& model, int index) { return *model.mutable_graph()->mutable_node(index); }

AttributeProto& attribute(ModelProto& model, AttributeProto::AttributeType type) {
  AttributeProto& result = *node(model, 0).add_attribute();
  result.set_name("extra");
  result.set_type(type);
  return result;
}

::onnx::TypeProto_Tensor& input_type(ModelProto& model) {
  return *model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
}

class ImportRefusalTest : public ImportTest {
 protected:
  void check(const std::vector<Damage>& damages) {
    ASSERT_EQ(refusal(small_model()), "accepted");
    for (const Damage& damage : damages) {
      ModelProto model = small_model();
      damage.apply(model);
      const std::string message = refusal(model);
      EXPECT_NE(message.find(damage.expected), std::string::npos) << message << "\nshould say: " << damage.expected;
    }
  }
};

TEST_F(ImportRefusalTest, Versions) {
  check({
      {"holds no ONNX graph", [](ModelProto& m) { m.clear_graph(); }},
      {"IR version must be 3 to 14, got 0", [](ModelProto& m) { m.clear_ir_version(); }},
      {"IR version must be 3 to 14, got 99", [](ModelProto& m) { m.set_ir_version(99); }},
      {"Add \"add\": opset must be 7 to 28, got 6", [](ModelProto& m) { m.mutable_opset_import(0)->set_version(6); }},
      {"opset must be 7 to 28, got 29", [](ModelProto& m) { m.mutable_opset_import(0)->set_version(29); }},
      {"imports no opset of domain \"ai.onnx\"", [](ModelProto& m) { m.mutable_opset_import()->DeleteSubrange(0, 1); }},
      {"is imported as 21 and as 20", [](ModelProto& m) { m.add_opset_import()->set_version(20); }},
      {"opset of com.microsoft must be 1, got 2",
       [](ModelProto& m) {
         m.mutable_opset_import(1)->set_version(2);
         node(m, 0).set_domain("com.microsoft");
       }},
      {"operators of domain \"my.own\" are not known", [](ModelProto& m) { node(m, 0).set_domain("my.own"); }},
      {"model-local functions", [](ModelProto& m) { m.add_functions(); }},
      {"overloads of functions", [](ModelProto& m) { node(m, 0).set_overload("x"); }},
      {"sparse initializers", [](ModelProto& m) { m.mutable_graph()->add_sparse_initializer(); }},
  });
}

TEST_F(ImportRefusalTest, NamesAndOrder) {
  check({
      {"the graph has no outputs", [](ModelProto& m) { m.mutable_graph()->clear_output(); }},
      {"nothing defines the graph output \"z\"",
       [](ModelProto& m) { m.mutable_graph()->mutable_output(0)->set_name("z"); }},
      {"graph output \"y\" is listed twice", [](ModelProto& m) { m.mutable_graph()->add_output()->set_name("y"); }},
      {"Mul \"mul\": nothing defines its input \"sun\"", [](ModelProto& m) { node(m, 1).set_input(0, "sun"); }},
      {"node output \"sum\": the name is already taken", [](ModelProto& m) { node(m, 1).set_output(0, "sum"); }},
      {"node output \"x\": the name is already taken", [](ModelProto& m) { node(m, 1).set_output(0, "x"); }},
      {"initializer \"inline\": the name is already taken",
       [](ModelProto& m) { external_tensor(m).set_name("inline"); }},
      {"initializer has no name", [](ModelProto& m) { inline_tensor(m).clear_name(); }},
      {"graph input has no name", [](ModelProto& m) { m.mutable_graph()->mutable_input(0)->clear_name(); }},
      {"graph input \"x\": the name is already taken",
       [](ModelProto& m) { *m.mutable_graph()->add_input() = m.graph().input(0); }},
      {"Add \"add\" is on a cycle", [](ModelProto& m) { node(m, 0).set_input(0, "sum"); }},
      {"is on a cycle", [](ModelProto& m) { node(m, 0).set_input(0, "product"); }},
  });
}

TEST_F(ImportRefusalTest, ACycleIsNamedNotWhatFollowsIt) {
  ModelProto model = small_model();
  add_node(model, "Add", {"b", "x"}, {"a"})->set_name("first");
  add_node(model, "Neg", {"a"}, {"b"})->set_name("second");
  node(model, 0).set_input(1, "b");
  const std::string message = refusal(model);
  EXPECT_TRUE(message.find("\"first\" is on a cycle") != std::string::npos ||
              message.find("\"second\" is on a cycle") != std::string::npos)
      << message;
}

TEST_F(ImportRefusalTest, InputTypes) {
  check({
      {"only tensors are supported",
       [](ModelProto& m) { m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_sequence_type(); }},
      {"only tensors are supported", [](ModelProto& m) { m.mutable_graph()->mutable_input(0)->clear_type(); }},
      {"element type 0 is not supported", [](ModelProto& m) { input_type(m).clear_elem_type(); }},
      {"element type 17 is not supported",
       [](ModelProto& m) { input_type(m).set_elem_type(TensorProto::FLOAT8E4M3FN); }},
      {"graph input \"x\": string tensors", [](ModelProto& m) { input_type(m).set_elem_type(TensorProto::STRING); }},
      {"a dimension is -1", [](ModelProto& m) { input_type(m).mutable_shape()->mutable_dim(1)->set_dim_value(-1); }},
      {"more than 2^40 elements",
       [](ModelProto& m) {
         for (int i = 0; i < 2; ++i) input_type(m).mutable_shape()->mutable_dim(i)->set_dim_value(int64_t{1} << 40);
       }},
      {"rank 19 is above 16",
       [](ModelProto& m) {
         for (int i = 0; i < 17; ++i) input_type(m).mutable_shape()->add_dim()->set_dim_value(1);
       }},
  });
}

TEST_F(ImportRefusalTest, TensorData) {
  check({
      {"initializer \"inline\": needs 16 bytes of data, has 15",
       [](ModelProto& m) { inline_tensor(m).mutable_raw_data()->resize(15); }},
      {"needs 16 bytes of data, has 17", [](ModelProto& m) { inline_tensor(m).mutable_raw_data()->resize(17); }},
      {"needs 16 bytes of data, has 0", [](ModelProto& m) { inline_tensor(m).clear_raw_data(); }},
      {"needs 16 bytes of data, has 4",
       [](ModelProto& m) {
         inline_tensor(m).clear_raw_data();
         inline_tensor(m).add_float_data(1);
       }},
      {"a stored element 300 is out of range",
       [](ModelProto& m) {
         inline_tensor(m).clear_raw_data();
         inline_tensor(m).set_data_type(TensorProto::UINT8);
         for (int i = 0; i < 4; ++i) inline_tensor(m).add_int32_data(300);
       }},
      {"a bool is stored as neither 0 nor 1",
       [](ModelProto& m) {
         inline_tensor(m).set_raw_data("\1\2\1\1");
         inline_tensor(m).set_data_type(TensorProto::BOOL);
       }},
      {"a dimension is -4", [](ModelProto& m) { inline_tensor(m).set_dims(0, -4); }},
      {"more than 2^40 elements", [](ModelProto& m) { inline_tensor(m).set_dims(0, INT64_MAX); }},
      {"more than 2^40 elements",
       [](ModelProto& m) {
         add_dims(inline_tensor(m), {1 << 20, 1 << 20, 1 << 20, 1 << 20});
       }},
      {"rank 17 is above 16", [](ModelProto& m) { add_dims(inline_tensor(m), std::vector<int64_t>(16, 1)); }},
      {"element type 0 is not supported", [](ModelProto& m) { inline_tensor(m).clear_data_type(); }},
      {"element type 14 is not supported",
       [](ModelProto& m) { inline_tensor(m).set_data_type(TensorProto::COMPLEX64); }},
      {"string tensors are not supported", [](ModelProto& m) { inline_tensor(m).set_data_type(TensorProto::STRING); }},
      {"segmented tensors", [](ModelProto& m) { inline_tensor(m).mutable_segment()->set_begin(1); }},
  });
}

TEST_F(ImportRefusalTest, Attributes) {
  check({
      {"Add \"add\", attribute \"extra\": control-flow subgraphs",
       [](ModelProto& m) { attribute(m, AttributeProto::GRAPH); }},
      {"control-flow subgraphs", [](ModelProto& m) { attribute(m, AttributeProto::GRAPHS); }},
      {"attribute type 11 is not supported", [](ModelProto& m) { attribute(m, AttributeProto::SPARSE_TENSOR); }},
      {"attribute type 13 is not supported", [](ModelProto& m) { attribute(m, AttributeProto::TYPE_PROTO); }},
      {"attribute type 0 is not supported", [](ModelProto& m) { attribute(m, AttributeProto::INT).clear_type(); }},
      {"references to function attributes",
       [](ModelProto& m) { attribute(m, AttributeProto::INT).set_ref_attr_name("k"); }},
      {"Transpose \"Transpose_2\", attribute \"perm\": given twice",
       [](ModelProto& m) {
         add_ints(node(m, 2), "perm", {0, 1});
       }},
      {"attribute \"extra\": needs 16 bytes of data, has 0",
       [](ModelProto& m) { *attribute(m, AttributeProto::TENSOR).mutable_t() = raw_floats("", {4}, 0); }},
  });
}

TEST_F(ImportRefusalTest, ExternalData) {
  const auto with = [](const char* key, const std::string& text) {
    return [key, text](ModelProto& m) { set_external(external_tensor(m), key, text); };
  };
  check({
      {"external data \"missing.data\": No such file", with("location", "missing.data")},
      {"external data has no valid location", with("location", "")},
      {"external data has no valid location", with("location", std::string("weights.data\0x", 14))},
      {"external data has no valid location", [](ModelProto& m) { external_tensor(m).clear_external_data(); }},
      {"is not relative", with("location", (folder_ / "weights.data").string())},
      {"is not a regular file", with("location", ".")},
      {"has 40 bytes, too short for 32 bytes at offset 9", with("offset", "9")},
      {"too short for 32 bytes at offset 18446744073709551615", with("offset", "18446744073709551615")},
      {"offset \"18446744073709551616\" is not a number", with("offset", "18446744073709551616")},
      {"offset \"-1\" is not a number", with("offset", "-1")},
      {"offset \"8 \" is not a number", with("offset", "8 ")},
      {"length \"\" is not a number", with("length", "")},
      {"needs 32 bytes of data, its external length is 31", with("length", "31")},
      {"needs 32 bytes of data, its external length is 33", with("length", "33")},
  });
}

TEST_F(ImportRefusalTest, ExternalDataOutsideTheFolder) {
  const std::filesystem::path secret = root_ / "secret.data";
  std::ofstream(secret) << std::string(64, 's');
  std::filesystem::create_directories(folder_ / "inner");
  std::filesystem::create_directories(root_ / "model2");
  std::ofstream(root_ / "model2" / "near.data") << std::string(64, 's');
  const auto location = [](const std::string& text) {
    return [text](ModelProto& m) { set_external(external_tensor(m), "location", text); };
  };
  check({
      {"lies outside the model's folder", location("../secret.data")},
      {"lies outside the model's folder", location("inner/../../secret.data")},
      {"lies outside the model's folder", location("../model2/near.data")},
  });
  ModelProto model = small_model();
  location("inner/../weights.data")(model);
  EXPECT_EQ(refusal(model), "accepted") << "a path that comes back is harmless";
#ifndef _WIN32
  std::filesystem::create_symlink(secret, folder_ / "link.data");
  std::filesystem::create_directory_symlink(root_, folder_ / "up");
  std::filesystem::create_symlink("weights.data", folder_ / "alias.data");
  std::filesystem::create_symlink("loop.data", folder_ / "loop.data");
  check({
      {"lies outside the model's folder", location("link.data")},
      {"lies outside the model's folder", location("up/secret.data")},
      {"external data \"loop.data\"", location("loop.data")},
  });
  location("alias.data")(model);
  EXPECT_EQ(refusal(model), "accepted") << "a link within the folder is harmless";
#endif
}

TEST_F(ImportRefusalTest, AllBrokenRulesInOneMessage) {
  ModelProto model = small_model();
  inline_tensor(model).mutable_raw_data()->resize(3);
  set_external(external_tensor(model), "location", "missing.data");
  node(model, 1).set_input(0, "nowhere");
  const std::string message = refusal(model);
  EXPECT_NE(message.find("needs 16 bytes"), std::string::npos) << message;
  EXPECT_NE(message.find("missing.data"), std::string::npos) << message;
  EXPECT_NE(message.find("nowhere"), std::string::npos) << message;
  for (int i = 0; i < 1000; ++i) add_node(model, "Neg", {fmt::format("none{}", i)}, {fmt::format("out{}", i)});
  const std::string cut = refusal(model);
  EXPECT_NE(cut.find("and 953 more"), std::string::npos) << cut;
}

TEST_F(ImportRefusalTest, FilesThatAreNoModel) {
  const auto refused = [this](const std::string& text) {
    write("model.onnx", text);
    try {
      import_model(folder_ / "model.onnx");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(refused("").find("the file is empty"), std::string::npos);
  EXPECT_NE(refused("version https://git-lfs.github.com/spec/v1\n").find("not an ONNX file"), std::string::npos);
  EXPECT_NE(refused(std::string(1000, '\0')).find("not an ONNX file"), std::string::npos);
  EXPECT_THROW(import_model(folder_ / "nowhere.onnx"), Error);
  EXPECT_THROW(import_model(folder_), Error);
}

TEST_F(ImportRefusalTest, DeeplyNestedSubgraphs) {
  // Field 5 (attribute) of a node holding field 6 (g) holding field 1 (node), and so on, 10,000 deep.
  std::string inner;
  const auto wrap = [&inner](char tag) {
    std::string head(1, tag);
    for (size_t size = inner.size(); true; size >>= 7) {
      head += static_cast<char>((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
      if (size <= 0x7f) break;
    }
    inner.insert(0, head);
  };
  for (int i = 0; i < 10000; ++i) {
    wrap(0x0a);
    wrap(0x32);
    wrap(0x2a);
  }
  wrap(0x0a);
  wrap(0x3a);
  write("model.onnx", inner);
  EXPECT_THROW(import_model(folder_ / "model.onnx"), Error);
}

}  // namespace
}  // namespace sluice::onnx
