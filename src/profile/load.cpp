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

// Sums of times that no run can take would be nonsense.
void check_time(double time, const std::string& node, const std::string& file) {
  constexpr double kMost = 1e12;  // eleven days
  if (time >= 0 && time <= kMost) return;
  fail("profile", "{} says that {} took {} us: a time must be from 0 to {:.0e}", file, node, time, kMost);
}

Report checked(Report report, const std::string& file) {
  for (const Phase& phase : report.phases) {
    for (const Step& step : phase.steps) {
      for (const Run& run : step.runs) check_time(run.time, step.node.empty() ? step.op : step.node, file);
    }
    for (const Transfer& t : phase.transfers) check_time(t.time, t.node.empty() ? t.direction : t.node, file);
  }
  return report;
}

}  // namespace

Report load(const std::filesystem::path& file, const RunRange& range) {
  const nlohmann::json json = read_json(file);
  const std::string name = file.filename().string();
  if (!json.is_object() || !json.contains("format")) return checked(parse_ort(json, name, range), name);
  return checked(from_json(json, name), name);
}

}  // namespace sluice::profile
