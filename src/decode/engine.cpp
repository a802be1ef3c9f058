#include "decode/engine.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "kernels/attention/kv_cache.h"
#include "kernels/sample/state.h"
#include "runtime/compile.h"
#include "runtime/host.h"

namespace sluice::decode {

using kernels::Tensor;

namespace {

constexpr uint32_t kMaxTokensPerSubmission = 4;
constexpr size_t kMaxFlights = 3;
constexpr uint32_t kFirstCapacity = 256;
constexpr size_t kMaxPrograms = 16;
constexpr uint64_t kMaxLogitsBytes = 64u << 20;  // of the positions whose logits are computed at once

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

uint64_t bytes_of(const Tensor& tensor) { return kernels::storage_bytes(tensor.storage, tensor.elements()); }

template <class T>
std::span<const std::byte> bytes_of_object(const T& object) {
  return std::as_bytes(std::span(&object, 1));
}

}  // namespace

Engine::Engine(gpu::Device& device, graph::Graph graph, const ModelFiles& files, const EngineOptions& options,
               const runtime::Progress& progress)
    : device_(device),
      model_(std::move(graph), files),
      options_(options),
      weights_(device, model_.graph()),
      pool_(device) {
  const auto start = Clock::now();
  const uint32_t longest = context_length().value_or(std::numeric_limits<uint32_t>::max());
  options_.chunk = std::min(options_.chunk, longest);
  capacity_ = length_ = std::min(kFirstCapacity, longest);
  const ModelPlan plan = plan_model(model_, {options_.chunk, capacity_, device_.info().memory}, device_.caps());
  runtime::throw_obstacles(fmt::format("the model cannot run on {}", device_.info().name), plan.obstacles);
  check_fit(plan.need);
  options_.chunk = plan.rows;
  vocabulary_ = plan.token.logits.last();
  create_buffers();
  pool_.take(runtime::intermediate_sizes(plan.chunk.shape()));
  create_states(plan.token);
  times_.plan = seconds_since(start);
  const auto planned = Clock::now();
  weights_.upload(plan.token.slots, progress);
  device_.wait_idle();
  times_.upload = seconds_since(planned);
  const auto uploaded = Clock::now();
  const StepShape token = shape_of(1, StepKind::kLastLogits);
  programs_.emplace(key_of(token), build(plan.token, token));
  times_.compile = seconds_since(uploaded);
  log(Component::kDecode, LogLevel::kInfo, "model ready",
      {{"weights", weights_.bytes()},
       {"plan_s", times_.plan},
       {"upload_s", times_.upload},
       {"compile_s", times_.compile}});
}

void Engine::check_fit(const runtime::MemoryNeed& need) const {
  const uint64_t memory = device_.info().memory;
  if (memory == 0 || need.total() <= memory) return;
  throw Error("memory", fmt::format("the model does not fit on {}: {}, the device has {}", device_.info().name,
                                    runtime::arithmetic(need), runtime::size_text(memory)));
}

void Engine::create_buffers() {
  const auto make = [&](LoopSlot slot, uint64_t words, const char* label) {
    loop_[slot_of(slot)] = std::make_shared<gpu::Buffer>(device_.create_buffer(words * 4, label));
  };
  make(LoopSlot::kState, kernels::kDecodeStateWords, "decode state");
  make(LoopSlot::kSettings, kernels::kSampleSettingsWords, "sample settings");
  make(LoopSlot::kHistory, vocabulary_, "token history");
  make(LoopSlot::kNextId, 1, "next id");
  make(LoopSlot::kRing, kRingSize, "sampled ids");
  make(LoopSlot::kActive, 1, "active");
  prompt_ids_ = std::make_shared<gpu::Buffer>(device_.create_buffer(uint64_t{options_.chunk} * 4, "prompt ids"));
}

void Engine::create_states(const StepPlan& plan) {
  for (size_t i = 0; i < plan.states.size(); ++i) {
    const Tensor& tensor = plan.states[i];
    const std::string& name = model_.states()[i].past;
    states_.push_back({tensor, std::make_shared<gpu::Buffer>(device_.create_buffer(bytes_of(tensor), name))});
  }
}

// The logits of all steps lie in one buffer, as long as the longest needed so far.
std::shared_ptr<gpu::Buffer> Engine::logits_buffer(const Tensor& logits) {
  if (!logits_ || logits_->size() < bytes_of(logits))
    logits_ = std::make_shared<gpu::Buffer>(device_.create_buffer(bytes_of(logits), "logits"));
  return logits_;
}

Engine::Compiled Engine::compile(const StepShape& shape) {
  const auto start = Clock::now();
  const StepPlan plan = plan_step(model_, shape, device_.caps());
  runtime::throw_obstacles(fmt::format("the model cannot run on {}", device_.info().name), plan.obstacles);
  weights_.upload(plan.slots, {});
  const auto planned = Clock::now();
  Compiled compiled = build(plan, shape);
  log(Component::kDecode, LogLevel::kDebug, "step compiled",
      {{"rows", uint64_t{shape.rows}},
       {"length", uint64_t{shape.length}},
       {"plan_s", std::chrono::duration<double>(planned - start).count()},
       {"build_s", seconds_since(planned)}});
  return compiled;
}

Engine::Compiled Engine::build(const StepPlan& plan, const StepShape& shape) {
  runtime::SlotBuffers external = loop_;
  external[plan.input_ids.slot] = shape.rows == 1 ? loop(LoopSlot::kNextId) : prompt_ids_;
  if (plan.logits) external[plan.logits.slot] = logits_buffer(plan.logits);
  for (size_t i = 0; i < states_.size(); ++i) external[plan.states[i].slot] = states_[i].buffer;
  return {runtime::Program(device_, {plan.dispatches, plan.nodes, plan.slots, external}, weights_, pool_), plan.logits};
}

StepShape Engine::shape_of(uint32_t rows, StepKind kind) const {
  const bool draws = sampling_.temperature > 0;
  return {rows, kind, capacity_, kind == StepKind::kLastLogits && !draws, rows == 1 ? length_ : capacity_};
}

Engine::Compiled& Engine::program(uint32_t rows, StepKind kind) {
  const StepShape shape = shape_of(rows, kind);
  if (const auto found = programs_.find(key_of(shape)); found != programs_.end()) return found->second;
  if (programs_.size() >= kMaxPrograms) {  // tails of prompts come in all lengths
    std::erase_if(programs_, [&](const auto& entry) {
      const uint32_t length = std::get<0>(entry.first);
      return length != 1 && length != options_.chunk;
    });
  }
  return programs_.emplace(key_of(shape), compile(shape)).first->second;
}

void Engine::make_room(uint32_t tokens) {
  if (tokens > capacity_) grow(tokens);
  length_ = std::min(capacity_, std::max(kFirstCapacity, std::bit_ceil(tokens)));
}

void Engine::grow(uint32_t tokens) {
  const uint32_t capacity = next_capacity(tokens);
  programs_.clear();  // they hold the old buffers and the old capacity
  for (size_t i = 0; i < states_.size(); ++i) {
    if (model_.states()[i].grows) grow_state(states_[i], capacity);
  }
  capacity_ = capacity;
  log(Component::kDecode, LogLevel::kDebug, "cache grown", {{"tokens", uint64_t{capacity}}, {"bytes", cache_bytes()}});
}

// Doubled until `tokens` fit; less where the device's memory ends before.
uint32_t Engine::next_capacity(uint32_t tokens) const {
  uint64_t capacity = capacity_;
  while (capacity < tokens) capacity *= 2;
  capacity = std::min<uint64_t>(capacity, context_length().value_or(std::numeric_limits<uint32_t>::max()));
  const uint64_t most = most_tokens();
  if (tokens <= most) return static_cast<uint32_t>(std::min(capacity, most));
  fail("memory",
       "a context of {} tokens does not fit on {}: the cache takes {} a token, and {} of {} are in use; {} "
       "tokens would fit",
       tokens, device_.info().name, runtime::size_text(bytes_a_token()),
       runtime::size_text(device_.memory_use().live - cache_bytes()), runtime::size_text(device_.info().memory), most);
}

uint64_t Engine::bytes_a_token() const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (model_.states()[i].grows) bytes += states_[i].buffer->size() / states_[i].tensor.shape[2];
  }
  return bytes;
}

