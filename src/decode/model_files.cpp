#include "decode/model_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace sluice::decode {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json read_json(const fs::path& file) {
  std::ifstream stream(file);
  if (!stream) fail("model", "cannot read {}", file.string());
  try {
    return json::parse(stream);
  } catch (const json::exception& error) {
    fail("model", "{}: {}", file.string(), error.what());
  }
}

bool is_number_within(const json& value, double least, double greatest) {
  return value.is_number() && value.get<double>() >= least && value.get<double>() <= greatest;
}

// What a value of each type must be: the library's own conversions cut 1.5 to 1 and wrap -1.
template <class T>
struct Rule;
template <>
struct Rule<bool> {
  static constexpr const char* kText = "true or false";
  static bool holds(const json& value) { return value.is_boolean(); }
};
template <>
struct Rule<std::string> {
  static constexpr const char* kText = "a string";
  static bool holds(const json& value) { return value.is_string(); }
};
template <>
struct Rule<float> {
  static constexpr const char* kText = "a number within float32";
  static bool holds(const json& value) {
    constexpr double kMost = std::numeric_limits<float>::max();
    return is_number_within(value, -kMost, kMost);
  }
};
template <>
struct Rule<uint32_t> {
  static constexpr const char* kText = "a whole number from 0 to 4294967295";
  static bool holds(const json& value) {
    return is_number_within(value, 0, std::numeric_limits<uint32_t>::max()) &&
           std::trunc(value.get<double>()) == value.get<double>();
  }
};

// A value of a configuration file; an Error naming file, key and value if it is not what its type asks for.
template <class T>
T checked(const json& value, const char* key, const fs::path& file) {
  if (!Rule<T>::holds(value)) {
    fail("model", "{}: \"{}\" must be {}, got {}", file.string(), key, Rule<T>::kText,
         value.is_structured() ? value.type_name() : value.dump());
  }
  return value.get<T>();
}

// The same where the value may be missing or null.
template <class T>
void read(const json& object, const char* key, T& value, const fs::path& file) {
  const auto found = object.find(key);
  if (found != object.end() && !found->is_null()) value = checked<T>(*found, key, file);
}

// Token ids are written as one number or as a list.
void read_ids(const json& object, const char* key, std::vector<uint32_t>& ids, const fs::path& file) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return;
  ids.clear();
  for (const json& id : found->is_array() ? *found : json::array({*found}))
    ids.push_back(checked<uint32_t>(id, key, file));
}

void read_search(const json& object, SearchDefaults& search, const fs::path& file) {
  read(object, "do_sample", search.do_sample, file);
  read(object, "temperature", search.temperature, file);
  read(object, "top_k", search.top_k, file);
  read(object, "top_p", search.top_p, file);
  read(object, "min_p", search.min_p, file);
  read(object, "repetition_penalty", search.repetition_penalty, file);
}

const json& member(const json& object, const char* key, const fs::path& file) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) fail("model", "{}: object \"{}\" is missing", file.string(), key);
  return *found;
}

ModelFiles read_genai(const fs::path& folder, const std::string& variant) {
  const fs::path file = folder / "genai_config.json";
  const json config = read_json(file);
  const json& model = member(config, "model", file);
  const json& decoder = member(model, "decoder", file);
  ModelFiles files;
  files.folder = folder;
  std::string name = "model.onnx";
  read(decoder, "filename", name, file);
  if (!variant.empty())
    fail("model", "{} names its one ONNX file ({}): --variant {} does not apply", file.string(), name, variant);
  files.onnx = folder / name;
  read(model, "context_length", files.context_length.emplace(0), file);
  if (files.context_length == 0u) files.context_length.reset();
  read_ids(model, "eos_token_id", files.stop_ids, file);
  const json& inputs = member(decoder, "inputs", file);
  const json& outputs = member(decoder, "outputs", file);
  read(inputs, "input_ids", files.input_ids, file);
  read(inputs, "attention_mask", files.attention_mask, file);
  read(inputs, "position_ids", files.position_ids, file);
  read(outputs, "logits", files.logits, file);
  for (const auto& [key, past] : inputs.items()) {
    if (!key.starts_with("past_") || !past.is_string()) continue;
    std::string present;
    read(outputs, ("present_" + key.substr(5)).c_str(), present, file);
    if (!present.empty()) files.state.emplace_back(past.get<std::string>(), present);
  }
  if (const auto search = config.find("search"); search != config.end()) read_search(*search, files.search, file);
  return files;
}

