#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace sluice {

namespace {

using Json = nlohmann::ordered_json;
namespace spdlevel = spdlog::level;

constexpr std::array kComponentNames = {"gpu", "graph", "runtime", "decode"};
static_assert(kComponentNames.size() == static_cast<size_t>(Component::kCount));
static_assert(static_cast<int>(LogLevel::kTrace) == spdlevel::trace);
static_assert(static_cast<int>(LogLevel::kOff) == spdlevel::off);

LogLevel find_level(std::string_view word) {
  const spdlevel::level_enum level = spdlevel::from_str(std::string(word));
  if (level == spdlevel::off && word != "off")
    fail("log", "SLUICE_LOG: \"{}\" is no level: trace, debug, info, warn, error, critical, off", word);
  return static_cast<LogLevel>(level);
}

size_t find_component(std::string_view word) {
  const auto found = std::find(kComponentNames.begin(), kComponentNames.end(), word);
  if (found == kComponentNames.end())
    fail("log", "SLUICE_LOG: \"{}\" is no component: {}", word, fmt::join(kComponentNames, ", "));
  return static_cast<size_t>(found - kComponentNames.begin());
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string json_text(std::string_view message, std::initializer_list<LogField> fields) {
  Json object = {{"message", message}};
  for (const LogField& field : fields)
    std::visit([&](const auto& value) { object[std::string(field.name)] = value; }, field.value);
  const std::string text = dump(object);
  return text.substr(1, text.size() - 2);
}

// Text that would break the line or the name=value form stands in quotes.
std::string value_text(const std::string& text) {
  const bool simple = !text.empty() && std::none_of(text.begin(), text.end(),
                                                    [](unsigned char c) { return c <= ' ' || c == '"' || c == '='; });
  return simple ? text : dump(text);
}
std::string value_text(uint64_t whole) { return std::to_string(whole); }
std::string value_text(double number) { return fmt::format("{:.3f}", number); }

// A logger a component, all with the one sink that locks stderr for each line.
class Loggers {
 public:
  explicit Loggers(bool json) {
    const auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    const char* pattern = json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","component":"%n",%v})"
                               : "%Y-%m-%dT%H:%M:%S.%eZ %l %n: %v";
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
    for (size_t i = 0; i < loggers_.size(); ++i) {
      loggers_[i] = std::make_unique<spdlog::logger>(kComponentNames[i], sink);
      loggers_[i]->set_level(spdlevel::trace);  // what is wanted was asked before
    }
  }

  void write(Component component, LogLevel level, const std::string& text) {
    loggers_[static_cast<size_t>(component)]->log(static_cast<spdlevel::level_enum>(level), text);
  }

 private:
  std::array<std::unique_ptr<spdlog::logger>, static_cast<size_t>(Component::kCount)> loggers_;
};

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
    if (equals == std::string_view::npos) {
      settings.levels.fill(find_level(part));
    } else {
      settings.levels[find_component(part.substr(0, equals))] = find_level(part.substr(equals + 1));
    }
  }
  return settings;
}

const LogSettings& log_settings() {
  static const LogSettings kSettings = LogSettings::parse(environment("SLUICE_LOG"), environment("SLUICE_LOG_FORMAT"));
  return kSettings;
}

std::string log_text(std::string_view message, std::initializer_list<LogField> fields, bool json) {
  if (json) return json_text(message, fields);
  std::string text(message);
  for (const LogField& field : fields) {
    const std::string value = std::visit([](const auto& v) { return value_text(v); }, field.value);
    text += fmt::format(" {}={}", field.name, value);
  }
  return text;
}

void log(Component component, LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!log_wants(component, level)) return;
  static Loggers loggers(log_settings().json);
  loggers.write(component, level, log_text(message, fields, log_settings().json));
}

}  // namespace sluice