// Of the cache, beside everything else that is on the device. While one layer grows, its old buffer is still there.
uint64_t Engine::most_tokens() const {
  const uint64_t memory = device_.info().memory, token = bytes_a_token();
  if (memory == 0 || token == 0) return std::numeric_limits<uint32_t>::max();
  uint64_t used = device_.memory_use().live, layer = 0;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!model_.states()[i].grows) continue;
    used -= states_[i].buffer->size();
    layer = std::max(layer, states_[i].buffer->size());
  }
  return used + layer >= memory ? 0 : (memory - used - layer) / token;
}

// Waits, so that the old buffer is gone before the next layer's new one is made.
void Engine::grow_state(State& state, uint32_t capacity) {
  kernels::Recorder recorder(device_.caps());
  const Tensor from{1, state.tensor.storage, state.tensor.shape};
  Tensor to{2, state.tensor.storage, state.tensor.shape};
  to.shape[2] = capacity;
  auto buffer = std::make_shared<gpu::Buffer>(device_.create_buffer(bytes_of(to), "cache"));
  kernels::plan_kv_resize(from, to, recorder);
  const std::vector<std::string> nodes(recorder.dispatches().size(), "grow the cache");
  const runtime::SlotBuffers buffers = {{1, state.buffer}, {2, buffer}};
  {
    const runtime::Program copy(device_, {recorder.dispatches(), nodes, {}, buffers}, weights_, pool_);
    gpu::Commands commands(device_);
    commands.dispatch(copy.steps());
    device_.submit(std::move(commands));
  }
  state.buffer = std::move(buffer);
  state.tensor.shape[2] = capacity;
  device_.wait_idle();
}

