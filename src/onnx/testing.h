// For tests: a small well-formed model that each test damages in its own way, and a folder to write it to.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "onnx-ml.pb.h"
#include "onnx/import.h"

namespace sluice::onnx {

inline void add_dims(::onnx::TensorProto& tensor, const std::vector<int64_t>& dims) {
  for (const int64_t dim : dims) tensor.add_dims(dim);
}

inline ::onnx::TensorProto raw_floats(const std::string& name, const std::vector<int64_t>& dims, size_t count) {
  ::onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(::onnx::TensorProto::FLOAT);
  add_dims(tensor, dims);
  tensor.set_raw_data(std::string(count * sizeof(float), '\1'));
  return tensor;
}

inline ::onnx::TensorProto external_floats(const std::string& name, const std::vector<int64_t>& dims,
                                           const std::string& location) {
  ::onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(::onnx::TensorProto::FLOAT);
  add_dims(tensor, dims);
  tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
  auto* entry = tensor.add_external_data();
  entry->set_key("location");
  entry->set_value(location);
  return tensor;
}

inline void set_external(::onnx::TensorProto& tensor, const std::string& key, const std::string& value) {
  for (auto& entry : *tensor.mutable_external_data()) {
    if (entry.key() == key) return entry.set_value(value);
  }
  auto* entry = tensor.add_external_data();
  entry->set_key(key);
  entry->set_value(value);
}

inline ::onnx::NodeProto* add_node(::onnx::ModelProto& model, const std::string& op,
                                   const std::vector<std::string>& inputs, const std::vector<std::string>& outputs) {
  ::onnx::NodeProto* node = model.mutable_graph()->add_node();
  node->set_op_type(op);
  for (const std::string& input : inputs) node->add_input(input);
  for (const std::string& output : outputs) node->add_output(output);
  return node;
}

inline ::onnx::AttributeProto* add_ints(::onnx::NodeProto& node, const std::string& name,
                                        const std::vector<int64_t>& values) {
  ::onnx::AttributeProto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(::onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute->add_ints(value);
  return attribute;
}

// y = Transpose((x + inline) * external), x being float[batch, 4].
inline ::onnx::ModelProto small_model() {
  ::onnx::ModelProto model;
  model.set_ir_version(10);
  auto* opset = model.add_opset_import();
  opset->set_version(21);
  opset = model.add_opset_import();
  opset->set_domain("com.microsoft");
  opset->set_version(1);
  auto* input = model.mutable_graph()->add_input();
  input->set_name("x");
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(::onnx::TensorProto::FLOAT);
  type->mutable_shape()->add_dim()->set_dim_param("batch");
  type->mutable_shape()->add_dim()->set_dim_value(4);
  model.mutable_graph()->add_output()->set_name("y");
  *model.mutable_graph()->add_initializer() = raw_floats("inline", {4}, 4);
  *model.mutable_graph()->add_initializer() = external_floats("external", {2, 4}, "weights.data");
  set_external(*model.mutable_graph()->mutable_initializer(1), "offset", "8");
  set_external(*model.mutable_graph()->mutable_initializer(1), "length", "32");
  add_node(model, "Add", {"x", "inline"}, {"sum"})->set_name("add");
  add_node(model, "Mul", {"sum", "external"}, {"product"})->set_name("mul");
  add_ints(*add_node(model, "Transpose", {"product"}, {"y"}), "perm", {1, 0});
  return model;
}

// A folder of its own for every test, with the small model's external data.
class ImportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::path(::testing::TempDir()) /
            fmt::format("sluice_{}_{}", info->test_suite_name(), info->name());
    std::filesystem::remove_all(root_);
    folder_ = root_ / "model";
    std::filesystem::create_directories(folder_);
    write("weights.data", std::string(40, '\2'));
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  graph::Graph import(const ::onnx::ModelProto& model, const ImportOptions& options = {}) {
    write("model.onnx", model.SerializeAsString());
    return import_model(folder_ / "model.onnx", options);
  }

  // What the import says of a model that it must refuse.
  std::string refusal(const ::onnx::ModelProto& model) {
    try {
      import(model);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  std::filesystem::path root_;
  std::filesystem::path folder_;
};

}  // namespace sluice::onnx
