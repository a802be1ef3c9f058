// Finds what belongs to a text model in its folder: the ONNX file, names of inputs and outputs, special tokens,
// sampling defaults.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::decode {

// Defaults that a model brings along; the caller's own choices go before them.
struct SearchDefaults {
  bool do_sample = false;
  float temperature = 1;
  uint32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;
};

struct ModelFiles {
  std::filesystem::path folder;  // holds tokenizer.json and the configuration files
  std::filesystem::path onnx;    // the model
  std::string input_ids = "input_ids", attention_mask = "attention_mask", position_ids = "position_ids",
              logits = "logits";
  // Patterns of state inputs and the outputs that continue them; %d stands for the layer's number.
  std::vector<std::pair<std::string, std::string>> state = {{"past_key_values.%d.key", "present.%d.key"},
                                                            {"past_key_values.%d.value", "present.%d.value"},
                                                            {"past_conv.%d", "present_conv.%d"},
                                                            {"past.%d.conv", "present.%d.conv"}};
  std::vector<uint32_t> stop_ids;  // end-of-sequence tokens
  std::optional<uint32_t> context_length;
  SearchDefaults search;
};

// Reads an onnxruntime-genai folder (genai_config.json), or the layout of onnx-community (config.json,
// generation_config.json, onnx/model_VARIANT.onnx). `variant` chooses among several ONNX files, e.g. "q4f16"; it may be
// empty when there is no choice. Throws Error naming the folder or file: not a model folder, unreadable JSON, unknown
// variant (listing those that exist).
ModelFiles find_model_files(const std::filesystem::path& folder, const std::string& variant);

// "past.3.conv" for pattern "past.%d.conv" and layer 3; the layer's number of a name that fits the pattern, if it does.
std::string fill_pattern(const std::string& pattern, uint32_t layer);
std::optional<uint32_t> match_pattern(const std::string& pattern, const std::string& name);

}  // namespace sluice::decode
