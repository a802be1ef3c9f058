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
  EXPECT_NE(
      error().find("genai_config.json: \"context_length\" must be a whole number from 0 to 4294967295, got \"many\""),
      std::string::npos)
      << error();
  write("genai_config.json", R"({"model": {"decoder": {"inputs": {}, "outputs": {}}}})");
  EXPECT_NE(error().find("model.onnx does not exist"), std::string::npos);
  EXPECT_THROW(find_model_files(folder_ / "nowhere", ""), Error);
}

TEST_F(ModelFolder, NumbersAreWhatTheyMustBe) {
  const std::string whole = "a whole number from 0 to 4294967295", number = "a number within float32";
  struct Case {
    std::string key, value, rule;
  };
  for (const Case& c : {Case{"context_length", "1.5", whole},
                        {"context_length", "-1", whole},
                        {"context_length", "4294967296", whole},
                        {"context_length", "true", whole},
                        {"context_length", "1e300", whole},
                        {"eos_token_id", "-2", whole},
                        {"eos_token_id", "[]", ""},
                        {"eos_token_id", "2.0", ""},
                        {"top_k", "-1", whole},
                        {"top_k", "40.5", whole},
                        {"top_k", "\"40\"", whole},
                        {"temperature", "true", number},
                        {"temperature", "1e39", number},
                        {"top_p", "\"0.9\"", number},
                        {"do_sample", "1", "true or false"},
                        {"top_k", "null", ""},
                        {"context_length", "4294967295", ""},
                        {"temperature", "2", ""}}) {
    const bool of_model = c.key == "context_length" || c.key == "eos_token_id";
    const std::string entry = "\"" + c.key + "\": " + c.value;
    write("model.onnx", "");
    write("genai_config.json", "{\"model\": {" + (of_model ? entry + ", " : "") +
                                   R"("decoder": {"inputs": {}, "outputs": {}}}, "search": {)" +
                                   (of_model ? "" : entry) + "}}");
    const std::string got = c.value.starts_with("1e") ? "" : c.value;
    const std::string expected =
        c.rule.empty() ? "" : "genai_config.json: \"" + c.key + "\" must be " + c.rule + ", got " + got;
    EXPECT_NE(error().find(expected), std::string::npos) << c.key << " " << c.value << ": " << error();
    EXPECT_EQ(error().empty(), c.rule.empty()) << c.key << " " << c.value << ": " << error();
  }
  write("genai_config.json", R"({"model": {"eos_token_id": [2, -7], "decoder": {"inputs": {}, "outputs": {}}}})");
  EXPECT_NE(error().find("\"eos_token_id\" must be " + whole + ", got -7"), std::string::npos) << error();
}

}  // namespace
}  // namespace sluice::decode
