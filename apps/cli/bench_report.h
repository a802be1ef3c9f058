// What `sluice bench` measured, and how it is printed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sluice/text_model.h"

namespace sluice::cli {

// One test: "pp512", a prompt of 512 tokens, or "tg128", 128 new tokens, after `depth` tokens. Tokens a second.
struct BenchRow {
  std::string test;
  uint32_t depth = 0;
  double median = 0, least = 0, most = 0;
  std::optional<TokenCost> cost;  // of new tokens: of the one in the middle
};

struct BenchReport {
  std::string model;
  DeviceInfo device;
  double load_seconds = 0;
  LoadTimes load;
  ModelMemory memory;  // after all tests
  uint32_t layers = 0;
  uint32_t repeats = 0;
  double read_bandwidth = 0;  // bytes a second; 0 if it was not measured
  std::vector<BenchRow> rows;
};

// form: "table", "markdown", "csv" or "json".
std::string format(const BenchReport& report, const std::string& form);

}  // namespace sluice::cli