uint32_t Engine::reuse_prefix(std::span<const uint32_t> ids) {
  cancel();
  if (ids.empty()) fail("prompt", "the prompt is empty: it must hold at least one token");
  const auto mismatch = std::mismatch(tokens_.begin(), tokens_.end(), ids.begin(), ids.end());
  auto kept = static_cast<uint32_t>(mismatch.first - tokens_.begin());
  kept = std::min(kept, static_cast<uint32_t>(ids.size() - 1));
  if (model_.has_recurrent_state() && kept != tokens_.size()) kept = 0;
  if (kept == 0) reset_recurrent();
  tokens_.resize(kept);
  return kept;
}

void Engine::clear() {
  cancel();
  tokens_.clear();
  reset_recurrent();
}

void Engine::reset_recurrent() {
  gpu::Commands commands(device_);
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!model_.states()[i].grows) commands.clear(*states_[i].buffer, 0, states_[i].buffer->size());
  }
  device_.submit(std::move(commands));
}

void Engine::check_length(size_t tokens) const {
  if (context_length() && tokens > *context_length()) {
    fail("prompt", "{} tokens are more than the model's context length of {}", tokens, *context_length());
  }
}

void Engine::record_chunk(std::span<const uint32_t> ids, Compiled& compiled, gpu::Commands& commands) {
  device_.write(ids.size() == 1 ? *loop(LoopSlot::kNextId) : *prompt_ids_, 0, std::as_bytes(ids));
  commands.dispatch(compiled.program.steps());
  tokens_.insert(tokens_.end(), ids.begin(), ids.end());
}

void Engine::write_state() {
  const kernels::DecodeState state{.past_length = static_cast<uint32_t>(tokens_.size()), .step = 0, .active = 1};
  device_.write(*loop(LoopSlot::kState), 0, bytes_of_object(state));
}

void Engine::run_logits(std::span<const uint32_t> ids, const LogitsSink& sink) {
  cancel();
  check_ids(ids);
  check_length(tokens_.size() + ids.size());
  make_room(static_cast<uint32_t>(tokens_.size() + ids.size()));
  write_state();
  const uint64_t longest = std::min<uint64_t>(ids.size(), options_.chunk);
  const uint64_t most = std::min(kMaxLogitsBytes, device_.caps().max_binding);
  auto rows = static_cast<uint32_t>(
      std::clamp<uint64_t>(most / (uint64_t{vocabulary_} * 4), 1, std::max<uint64_t>(longest, 1)));
  if (program(rows, StepKind::kAllLogits).logits.rows() != rows)
    rows = 1;  // the exporter pruned the head to the last position
  for (size_t first = 0; first < ids.size(); first += rows) {
    const auto chunk = ids.subspan(first, std::min<size_t>(rows, ids.size() - first));
    Compiled& compiled = program(static_cast<uint32_t>(chunk.size()), StepKind::kAllLogits);
    gpu::Commands commands(device_);
    record_chunk(chunk, compiled, commands);
    device_.submit(std::move(commands));
    sink(static_cast<uint32_t>(first),
         runtime::read_floats(device_, compiled.program.buffer(compiled.logits.slot), compiled.logits));
  }
}

void Engine::check_ids(std::span<const uint32_t> ids) const {
  for (const uint32_t id : ids) {
    if (id >= vocabulary_) fail("prompt", "token id {} is outside the vocabulary of {}", id, vocabulary_);
  }
}

