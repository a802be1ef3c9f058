#include "commands.h"

#include <fmt/format.h>

#include <charconv>
#include <random>

#include "terminal.h"

namespace sluice::cli {

namespace {

// Unlike CLI::Range, refuses NaN.
CLI::Validator from_to(float low, float high) {
  const auto check = [low, high](const std::string& text) {
    float value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
    return good ? std::string() : fmt::format("must be from {} to {}, got {}", low, high, text);
  };
  return {check, fmt::format("{} to {}", low, high)};
}

// CLI11 takes -1 and numbers beyond 64 bits for one below 2^64.
std::string check_seed(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good ? std::string() : fmt::format("must be a whole number from 0 to {}, got {}", UINT64_MAX, text);
}

std::string check_not_empty(const std::string& text) { return text.empty() ? "must not be empty" : ""; }

}  // namespace

void ModelArgs::add_to(CLI::App& app) {
  app.add_option("model", folder, "Folder of the model: genai_config.json, or config.json and onnx/")->required();
  app.add_option("--variant", variant, "Which ONNX file of several: q4f16 for onnx/model_q4f16.onnx");
  app.add_option("--device", device, "Index or part of the name of a device (see `sluice devices`)")
      ->envname("SLUICE_DEVICE");
  app.add_option("--webgpu-library", library, "Shared library that implements webgpu.h")
      ->envname("SLUICE_WEBGPU_LIBRARY");
  app.add_option("--chunk", chunk, "Tokens of the prompt that run at once, where the device has room for them")
      ->check(CLI::Range(1u, 8192u))
      ->capture_default_str();
  app.add_flag("--quiet,-q", quiet, "No progress bar and no closing line");
}

LoadOptions ModelArgs::load_options() const {
  LoadOptions options;
  options.device = device_choice();
  options.variant = variant;
  options.chunk = chunk;
  if (!quiet) options.progress = ProgressBar("loading");
  return options;
}

void SamplingArgs::add_to(CLI::App& app) {
  app.add_option("--max-tokens,-n", max_tokens, "Tokens to write at most (default 256; 0: only run the prompt)");
  app.add_flag("--greedy", greedy, "Always the most probable token");
  app.add_option("--temperature", temperature, "Divides the logits before sampling; 0 is greedy")
      ->check(from_to(0, 100));
  app.add_option("--top-k", top_k, "Sample among the k most probable tokens; 0: all");
  app.add_option("--top-p", top_p, "Sample among the most probable tokens that together reach this probability; 1: all")
      ->check(from_to(0, 1));
  app.add_option("--min-p", min_p, "Drop tokens below this share of the most probable one's probability; 0: none")
      ->check(from_to(0, 1));
  app.add_option("--repetition-penalty", repetition_penalty,
                 "Divides logits of tokens in the prompt or the answer; 1: off")
      ->check(from_to(0.01f, 100));
  app.add_option("--presence-penalty", presence_penalty, "Subtracted from logits of tokens in the answer; 0: off")
      ->check(from_to(-100, 100));
  app.add_option("--frequency-penalty", frequency_penalty, "The same, times how often a token is in the answer; 0: off")
      ->check(from_to(-100, 100));
  app.add_option("--seed", seed, "Same seed, same device: same text (default: a random one)")
      ->check(CLI::Validator(check_seed, ""));
  app.add_option("--stop", stop, "The text ends before this string; may be given several times")
      ->check(CLI::Validator(check_not_empty, ""))
      ->take_all()
      ->allow_extra_args(false);
}

SamplingOptions SamplingArgs::apply_to(SamplingOptions options) const {
  const auto set = [](const auto& given, auto& option) {
    if (given) option = *given;
  };
  const bool chooses = temperature || top_k || top_p || min_p;
  if (chooses && !temperature && options.temperature == 0) options.temperature = 1;
  set(max_tokens, options.max_tokens);
  set(temperature, options.temperature);
  set(top_k, options.top_k);
  set(top_p, options.top_p);
  set(min_p, options.min_p);
  set(repetition_penalty, options.repetition_penalty);
  set(presence_penalty, options.presence_penalty);
  set(frequency_penalty, options.frequency_penalty);
  if (greedy) options.temperature = 0;
  std::random_device random;
  options.seed = seed ? *seed : (uint64_t{random()} << 32 | random());
  options.stop = stop;
  return options;
}

std::vector<uint32_t> made_up_ids(uint32_t length, uint32_t vocabulary) {
  std::vector<uint32_t> ids(length);
  for (uint32_t i = 0; i < length; ++i) ids[i] = static_cast<uint32_t>((uint64_t{i} * 7919 + 11) % vocabulary);
  return ids;
}

nlohmann::ordered_json load_json(const LoadTimes& t) {
  return {{"files", t.files}, {"device", t.device}, {"plan", t.plan}, {"upload", t.upload}, {"compile", t.compile}};
}

nlohmann::ordered_json memory_json(const ModelMemory& m) {
  return {{"weights", m.weights}, {"cache", m.cache}, {"live", m.live}, {"peak", m.peak}};
}

void print_summary(const TextModel& model, const Generation& g) {
  const auto rate = [](double count, double seconds) { return seconds > 0 ? count / seconds : 0.0; };
  const size_t after_first = g.ids.empty() ? 0 : g.ids.size() - 1;  // the first comes with the prompt's time
  fmt::print(stderr, "\nload {:.2f} s | prompt {} tokens, {:.1f} tok/s | new {} tokens, {:.1f} tok/s | {}\n",
             model.load_seconds(), g.prompt_tokens, rate(g.prompt_run, g.prompt_seconds), g.ids.size(),
             rate(static_cast<double>(after_first), g.decode_seconds), model.device().name);
}

}  // namespace sluice::cli
