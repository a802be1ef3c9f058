#include "sluice/text_model.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

#include "api/device_info.h"
#include "api/profile.h"
#include "api/token_cost.h"
#include "base/error.h"
#include "decode/engine.h"
#include "decode/measure.h"
#include "decode/model_files.h"
#include "onnx/import.h"
#include "text/chat_template.h"
#include "text/stop_strings.h"
#include "text/text_stream.h"
#include "text/tokenizer.h"

namespace sluice {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

kernels::SampleSettings sample_settings(const SamplingOptions& options, const std::vector<uint32_t>& stop_ids) {
  if (stop_ids.size() > kernels::kMaxStopIds)
    fail("model", "{} stop tokens are more than the {} that are supported", stop_ids.size(), kernels::kMaxStopIds);
  kernels::SampleSettings settings;
  settings.temperature = options.temperature;
  settings.top_k = options.top_k;
  settings.top_p = options.top_p;
  settings.min_p = options.min_p;
  settings.repetition_penalty = options.repetition_penalty;
  settings.presence_penalty = options.presence_penalty;
  settings.frequency_penalty = options.frequency_penalty;
  settings.seed_lo = static_cast<uint32_t>(options.seed);
  settings.seed_hi = static_cast<uint32_t>(options.seed >> 32);
  settings.stop_count = static_cast<uint32_t>(stop_ids.size());
  std::copy(stop_ids.begin(), stop_ids.end(), settings.stop_ids);
  return settings;
}

// As reports name the model, however its folder was written: "." and "models/demo/" end in no name.
std::string folder_name(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::canonical(folder, error);
  return (error ? folder : whole).filename().string();
}

// Throws Error naming the option for a value outside its range; the sampler's own range is not asked, since it would
// round silently.
void check_sampling(const SamplingOptions& o) {
  const auto check = [](const char* option, float value, float low, float high) {
    if (!(value >= low && value <= high))
      fail("sampling", "{} must be from {} to {}, got {}", option, low, high, value);
  };
  check("temperature", o.temperature, 0, 100);
  check("top_p", o.top_p, 0, 1);
  check("min_p", o.min_p, 0, 1);
  check("repetition_penalty", o.repetition_penalty, 0.01f, 100);
  check("presence_penalty", o.presence_penalty, -100, 100);
  check("frequency_penalty", o.frequency_penalty, -100, 100);
}

}  // namespace

struct TextModel::Impl {
  decode::ModelFiles files;
  std::unique_ptr<gpu::Device> device;
  DeviceInfo info;
  std::unique_ptr<decode::Engine> engine;
  std::optional<text::Tokenizer> tokenizer;
  double load_seconds = 0;
  LoadTimes load_times;
  std::mutex mutex;    // held by whoever uses the engine
  uint64_t begun = 0;  // generations and whatever else ends one

  const text::Tokenizer& need_tokenizer() const {
    if (!tokenizer) fail("tokenizer", "{} does not exist", (files.folder / "tokenizer.json").string());
    return *tokenizer;
  }
};

