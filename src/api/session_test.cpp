// The public Session: what it tells of a graph, and a device that several share.
#include "sluice/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <thread>

#include "onnx-ml.pb.h"
#include "sluice/inspect.h"

namespace sluice {
namespace {

constexpr const char* kModel = "models/demo/model.onnx";

const Device& device() {
  static const Device kOpened{DeviceChoice{}};
  return kOpened;
}

const TensorInfo& find(const std::vector<TensorInfo>& infos, const std::string& name) {
  return *std::find_if(infos.begin(), infos.end(), [&](const TensorInfo& info) { return info.name == name; });
}

TEST(PublicSession, TellsInputsAndOutputs) {
  const Session session(kModel, device());
  const TensorInfo& ids = find(session.inputs(), "input_ids");
  EXPECT_EQ(ids.dtype, "int64");
  ASSERT_TRUE(ids.shape);
  EXPECT_EQ(*ids.shape, (std::vector<TensorSize>{"batch_size", "sequence_length"}));
  const TensorInfo& logits = find(session.outputs(), "logits");
  ASSERT_TRUE(logits.shape);
  ASSERT_EQ(logits.shape->size(), 3u);
  EXPECT_TRUE(std::holds_alternative<int64_t>(logits.shape->back()));
}

TEST(PublicSession, RefusesBrokenBytes) {
  const std::vector<std::byte> rubbish(100, std::byte{0x7f});
  EXPECT_THROW(Session(rubbish, {}, device()), Error);
  EXPECT_THROW(Session("no/such/file.onnx", device()), Error);
}

TEST(PublicSession, RunErrorsNameTheInput) {
  Session session(kModel, device());
  try {
    session.run({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("input_ids"), std::string::npos) << error.what();
  }
}

// y = Neg(x), floats of any length n.
std::string negation() {
  ::onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  ::onnx::GraphProto& graph = *model.mutable_graph();
  for (auto* value : {graph.add_input(), graph.add_output()}) {
    ::onnx::TypeProto_Tensor& type = *value->mutable_type()->mutable_tensor_type();
    type.set_elem_type(::onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("n");
  }
  graph.mutable_input(0)->set_name("x");
  graph.mutable_output(0)->set_name("y");
  ::onnx::NodeProto& node = *graph.add_node();
  node.set_op_type("Neg");
  node.add_input("x");
  node.add_output("y");
  return model.SerializeAsString();
}

HostTensor floats(size_t count, float value) {
  const std::vector<float> values(count, value);
  const auto bytes = std::as_bytes(std::span(values));
  return {"float", {static_cast<int64_t>(count)}, {bytes.begin(), bytes.end()}};
}

// More lengths than a session keeps programs for, with other values each time.
TEST(PublicSession, RunsAnyLengthAgain) {
  const std::string model = negation();
  Session session(std::as_bytes(std::span(model)), {}, device());
  for (const float value : {1.0f, 2.0f, 3.0f}) {
    for (size_t count = 1; count <= 12; ++count) {
      const HostTensor y = session.run({{"x", floats(count, value)}}).at("y");
      EXPECT_EQ(y.bytes, floats(count, -value).bytes) << count;
    }
  }
}

TEST(PublicSession, ThreadsShareADeviceAndASession) {
  const std::string model = negation();
  Session shared(std::as_bytes(std::span(model)), {}, device());
  const auto work = [&](float value) {
    Session own(std::as_bytes(std::span(model)), {}, device());
    for (size_t count = 1; count < 6; ++count) {
      for (Session* session : {&own, &shared}) {
        const HostTensor y = session->run({{"x", floats(count, value)}}).at("y");
        EXPECT_EQ(y.shape, std::vector<int64_t>{static_cast<int64_t>(count)});
        EXPECT_EQ(y.bytes, floats(count, -value).bytes);
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i <= 3; ++i) threads.emplace_back(work, static_cast<float>(i));
  for (std::thread& thread : threads) thread.join();
}

TEST(Operators, AreSortedAndHoldBothDomains) {
  const std::vector<std::string> names = operators();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_TRUE(std::binary_search(names.begin(), names.end(), "Add"));
  EXPECT_TRUE(std::binary_search(names.begin(), names.end(), "com.microsoft.QMoE"));
}

}  // namespace
}  // namespace sluice
