#include "base/log.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace sluice {
namespace {

LogLevel level(const LogSettings& settings, Component component) {
  return settings.levels[static_cast<size_t>(component)];
}

TEST(Log, LevelsOfAllAndOfSingleComponents) {
  const LogSettings none = LogSettings::parse("", "");
  EXPECT_EQ(level(none, Component::kGpu), LogLevel::kOff);
  const LogSettings some = LogSettings::parse("warn,gpu=trace,decode=off", "json");
  EXPECT_TRUE(some.json);
  EXPECT_EQ(level(some, Component::kGpu), LogLevel::kTrace);
  EXPECT_EQ(level(some, Component::kDecode), LogLevel::kOff);
  EXPECT_EQ(level(some, Component::kRuntime), LogLevel::kWarn);
}

TEST(Log, WrongWordsAreNamed) {
  const auto message = [](const char* levels, const char* format) -> std::string {
    try {
      LogSettings::parse(levels, format);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message("loud", "").find("\"loud\" is no level: trace, debug"), std::string::npos);
  EXPECT_NE(message("cpu=info", "").find("\"cpu\" is no component: gpu, graph"), std::string::npos);
  EXPECT_NE(message("info,,gpu=info", "").find("\"\" is no level"), std::string::npos);
  EXPECT_NE(message("info", "xml").find("SLUICE_LOG_FORMAT must be text or json, is \"xml\""), std::string::npos);
}

TEST(Log, LinesAsTextAndAsJson) {
  const std::initializer_list<LogField> fields = {
      {"shader", std::string("a \"b\"\n")}, {"bytes", uint64_t{7}}, {"ms", 1.5}, {"name", std::string("x.wgsl")}};
  EXPECT_EQ(log_text("pipeline", fields, false), "pipeline shader=\"a \\\"b\\\"\\n\" bytes=7 ms=1.500 name=x.wgsl");
  EXPECT_EQ(log_text("pipeline", fields, true),
            "\"message\":\"pipeline\",\"shader\":\"a \\\"b\\\"\\n\",\"bytes\":7,\"ms\":1.5,\"name\":\"x.wgsl\"");
}

TEST(Log, BytesThatAreNoUtf8DoNotBreakALine) {
  const std::initializer_list<LogField> fields = {{"name", std::string("\xff")}};
  EXPECT_EQ(log_text("device", fields, true), "\"message\":\"device\",\"name\":\"\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace sluice
