// sluice bench: tokens per second of prompts and of new tokens, in the manner of llama-bench, and what a token costs.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "bench_report.h"
#include "commands.h"

namespace sluice::cli {

namespace {

struct BenchArgs {
  ModelArgs model;
  std::vector<uint32_t> prompt_lengths = {512};
  std::vector<uint32_t> new_lengths = {128};
  std::vector<uint32_t> depths = {0};
  uint32_t repeats = 5;
  bool bandwidth = true;
  std::string output = "table";
};

BenchRow summarize(std::string test, uint32_t depth, std::vector<double> rates) {
  std::sort(rates.begin(), rates.end());
  const size_t middle = rates.size() / 2;
  const double median = rates.size() % 2 ? rates[middle] : (rates[middle - 1] + rates[middle]) / 2;
  return {std::move(test), depth, median, rates.front(), rates.back(), std::nullopt};
}

// The first run compiles what is needed and is not counted. A cache that can be cut back to `depth` tokens serves all
// runs.
BenchRow bench_prompt(TextModel& model, uint32_t length, uint32_t depth, uint32_t repeats) {
  const std::vector<uint32_t> ids = made_up_ids(depth + length, model.vocabulary());
  SamplingOptions sampling;
  sampling.max_tokens = 0;
  std::vector<double> rates;
  for (uint32_t run = 0; run <= repeats; ++run) {
    if (depth == 0)
      model.clear();
    else
      model.generate(std::span(ids).first(depth), sampling);
    const Generation g = model.generate(ids, sampling);
    if (run != 0) rates.push_back(g.prompt_run / g.prompt_seconds);
  }
  return summarize(fmt::format("pp{}", length), depth, std::move(rates));
}

// What is timed begins with an idle device that has one token to run: a clock started when the first of a generation
// arrives would not count those that the device computed meanwhile.
BenchRow bench_decode(TextModel& model, uint32_t length, uint32_t depth, uint32_t repeats) {
  SamplingOptions sampling;
  sampling.ignore_stop_tokens = true;
  std::vector<double> rates;
  for (uint32_t run = 0; run <= repeats; ++run) {
    std::vector<uint32_t> ids = made_up_ids(std::max(depth, 1u), model.vocabulary());
    sampling.max_tokens = 1;
    ids.push_back(model.generate(ids, sampling).ids.at(0));
    sampling.max_tokens = length;
    const Generation g = model.generate(ids, sampling);
    if (run != 0) rates.push_back(static_cast<double>(g.ids.size()) / (g.prompt_seconds + g.decode_seconds));
  }
  BenchRow row = summarize(fmt::format("tg{}", length), depth, std::move(rates));
  row.cost = model.token_cost(depth + length / 2);
  return row;
}

// With a device of its own, so that the buffer is gone when the model is loaded.
double measure_bandwidth(const BenchArgs& args) {
  try {
    return Device(args.model.device_choice()).measure_read_bandwidth();
  } catch (const Error& error) {
    fmt::print(stderr, "the read bandwidth was not measured: {}\n", error.what());
    return 0;
  }
}

uint32_t longest(const std::vector<uint32_t>& list) { return *std::max_element(list.begin(), list.end()); }

void check_lengths(const BenchArgs& args, const TextModel& model) {
  const uint64_t tokens =
      uint64_t{longest(args.depths)} + std::max(longest(args.prompt_lengths), longest(args.new_lengths) + 1);
  const uint64_t room = model.context_length().value_or(UINT32_MAX);
  if (tokens > room) throw Error("bench", fmt::format("needs {} tokens, the model takes at most {}", tokens, room));
}

void bench(const BenchArgs& args) {
  BenchReport report;
  if (args.bandwidth) report.read_bandwidth = measure_bandwidth(args);
  TextModel model = TextModel::load(args.model.folder, args.model.load_options());
  check_lengths(args, model);
  for (const uint32_t depth : args.depths) {
    for (const uint32_t length : args.prompt_lengths) {
      if (length != 0) report.rows.push_back(bench_prompt(model, length, depth, args.repeats));
    }
    for (const uint32_t length : args.new_lengths) {
      if (length != 0) report.rows.push_back(bench_decode(model, length, depth, args.repeats));
    }
  }
  report.model = args.model.folder;
  report.device = model.device();
  report.load_seconds = model.load_seconds();
  report.load = model.load_times();
  report.memory = model.memory();
  report.layers = model.token_cost(0).layers;
  report.repeats = args.repeats;
  std::cout << format(report, args.output) << std::flush;
}

}  // namespace

void add_bench(CLI::App& app) {
  auto args = std::make_shared<BenchArgs>();
  CLI::App* command = app.add_subcommand("bench", "Measure tokens per second of prompts (pp) and of new tokens (tg)");
  args->model.add_to(*command);
  const auto list = [command](const char* names, std::vector<uint32_t>& target, const char* help) {
    command->add_option(names, target, help)->delimiter(',')->check(CLI::Range(0u, 1u << 30))->capture_default_str();
  };
  list("-p,--prompt-lengths", args->prompt_lengths, "Prompt lengths: 128,512; 0: none");
  list("-n,--new-tokens", args->new_lengths, "Numbers of new tokens: 128; 0: none");
  list("-d,--depth", args->depths, "Tokens in the cache before each of these tests: 0,4096");
  command->add_option("-r,--repeats", args->repeats, "Runs that count, after one that does not")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  command->add_flag_callback(
      "--no-bandwidth", [args] { args->bandwidth = false; }, "Do not measure how fast the device reads its memory");
  command->add_option("--output", args->output, "Form of the result")
      ->check(CLI::IsMember({"table", "json", "csv", "markdown"}))
      ->capture_default_str();
  command->callback([args] {
    if (longest(args->prompt_lengths) == 0 && longest(args->new_lengths) == 0)
      throw CLI::ValidationError("--prompt-lengths and --new-tokens", "there is nothing to measure, both are 0");
    bench(*args);
  });
}

}  // namespace sluice::cli