// Variants by the file names onnx/model.onnx ("") and onnx/model_VARIANT.onnx; decoder_model_merged likewise.
std::vector<std::pair<std::string, fs::path>> list_variants(const fs::path& folder) {
  std::vector<std::pair<std::string, fs::path>> variants;
  if (!fs::is_directory(folder)) return variants;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".onnx") continue;
    for (const std::string base : {"model", "decoder_model_merged"}) {
      if (stem == base) variants.emplace_back("", entry.path());
      if (stem.starts_with(base + "_")) variants.emplace_back(stem.substr(base.size() + 1), entry.path());
    }
  }
  std::sort(variants.begin(), variants.end());
  return variants;
}

fs::path choose_variant(const fs::path& folder, const std::string& wanted) {
  auto variants = list_variants(folder / "onnx");
  if (variants.empty()) variants = list_variants(folder);
  if (variants.empty())
    fail("model", "{} holds no model: neither genai_config.json nor onnx/model*.onnx", folder.string());
  if (wanted.empty() && variants.size() == 1) return variants.front().second;
  std::string names;
  for (const auto& [name, path] : variants) {
    if (name == wanted && !wanted.empty()) return path;
    names += (names.empty() ? "" : ", ") + (name.empty() ? path.filename().string() : name);
  }
  if (wanted.empty()) fail("model", "{} holds several models: choose one with --variant ({})", folder.string(), names);
  fail("model", "{} has no variant \"{}\"; there are: {}", folder.string(), wanted, names);
}

ModelFiles read_community(const fs::path& folder, const std::string& variant) {
  ModelFiles files;
  files.folder = folder;
  files.onnx = choose_variant(folder, variant);
  if (const fs::path file = folder / "config.json"; fs::exists(file)) {
    const json config = read_json(file);
    uint32_t length = 0;
    read(config, "max_position_embeddings", length, file);
    if (length != 0) files.context_length = length;
    read_ids(config, "eos_token_id", files.stop_ids, file);
  }
  if (const fs::path file = folder / "generation_config.json"; fs::exists(file)) {
    const json config = read_json(file);
    read_ids(config, "eos_token_id", files.stop_ids, file);
    read_search(config, files.search, file);
  }
  return files;
}

}  // namespace

ModelFiles find_model_files(const fs::path& folder, const std::string& variant) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail("model", "{} is not a folder", folder.string());
  ModelFiles files =
      fs::exists(folder / "genai_config.json") ? read_genai(folder, variant) : read_community(folder, variant);
  if (!fs::is_regular_file(files.onnx, error)) fail("model", "{} does not exist", files.onnx.string());
  return files;
}

std::string fill_pattern(const std::string& pattern, uint32_t layer) {
  const size_t at = pattern.find("%d");
  return at == std::string::npos ? pattern : pattern.substr(0, at) + std::to_string(layer) + pattern.substr(at + 2);
}

std::optional<uint32_t> match_pattern(const std::string& pattern, const std::string& name) {
  const size_t at = pattern.find("%d");
  if (at == std::string::npos) return std::nullopt;
  const std::string_view suffix = std::string_view(pattern).substr(at + 2);
  if (name.size() < at + suffix.size() + 1 || name.compare(0, at, pattern, 0, at) != 0 || !name.ends_with(suffix))
    return std::nullopt;
  const char* begin = name.data() + at;
  const char* end = name.data() + name.size() - suffix.size();
  uint32_t layer = 0;
  const auto [stop, code] = std::from_chars(begin, end, layer);
  if (code != std::errc() || stop != end) return std::nullopt;
  return layer;
}

}  // namespace sluice::decode
