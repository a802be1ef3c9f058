// Structured logs on stderr, for people who look for what a run did: SLUICE_LOG=debug, or warn,gpu=trace for single
// components; SLUICE_LOG_FORMAT=json for one JSON object a line. Nothing is logged without it, and asking whether a
// line is wanted costs a comparison. spdlog writes the lines; only log.cpp sees it.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace sluice {

enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kCritical, kOff };  // as spdlog counts them
enum class Component : uint8_t { kGpu, kGraph, kRuntime, kDecode, kCount };

struct LogSettings {
  std::array<LogLevel, static_cast<size_t>(Component::kCount)> levels;  // the least that is wanted, by component
  bool json = false;

  // Of SLUICE_LOG and SLUICE_LOG_FORMAT. Throws Error naming the variable and the word that is wrong.
  static LogSettings parse(std::string_view levels, std::string_view format);
};

// From the environment, read once. Throws as parse() does.
const LogSettings& log_settings();

inline bool log_wants(Component component, LogLevel level) {
  return level >= log_settings().levels[static_cast<size_t>(component)];
}

struct LogField {
  std::string_view name;
  std::variant<std::string, uint64_t, double> value;
};

// Writes a line if it is wanted. Where making the fields costs, ask log_wants() first.
void log(Component component, LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// A line behind its time, level and component: "message name=value", or these as the inside of a JSON object.
std::string log_text(std::string_view message, std::initializer_list<LogField> fields, bool json);

}  // namespace sluice
