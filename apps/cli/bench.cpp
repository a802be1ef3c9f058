// sluice bench: tokens per second of prompts and of new tokens, in the manner of llama-bench.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "commands.h"

namespace sluice::cli {

namespace {

struct BenchArgs {
  ModelArgs model;
  std::vector<uint32_t> prompt_lengths = {512};
  std::vector<uint32_t> new_lengths = {128};
  uint32_t depth = 0;
  uint32_t repeats = 5;
  std::string output = "table";
};

// One line of the result: a test is "pp512" (a prompt of 512 tokens) or "tg128" (128 new tokens), after `depth` tokens.
struct BenchRow {
  std::string test;
  uint32_t depth = 0;
  double median = 0, least = 0, most = 0;  // tokens per second
};

std::vector<uint32_t> made_up_prompt(uint32_t length, uint32_t vocabulary) {
  std::vector<uint32_t> ids(length);
  for (uint32_t i = 0; i < length; ++i) ids[i] = static_cast<uint32_t>((uint64_t{i} * 7919 + 11) % vocabulary);
  return ids;
}

BenchRow summarize(std::string test, uint32_t depth, std::vector<double> rates) {
  std::sort(rates.begin(), rates.end());
  return {std::move(test), depth, rates[rates.size() / 2], rates.front(), rates.back()};
}

// `depth` tokens are in the cache before the prompt is timed. The first run compiles what is needed and is not counted.
BenchRow bench_prompt(TextModel& model, const BenchArgs& args, uint32_t length) {
  const std::vector<uint32_t> ids = made_up_prompt(args.depth + length, model.vocabulary());
  const std::span<const uint32_t> before = std::span(ids).first(args.depth);
  SamplingOptions sampling;
  sampling.max_tokens = 0;
  std::vector<double> rates;
  for (uint32_t run = 0; run <= args.repeats; ++run) {
    model.clear();
    if (!before.empty()) model.generate(before, sampling);
    const Generation g = model.generate(ids, sampling);
    if (run != 0) rates.push_back(g.prompt_run / g.prompt_seconds);
  }
  return summarize(fmt::format("pp{}", length), args.depth, std::move(rates));
}

BenchRow bench_decode(TextModel& model, const BenchArgs& args, uint32_t length) {
  const std::vector<uint32_t> ids = made_up_prompt(std::max(args.depth, 1u), model.vocabulary());
  SamplingOptions sampling;
  sampling.max_tokens = length + 1;  // the first comes with the prompt
  sampling.ignore_stop_tokens = true;
  std::vector<double> rates;
  for (uint32_t run = 0; run <= args.repeats; ++run) {
    model.clear();
    const Generation g = model.generate(ids, sampling);
    if (run != 0) rates.push_back(static_cast<double>(g.ids.size() - 1) / g.decode_seconds);
  }
  return summarize(fmt::format("tg{}", length), args.depth, std::move(rates));
}

void print_rows(const BenchArgs& args, const TextModel& model, const std::vector<BenchRow>& rows) {
  if (args.output == "json") {
    nlohmann::ordered_json json = {{"model", args.model.folder},
                                   {"device", model.device().name},
                                   {"library", model.device().library_version},
                                   {"load_seconds", model.load_seconds()},
                                   {"load", load_json(model)},
                                   {"memory", memory_json(model)},
                                   {"weight_bytes", model.weight_bytes()},
                                   {"repeats", args.repeats}};
    for (const BenchRow& row : rows)
      json["tests"].push_back(
          {{"test", row.test}, {"depth", row.depth}, {"median", row.median}, {"least", row.least}, {"most", row.most}});
    std::cout << json.dump(2) << "\n";
    return;
  }
  const bool markdown = args.output == "markdown", csv = args.output == "csv";
  const char* format = csv        ? "{},{},{},{},{}\n"
                       : markdown ? "| {} | {} | {} | {} | {} |\n"
                                  : "{:<10} {:>8} {:>14} {:>12} {:>12}\n";
  if (args.output == "table")
    fmt::print("{} on {}, {}; tokens per second, {} repeats\n", args.model.folder, model.device().name,
               model.device().library_version, args.repeats);
  fmt::print(fmt::runtime(format), "test", "depth", "median tok/s", "least", "most");
  if (markdown) fmt::print("| --- | ---: | ---: | ---: | ---: |\n");
  for (const BenchRow& row : rows) {
    fmt::print(fmt::runtime(format), row.test, row.depth, fmt::format("{:.2f}", row.median),
               fmt::format("{:.2f}", row.least), fmt::format("{:.2f}", row.most));
  }
}

void bench(const BenchArgs& args) {
  TextModel model = TextModel::load(args.model.folder, args.model.load_options());
  std::vector<BenchRow> rows;
  for (const uint32_t length : args.prompt_lengths) {
    if (length != 0) rows.push_back(bench_prompt(model, args, length));
  }
  for (const uint32_t length : args.new_lengths) {
    if (length != 0) rows.push_back(bench_decode(model, args, length));
  }
  print_rows(args, model, rows);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto args = std::make_shared<BenchArgs>();
  CLI::App* command = app.add_subcommand("bench", "Measure tokens per second of prompts (pp) and of new tokens (tg)");
  args->model.add_to(*command);
  command->add_option("-p,--prompt-lengths", args->prompt_lengths, "Prompt lengths: 128,512; 0: none")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("-n,--new-tokens", args->new_lengths, "Numbers of new tokens: 128; 0: none")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("-d,--depth", args->depth, "Tokens in the cache before")->capture_default_str();
  command->add_option("-r,--repeats", args->repeats, "Runs that count, after one that does not")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  command->add_option("--output", args->output, "Form of the result")
      ->check(CLI::IsMember({"table", "json", "csv", "markdown"}))
      ->capture_default_str();
  command->callback([args] { bench(*args); });
}

}  // namespace sluice::cli