TextModel::TextModel(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
TextModel::TextModel(TextModel&&) noexcept = default;
TextModel& TextModel::operator=(TextModel&&) noexcept = default;
TextModel::~TextModel() = default;

TextModel TextModel::load(const std::filesystem::path& folder, const LoadOptions& options) {
  const Clock::time_point start = Clock::now();
  if (options.chunk == 0) fail("chunk", "must be at least 1, got 0");
  auto impl = std::make_shared<Impl>();
  LoadTimes& times = impl->load_times;
  impl->files = decode::find_model_files(folder, options.variant);
  graph::Graph graph = onnx::import_model(impl->files.onnx);
  if (const auto file = folder / "tokenizer.json"; std::filesystem::exists(file))
    impl->tokenizer = text::Tokenizer::load(file);
  times.files = seconds_since(start);
  const Clock::time_point opening = Clock::now();
  impl->device = gpu::Device::open(api::device_options(options.device));
  times.device = seconds_since(opening);
  impl->info = api::device_info(impl->device->info());
  impl->engine = std::make_unique<decode::Engine>(*impl->device, std::move(graph), impl->files,
                                                  decode::EngineOptions{options.chunk}, options.progress);
  times.plan = impl->engine->load_times().plan;
  times.upload = impl->engine->load_times().upload;
  times.compile = impl->engine->load_times().compile;
  impl->load_seconds = seconds_since(start);
  return TextModel(std::move(impl));
}

const DeviceInfo& TextModel::device() const { return impl_->info; }
uint32_t TextModel::vocabulary() const { return impl_->engine->vocabulary(); }
std::optional<uint32_t> TextModel::context_length() const { return impl_->engine->context_length(); }
double TextModel::load_seconds() const { return impl_->load_seconds; }
LoadTimes TextModel::load_times() const { return impl_->load_times; }
ModelMemory TextModel::memory() const {
  const std::lock_guard lock(impl_->mutex);
  const gpu::MemoryUse use = impl_->device->memory_use();
  return {impl_->engine->weight_bytes(), impl_->engine->cache_bytes(), use.live, use.peak};
}
uint64_t TextModel::weight_bytes() const { return impl_->engine->weight_bytes(); }

TokenCost TextModel::token_cost(uint32_t depth) const {
  const std::lock_guard lock(impl_->mutex);
  return api::token_cost(*impl_->engine, depth, impl_->device->caps());
}

SamplingOptions TextModel::defaults() const {
  const decode::SearchDefaults& search = impl_->files.search;
  SamplingOptions options;
  options.temperature = search.do_sample ? search.temperature : 0;
  options.top_k = search.top_k;
  options.top_p = search.top_p;
  options.min_p = search.min_p;
  options.repetition_penalty = search.repetition_penalty;
  return options;
}

std::vector<uint32_t> TextModel::tokenize(const std::string& text, bool add_special_tokens) const {
  return impl_->need_tokenizer().encode(text, add_special_tokens);
}

std::string TextModel::detokenize(std::span<const uint32_t> ids) const {
  return impl_->need_tokenizer().decode(ids, true);
}

std::string TextModel::apply_chat_template(const std::vector<Message>& messages) const {
  std::vector<text::Message> inner;
  for (const Message& message : messages) inner.push_back({message.role, message.content});
  return text::ChatTemplate::load(impl_->files.folder).render(inner, true);
}

// All but cancel() and result() hold the model's lock.
struct TokenStream::Impl {
  Impl(std::shared_ptr<TextModel::Impl> owner, const SamplingOptions& sampling)
      : model(std::move(owner)), stops(sampling.stop) {
    if (!sampling.ignore_stop_tokens) stop_ids = model->files.stop_ids;
    if (model->tokenizer) text.emplace(*model->tokenizer);
  }

  void start(std::span<const uint32_t> prompt, const SamplingOptions& sampling) {
    ticket = ++model->begun;
    decode::Engine& engine = *model->engine;
    result.prompt_tokens = static_cast<uint32_t>(prompt.size());
    result.prompt_run = engine.start(prompt, sample_settings(sampling, stop_ids), sampling.max_tokens);
    if (sampling.max_tokens == 0) engine.wait();  // nothing will be read back that says when the prompt has run
  }

  bool is_current() const { return ticket == model->begun; }

  // Text that was held back, at the end.
  std::optional<Token> finish(FinishReason reason) {
    if (is_current()) model->engine->cancel();
    running = false;
    result.reason = reason;
    result.decode_seconds = seconds_since(first.value_or(begin));
    if (reason == FinishReason::kStopString || !text) return std::nullopt;
    std::string rest = stops.feed(text->finish()) + stops.finish();
    if (rest.empty()) return std::nullopt;
    result.text += rest;
    return Token{std::nullopt, std::move(rest)};
  }

  std::optional<Token> next() {
    if (!running) return std::nullopt;
    if (cancelled) return finish(FinishReason::kCancelled);
    if (!is_current()) {
      running = false;
      fail("model", "this generation was ended by a later call of the same model");
    }
    const std::optional<uint32_t> id = model->engine->next();
    if (!first) {
      first = Clock::now();
      result.prompt_seconds = std::chrono::duration<double>(*first - begin).count();
    }
    if (!id) return finish(FinishReason::kLength);
    if (std::find(stop_ids.begin(), stop_ids.end(), *id) != stop_ids.end()) return finish(FinishReason::kStopToken);
    result.ids.push_back(*id);
    Token token{id, stops.feed(text ? text->push(*id) : "")};
    result.text += token.text;
    if (stops.hit()) finish(FinishReason::kStopString);
    return token;
  }

  std::shared_ptr<TextModel::Impl> model;
  std::vector<uint32_t> stop_ids;
  std::optional<text::TextStream> text;
  text::StopStrings stops;
  Generation result;
  uint64_t ticket = 0;
  bool running = true;
  std::atomic<bool> cancelled = false;
  Clock::time_point begin = Clock::now();
  std::optional<Clock::time_point> first;
};

TokenStream::TokenStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TokenStream::TokenStream(TokenStream&&) noexcept = default;
TokenStream& TokenStream::operator=(TokenStream&&) noexcept = default;

TokenStream::~TokenStream() {
  if (!impl_) return;
  const std::lock_guard lock(impl_->model->mutex);
  if (!impl_->running || !impl_->is_current()) return;
  try {
    impl_->model->engine->cancel();
  } catch (const Error&) {  // a lost device: the model's next call says so
  }
}

std::optional<Token> TokenStream::next() {
  const std::lock_guard lock(impl_->model->mutex);
  return impl_->next();
}

void TokenStream::cancel() { impl_->cancelled = true; }
const Generation& TokenStream::result() const { return impl_->result; }

TokenStream TextModel::start(std::span<const uint32_t> prompt, const SamplingOptions& sampling) {
  check_sampling(sampling);
  auto stream = std::make_unique<TokenStream::Impl>(impl_, sampling);
  const std::lock_guard lock(impl_->mutex);
  stream->start(prompt, sampling);
  return TokenStream(std::move(stream));
}

Generation TextModel::generate(std::span<const uint32_t> prompt, const SamplingOptions& sampling,
                               const OnToken& on_token) {
  TokenStream stream = start(prompt, sampling);
  while (const std::optional<Token> token = stream.next()) {
    if (on_token && !on_token(token->text, token->id)) stream.cancel();
  }
  return stream.result();
}

void TextModel::clear() {
  const std::lock_guard lock(impl_->mutex);
  ++impl_->begun;
  impl_->engine->clear();
}

Profile TextModel::profile(std::span<const uint32_t> prompt, const ProfileOptions& options) {
  const std::lock_guard lock(impl_->mutex);
  ++impl_->begun;
  const decode::MeasureOptions measure{.prompt = {prompt.begin(), prompt.end()},
                                       .tokens = options.tokens,
                                       .repeats = options.repeats,
                                       .prefill = options.phase != ProfilePhase::kDecode,
                                       .decode = options.phase != ProfilePhase::kPrefill};
  const runtime::Measurement measurement{.model = folder_name(impl_->files.folder),
                                         .device = impl_->info.name,
                                         .library = impl_->info.library_version,
                                         .timestamps = impl_->device->caps().timestamps,
                                         .read_limit = api::read_limit(*impl_->device, options),
                                         .phases = decode::measure(*impl_->device, *impl_->engine, measure)};
  return Profile(std::make_shared<const Profile::Impl>(Profile::Impl{profile::from_measurement(measurement)}));
}

std::vector<float> TextModel::logits(std::span<const uint32_t> prompt) {
  const std::lock_guard lock(impl_->mutex);
  ++impl_->begun;
  decode::Engine& engine = *impl_->engine;
  std::vector<float> all(prompt.size() * engine.vocabulary());
  engine.clear();
  engine.run_logits(prompt, [&](uint32_t first, std::span<const float> values) {
    std::copy(values.begin(), values.end(),
              all.begin() + static_cast<ptrdiff_t>(uint64_t{first} * engine.vocabulary()));
  });
  return all;
}

}  // namespace sluice
