#include "bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "commands.h"

namespace sluice::cli {

namespace {

// What follows from a row's median. Those of memory need the cost of a token, which only new tokens have.
struct Derived {
  double us_token = 0, us_layer = 0;
  double layer_dispatches = 0;  // of one layer, on average
  double bytes = 0;             // a token
  double gb_s = 0, share = 0;   // of the device's read bandwidth; 0 if that is not known
};

Derived derive(const BenchReport& report, const BenchRow& row) {
  Derived d;
  d.us_token = 1e6 / row.median;
  d.us_layer = d.us_token / std::max(report.layers, 1u);
  if (!row.cost) return d;
  d.layer_dispatches = static_cast<double>(row.cost->layer_dispatches) / std::max(row.cost->layers, 1u);
  d.bytes = static_cast<double>(row.cost->weight_bytes + row.cost->state_bytes);
  d.gb_s = d.bytes * row.median / 1e9;
  if (report.read_bandwidth > 0) d.share = d.gb_s * 1e9 / report.read_bandwidth;
  return d;
}

using Cells = std::vector<std::string>;

const Cells kHeader = {"test",     "depth",      "tok/s",      "least",    "most", "us/token",
                       "us/layer", "disp/token", "disp/layer", "MB/token", "GB/s", "of memory"};

// Decimals as the size calls for: 7.83, 53.1, 1978.
std::string number(double value) { return fmt::format("{:.{}f}", value, value < 10 ? 2 : value < 100 ? 1 : 0); }

Cells cells(const BenchReport& report, const BenchRow& row) {
  const Derived d = derive(report, row);
  Cells result = {row.test,         std::to_string(row.depth), number(row.median), number(row.least),
                  number(row.most), number(d.us_token),        number(d.us_layer)};
  if (row.cost) {
    result.push_back(std::to_string(row.cost->dispatches));
    result.push_back(d.layer_dispatches > 0 ? number(d.layer_dispatches) : "");
    result.push_back(number(d.bytes / 1e6));
    result.push_back(number(d.gb_s));
    result.push_back(d.share > 0 ? fmt::format("{:.1f}%", 100 * d.share) : "");
  }
  result.resize(kHeader.size());
  return result;
}

std::string line(const Cells& row, const std::string& form) {
  if (form == "csv") return fmt::format("{}\n", fmt::join(row, ","));
  if (form == "markdown") return fmt::format("| {} |\n", fmt::join(row, " | "));
  std::string text;
  for (size_t i = 0; i < row.size(); ++i) text += fmt::format("{:>{}}", row[i], i == 0 ? 8 : 11);
  return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

std::string megabytes(double bytes) { return number(bytes / 1e6) + " MB"; }

std::string head_lines(const BenchReport& report) {
  std::string text = fmt::format("{} on {}, {}, {}\n", report.model, report.device.name, report.device.backend,
                                 report.device.library_version);
  text += fmt::format("{} layers, {} of weights, loaded in {:.2f} s, {} of device memory at most", report.layers,
                      megabytes(static_cast<double>(report.memory.weights)), report.load_seconds,
                      megabytes(static_cast<double>(report.memory.peak)));
  if (report.read_bandwidth > 0) text += fmt::format(", memory read at {} GB/s", number(report.read_bandwidth / 1e9));
  return text + fmt::format("; median of {} runs\n", report.repeats);
}

nlohmann::ordered_json to_json(const BenchReport& report, const BenchRow& row) {
  const Derived d = derive(report, row);
  nlohmann::ordered_json json = {{"test", row.test},      {"depth", row.depth}, {"median", row.median},
                                 {"least", row.least},    {"most", row.most},   {"us_token", d.us_token},
                                 {"us_layer", d.us_layer}};
  if (!row.cost) return json;
  json["dispatches_token"] = row.cost->dispatches;
  json["dispatches_layer"] = d.layer_dispatches;
  json["weight_bytes_token"] = row.cost->weight_bytes;
  json["state_bytes_token"] = row.cost->state_bytes;
  json["gb_s"] = d.gb_s;
  if (d.share > 0) json["share_of_read_bandwidth"] = d.share;
  return json;
}

std::string json_text(const BenchReport& report) {
  nlohmann::ordered_json json = {{"model", report.model},
                                 {"device", report.device.name},
                                 {"driver", report.device.driver},
                                 {"backend", report.device.backend},
                                 {"library", report.device.library_version},
                                 {"load_seconds", report.load_seconds},
                                 {"load", load_json(report.load)},
                                 {"memory", memory_json(report.memory)},
                                 {"layers", report.layers},
                                 {"repeats", report.repeats}};
  if (report.read_bandwidth > 0) json["read_gb_s"] = report.read_bandwidth / 1e9;
  json["tests"] = nlohmann::ordered_json::array();
  for (const BenchRow& row : report.rows) json["tests"].push_back(to_json(report, row));
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string format(const BenchReport& report, const std::string& form) {
  if (form == "json") return json_text(report);
  std::string text = form == "table" ? head_lines(report) : "";
  text += line(kHeader, form);
  if (form == "markdown") {
    Cells rule(kHeader.size(), "---:");
    rule[0] = "---";
    text += line(rule, form);
  }
  for (const BenchRow& row : report.rows) text += line(cells(report, row), form);
  return text;
}

}  // namespace sluice::cli
