#include "base/log.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/error.h"

namespace sluice {

namespace {

constexpr std::array kLevelNames = {"trace", "debug", "info", "warn", "error", "off"};
constexpr std::array kComponentNames = {"gpu", "graph", "runtime", "decode"};
static_assert(kComponentNames.size() == static_cast<size_t>(Component::kCount));

template <size_t N>
std::string joined(const std::array<const char*, N>& names) {
  std::string text;
  for (const char* name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

template <size_t N>
size_t find_word(const std::array<const char*, N>& names, std::string_view word, const char* what) {
  const auto found = std::find(names.begin(), names.end(), word);
  if (found == names.end()) fail("log", "SLUICE_LOG: \"{}\" is no {}: {}", word, what, joined(names));
  return static_cast<size_t>(found - names.begin());
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result + "\"";
}

// Text that would break the line or the name=value form stands in quotes.
std::string plain_string(const std::string& text) {
  const bool simple = !text.empty() && std::none_of(text.begin(), text.end(),
                                                    [](unsigned char c) { return c <= ' ' || c == '"' || c == '='; });
  return simple ? text : json_string(text);
}

std::string value_text(const LogField& field, bool json) {
  if (const auto* text = std::get_if<std::string>(&field.value)) return json ? json_string(*text) : plain_string(*text);
  if (const auto* whole = std::get_if<uint64_t>(&field.value)) return std::to_string(*whole);
  return fmt::format("{:.3f}", std::get<double>(field.value));
}

std::string now() {
  const auto time = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  std::tm utc{};
#ifdef _WIN32
  gmtime_s(&utc, &seconds);
#else
  gmtime_r(&seconds, &utc);
#endif
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:03}Z", text, milliseconds);
}

}  // namespace

LogSettings LogSettings::parse(std::string_view levels, std::string_view format) {
  LogSettings settings;
  settings.levels.fill(LogLevel::kOff);
  if (!format.empty() && format != "json" && format != "text")
    fail("log", "SLUICE_LOG_FORMAT must be text or json, is \"{}\"", format);
  settings.json = format == "json";
  while (!levels.empty()) {
    const std::string_view part = levels.substr(0, levels.find(','));
    levels.remove_prefix(std::min(levels.size(), part.size() + 1));
    const size_t equals = part.find('=');
    const auto level = static_cast<LogLevel>(
        find_word(kLevelNames, equals == std::string_view::npos ? part : part.substr(equals + 1), "level"));
    if (equals == std::string_view::npos) {
      settings.levels.fill(level);
    } else {
      settings.levels[find_word(kComponentNames, part.substr(0, equals), "component")] = level;
    }
  }
  return settings;
}

const LogSettings& log_settings() {
  static const LogSettings settings = LogSettings::parse(environment("SLUICE_LOG"), environment("SLUICE_LOG_FORMAT"));
  return settings;
}

std::string format_log(const LogLine& line, std::initializer_list<LogField> fields, bool json) {
  const char* level = kLevelNames[static_cast<size_t>(line.level)];
  const char* component = kComponentNames[static_cast<size_t>(line.component)];
  if (!json) {
    std::string text = fmt::format("{} {} {}: {}", line.time, level, component, line.message);
    for (const LogField& field : fields) text += fmt::format(" {}={}", field.name, value_text(field, false));
    return text;
  }
  std::string text = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"component\":\"{}\",\"message\":{}", line.time,
                                 level, component, json_string(line.message));
  for (const LogField& field : fields) text += fmt::format(",{}:{}", json_string(field.name), value_text(field, true));
  return text + "}";
}

void log(Component component, LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!log_wants(component, level)) return;
  const std::string time = now();
  const std::string line = format_log({time, component, level, message}, fields, log_settings().json) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace sluice
