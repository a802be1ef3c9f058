// Text generation with a language model stored as ONNX.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sluice/device.h"
#include "sluice/error.h"
#include "sluice/profile.h"

namespace sluice {

struct LoadOptions {
  DeviceChoice device;
  std::string variant;    // of a folder with several ONNX files: "q4f16" for onnx/model_q4f16.onnx
  uint32_t chunk = 2048;  // tokens of a prompt that run at once, where the device has room for them
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes of weights on the device
};

struct SamplingOptions {
  uint32_t max_tokens = 256;
  float temperature = 0;            // 0: the most probable token each time (greedy)
  uint32_t top_k = 0;               // 0: off
  float top_p = 1;                  // 1: off
  float min_p = 0;                  // 0: off
  float repetition_penalty = 1;     // of tokens in the prompt and the answer; 1: off
  float presence_penalty = 0;       // of tokens in the answer
  float frequency_penalty = 0;      // of tokens in the answer, for each time
  uint64_t seed = 0;                // same seed, same device: same text
  std::vector<std::string> stop;    // the text ends before any of these
  bool ignore_stop_tokens = false;  // go on to max_tokens, for measurements
};

// Seconds of loading, part by part.
struct LoadTimes {
  double files = 0;    // graph and tokenizer; weights are mapped, not read
  double device = 0;   // the library, the adapter
  double plan = 0;     // compiling the graph to dispatches
  double upload = 0;   // weights: from the disk or the page cache to the device
  double compile = 0;  // shaders
};

// Bytes on the device.
struct ModelMemory {
  uint64_t weights = 0;
  uint64_t cache = 0;  // at its present size
  uint64_t live = 0;   // all buffers, these and working memory
  uint64_t peak = 0;   // the most that was live at once
};

enum class FinishReason : uint8_t { kStopToken, kStopString, kLength, kCancelled };

struct Generation {
  std::string text;           // without special tokens, and without the stop string
  std::vector<uint32_t> ids;  // sampled tokens, a final stop token not among them
  FinishReason reason = FinishReason::kLength;
  uint32_t prompt_tokens = 0;  // of the whole prompt
  uint32_t prompt_run = 0;     // of those, not taken from the cache
  double prompt_seconds = 0;   // until the first token was there
  double decode_seconds = 0;   // from then to the end
};

// What one new token costs the device: for measurements.
struct TokenCost {
  uint32_t layers = 0;            // decoder layers
  uint32_t dispatches = 0;        // kernels that run, sampling included
  uint32_t layer_dispatches = 0;  // those of the decoder layers; 0 where the nodes' names do not tell
  uint64_t weight_bytes = 0;      // of weights that must be read; of a layer's experts only the chosen ones
  uint64_t state_bytes = 0;       // of the KV cache and other state that must be read
};

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

struct Token {
  std::optional<uint32_t> id;  // absent for text that was still held back at the end
  std::string text;            // what it finished: whole UTF-8 characters, perhaps none
};

// A generation under way, token by token; the device computes a few tokens ahead. Keeps its model alive.
class TokenStream {
 public:
  TokenStream(TokenStream&&) noexcept;
  TokenStream& operator=(TokenStream&&) noexcept;
  ~TokenStream();  // as cancel()

  // Blocks until the next token is there; nothing after the last. Throws Error if the model has begun something else
  // since (another generation, logits(), clear()).
  std::optional<Token> next();
  // Ends the generation: what next() gives then is at most text that was held back.
  void cancel();
  // What has come so far; complete once next() gave nothing.
  const Generation& result() const;

 private:
  friend class TextModel;
  struct Impl;
  explicit TokenStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Any thread may call a model; calls take turns.
class TextModel {
 public:
  // Loads a folder: genai_config.json and its ONNX file, or config.json and onnx/model*.onnx, with tokenizer.json.
  // Throws Error with every obstacle: missing or broken files, unsupported operators, tensors over the device's limits;
  // or with the arithmetic if the model does not fit in the device's memory. Weights are read only after that.
  static TextModel load(const std::filesystem::path& folder, const LoadOptions& options = {});
  TextModel(TextModel&&) noexcept;
  TextModel& operator=(TextModel&&) noexcept;
  ~TextModel();

  const DeviceInfo& device() const;
  uint32_t vocabulary() const;
  std::optional<uint32_t> context_length() const;
  double load_seconds() const;
  LoadTimes load_times() const;
  uint64_t weight_bytes() const;  // on the device
  ModelMemory memory() const;

  // The model's own defaults (generation_config.json or genai_config.json).
  SamplingOptions defaults() const;

  // Needs tokenizer.json; throws Error naming the file otherwise. Special tokens (a leading bos) are added as the
  // tokenizer says.
  std::vector<uint32_t> tokenize(const std::string& text, bool add_special_tokens = true) const;
  std::string detokenize(std::span<const uint32_t> ids) const;
  // The prompt that the model's chat template makes of a conversation, ready for the answer. Throws Error if there is
  // no template.
  std::string apply_chat_template(const std::vector<Message>& messages) const;

  // Continues `prompt`. What the cache already holds of it, from earlier calls, is not run again.
  TokenStream start(std::span<const uint32_t> prompt, const SamplingOptions& sampling);

  // Called for each token with the text that it finished (whole UTF-8 characters, may be empty), and without a token
  // for text that was still held back at the end. False ends the generation.
  using OnToken = std::function<bool(std::string_view text, std::optional<uint32_t> id)>;

  // start() and next() to the end.
  Generation generate(std::span<const uint32_t> prompt, const SamplingOptions& sampling, const OnToken& on_token = {});

  // Forgets what the cache holds.
  void clear();

  // Logits (prompt.size(), vocabulary()) in float32 of every position, computed from an empty cache.
  std::vector<float> logits(std::span<const uint32_t> prompt);

  // Runs `prompt`, at least one token, and options.tokens more, several times, and says where the time went. Forgets
  // what the cache holds. Throws Error if prompt and tokens exceed the context length.
  Profile profile(std::span<const uint32_t> prompt, const ProfileOptions& options = {});

  // Of the token after `depth` others.
  TokenCost token_cost(uint32_t depth) const;

 private:
  friend class TokenStream;
  struct Impl;
  explicit TextModel(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice
