#include "decode/model_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "sluice/error.h"

namespace sluice::decode {
namespace {

namespace fs = std::filesystem;

class ModelFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("sluice_model_files_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "onnx");
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  std::string error(const std::string& variant = "") {
    try {
      find_model_files(folder_, variant);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  fs::path folder_;
};

TEST(Pattern, FillsAndMatches) {
  EXPECT_EQ(fill_pattern("past.%d.conv", 12), "past.12.conv");
  EXPECT_EQ(match_pattern("past.%d.conv", "past.12.conv"), 12u);
  EXPECT_EQ(match_pattern("past_conv.%d", "past_conv.0"), 0u);
  for (const char* name : {"past..conv", "past.x.conv", "past.1.convs", "last.1.conv", "past.1", "past.-1.conv",
                           "past.1x.conv", "past.99999999999.conv"}) {
    EXPECT_FALSE(match_pattern("past.%d.conv", name)) << name;
  }
}

TEST_F(ModelFolder, GenaiConfig) {
  write("m.onnx", "");
  write("genai_config.json",
        R"({"model": {"context_length": 128, "eos_token_id": [2, 7], "decoder": {"filename": "m.onnx",
    "inputs": {"input_ids": "ids", "past_key_names": "pk.%d", "past_conv_names": "pc.%d"},
    "outputs": {"logits": "lg", "present_key_names": "nk.%d", "present_conv_names": "nc.%d"}}},
    "search": {"do_sample": true, "top_k": 40, "temperature": 0.5}})");
  const ModelFiles files = find_model_files(folder_, "");
  EXPECT_EQ(files.onnx, folder_ / "m.onnx");
  EXPECT_EQ(files.input_ids, "ids");
  EXPECT_EQ(files.attention_mask, "attention_mask");
  EXPECT_EQ(files.logits, "lg");
  EXPECT_EQ(files.stop_ids, (std::vector<uint32_t>{2, 7}));
  EXPECT_EQ(files.context_length, 128u);
  EXPECT_TRUE(files.search.do_sample);
  EXPECT_EQ(files.search.top_k, 40u);
  EXPECT_FLOAT_EQ(files.search.temperature, 0.5f);
  const std::pair<std::string, std::string> key("pk.%d", "nk.%d");
  EXPECT_NE(std::find(files.state.begin(), files.state.end(), key), files.state.end());
}

TEST_F(ModelFolder, CommunityLayoutChoosesVariant) {
  write("onnx/model_q4.onnx", "");
  write("onnx/model_q4f16.onnx", "");
  write("config.json", R"({"max_position_embeddings": 64, "eos_token_id": 3})");
  write("generation_config.json", R"({"eos_token_id": [3, 4], "top_p": 0.9})");
  const ModelFiles files = find_model_files(folder_, "q4f16");
  EXPECT_EQ(files.onnx.filename(), "model_q4f16.onnx");
  EXPECT_EQ(files.context_length, 64u);
  EXPECT_EQ(files.stop_ids, (std::vector<uint32_t>{3, 4}));
  EXPECT_NE(error().find("choose one with --variant (q4, q4f16)"), std::string::npos) << error();
  EXPECT_NE(error("fp16").find("no variant \"fp16\""), std::string::npos) << error("fp16");
}

TEST_F(ModelFolder, ErrorsNameFileAndKey) {
  EXPECT_NE(error().find("holds no model"), std::string::npos);
  write("genai_config.json", "{ not json");
  EXPECT_NE(error().find("genai_config.json"), std::string::npos);
  write("genai_config.json", R"({"model": {}})");
  EXPECT_NE(error().find("\"decoder\" is missing"), std::string::npos);
  write("genai_config.json", R"({"model": {"context_length": "many", "decoder": {"inputs": {}, "outputs": {}}}})");
  EXPECT_NE(error().find("context_length"), std::string::npos);
  write("genai_config.json", R"({"model": {"decoder": {"inputs": {}, "outputs": {}}}})");
  EXPECT_NE(error().find("model.onnx does not exist"), std::string::npos);
  EXPECT_THROW(find_model_files(folder_ / "nowhere", ""), Error);
}

}  // namespace
}  // namespace sluice::decode
