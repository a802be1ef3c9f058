// The subcommands of `sluice`: each adds itself to the command line and returns what runs it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "sluice/text_model.h"

namespace sluice::cli {

// Options that choose model and device, shared by the commands that load one.
struct ModelArgs {
  std::string folder;
  std::string variant;
  std::string device;
  std::string library;
  uint32_t chunk = LoadOptions().chunk;
  bool quiet = false;

  void add_to(CLI::App& app);
  LoadOptions load_options() const;
  DeviceChoice device_choice() const { return {library, device}; }
};

// Sampling flags; what is not given stays as the model's defaults have it.
struct SamplingArgs {
  std::optional<uint32_t> max_tokens, top_k;
  std::optional<float> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<uint64_t> seed;
  bool greedy = false;
  std::vector<std::string> stop;

  void add_to(CLI::App& app);
  SamplingOptions apply_to(SamplingOptions defaults) const;
};

void add_run(CLI::App& app);
void add_chat(CLI::App& app);
void add_devices(CLI::App& app);
void add_inspect(CLI::App& app);
void add_bench(CLI::App& app);
void add_profile(CLI::App& app);

// A prompt to measure with: ids spread over the vocabulary.
std::vector<uint32_t> made_up_ids(uint32_t length, uint32_t vocabulary);

// Of a model, for --output json: seconds of loading by part, bytes on the device.
nlohmann::ordered_json load_json(const LoadTimes& times);
nlohmann::ordered_json memory_json(const ModelMemory& memory);

// The closing line on stderr: load time, prompt and new tokens with their rates, device.
void print_summary(const TextModel& model, const Generation& generation);

}  // namespace sluice::cli