// What the sampler reads: the settings, and which ids the conversation holds.
void Engine::write_sampling(std::span<const uint32_t> conversation, const kernels::SampleSettings& settings) {
  std::vector<uint32_t> history(vocabulary_, 0);
  for (const uint32_t id : conversation) history[id] = 1u << 31;
  device_.write(*loop(LoopSlot::kHistory), 0, std::as_bytes(std::span(history)));
  device_.write(*loop(LoopSlot::kSettings), 0, bytes_of_object(settings));
  sampling_ = settings;
}

uint32_t Engine::start(std::span<const uint32_t> conversation, const kernels::SampleSettings& settings,
                       uint32_t max_tokens) {
  check_ids(conversation);
  check_length(conversation.size());
  const uint32_t kept = reuse_prefix(conversation);
  make_room(static_cast<uint32_t>(conversation.size()));
  write_sampling(conversation, settings);
  write_state();
  const uint64_t room =
      context_length() ? *context_length() - conversation.size() + 1 : std::numeric_limits<uint32_t>::max();
  max_tokens_ = static_cast<uint32_t>(std::min<uint64_t>(max_tokens, room));
  stopped_ = max_tokens == 0;
  submitted_ = received_ = 0;
  const auto ids = conversation.subspan(kept);
  for (size_t first = 0; first < ids.size(); first += options_.chunk) {
    const auto chunk = ids.subspan(first, std::min<size_t>(options_.chunk, ids.size() - first));
    const bool samples = first + chunk.size() == ids.size() && !stopped_;
    Compiled& compiled =
        program(static_cast<uint32_t>(chunk.size()), samples ? StepKind::kLastLogits : StepKind::kStateOnly);
    gpu::Commands commands(device_);
    record_chunk(chunk, compiled, commands);
    if (samples) {
      flights_.push_back({device_.submit_and_read(std::move(commands), {loop(LoopSlot::kRing).get(), 0, 0}), 1});
      submitted_ = 1;
    } else {
      device_.submit(std::move(commands));
    }
  }
  return static_cast<uint32_t>(ids.size());
}

// Keeps a few submissions under way, so that the GPU never waits for the host. Later ones hold several tokens each.
void Engine::submit_steps() {
  while (!stopped_ && flights_.size() < kMaxFlights && submitted_ < max_tokens_) {
    const uint32_t count = std::min({max_tokens_ - submitted_, submitted_, kMaxTokensPerSubmission});
    make_room(static_cast<uint32_t>(tokens_.size()) + submitted_ + count - 1);
    const Compiled& compiled = program(1, StepKind::kLastLogits);
    gpu::Commands commands(device_);
    for (uint32_t i = 0; i < count; ++i) commands.dispatch(compiled.program.steps());
    flights_.push_back({device_.submit_and_read(std::move(commands), {loop(LoopSlot::kRing).get(), 0, 0}), count});
    submitted_ += count;
  }
}

// Waits for the oldest submission and takes its ids.
void Engine::take_ids() {
  Flight& flight = flights_.front();
  flight.ring.wait();
  std::array<int32_t, kRingSize> ring;
  std::memcpy(ring.data(), flight.ring.bytes().data(), sizeof(ring));
  for (uint32_t i = 0; i < flight.tokens; ++i) {
    const int32_t id = ring[received_++ % kRingSize];
    if (stopped_ || id < 0) continue;
    generated_.push_back(static_cast<uint32_t>(id));
    const std::span<const uint32_t> stops(sampling_.stop_ids, sampling_.stop_count);
    stopped_ = std::find(stops.begin(), stops.end(), generated_.back()) != stops.end();
  }
  flights_.pop_front();
}

std::optional<uint32_t> Engine::next() {
  submit_steps();
  while (returned_ == generated_.size() && !flights_.empty()) {
    take_ids();
    submit_steps();
  }
  if (returned_ == generated_.size()) return std::nullopt;
  return generated_[returned_++];
}

// The last sampled id was never run, whether a stop id or the end of the budget: all before it are in the cache.
void Engine::cancel() {
  while (!flights_.empty()) take_ids();
  if (generated_.size() > 1) tokens_.insert(tokens_.end(), generated_.begin(), generated_.end() - 1);
  generated_.clear();
  returned_ = 0;
  stopped_ = true;
}

uint64_t Engine::cache_bytes() const {
  uint64_t total = 0;
  for (const State& state : states_) total += state.buffer->size();
  return total;
}

}  // namespace sluice::decode
