#include "profile/load.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "profile/json.h"

namespace sluice::profile {

namespace {

nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || std::filesystem::is_directory(file)) fail("profile", "{} cannot be read", file.string());
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  const size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) fail("profile", "{} is empty", file.string());
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_discarded()) return json;
  const bool begins = text.find_first_of("[{") == text.find_first_not_of(" \t\r\n");
  if (begins && text[end] != ']' && text[end] != '}')
    fail("profile", "{} ends in the middle: was the profile ended (end_profiling())?", file.string());
  fail("profile", "{} is not JSON", file.string());
}

}  // namespace

Report load(const std::filesystem::path& file, const RunRange& range) {
  const nlohmann::json json = read_json(file);
  const std::string name = file.filename().string();
  return json.is_object() && json.contains("format") ? from_json(json, name) : parse_ort(json, name, range);
}

}  // namespace sluice::profile
