#include "decode/engine.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "kernels/attention/kv_cache.h"
#include "kernels/sample/state.h"
#include "runtime/compile.h"
#include "runtime/host.h"

namespace sluice::decode {

using graph::Dim;
using kernels::Slot;
using kernels::Storage;
using kernels::Tensor;

namespace {

// Slots of the engine's own buffers, apart from those of values (from 1) and of scratch (from 2^24).
constexpr Slot kFirstScratch = 1u << 26;
constexpr Slot kOwn = 1u << 28;
constexpr uint32_t kRingSize = 64;
constexpr uint32_t kMaxTokensPerSubmission = 4;
constexpr size_t kMaxFlights = 3;
constexpr uint32_t kFirstCapacity = 256;
constexpr size_t kMaxPrograms = 16;
constexpr uint64_t kMaxLogitsBytes = 64u << 20;  // of the positions whose logits are computed at once

const Tensor kState{kOwn + 0, Storage::kU32, {kernels::kDecodeStateWords}};
const Tensor kSettings{kOwn + 1, Storage::kU32, {kernels::kSampleSettingsWords}};
const Tensor kNextId{kOwn + 3, Storage::kI32, {1}};
const Tensor kRing{kOwn + 4, Storage::kI32, {kRingSize}};
constexpr Slot kHistorySlot = kOwn + 2;
constexpr Slot kActiveSlot = kOwn + 5;

uint64_t bytes_of(const Tensor& tensor) { return kernels::storage_bytes(tensor.storage, tensor.elements()); }

template <class T>
std::span<const std::byte> bytes_of_object(const T& object) {
  return std::as_bytes(std::span(&object, 1));
}

// Derived integers come in two forms: one element, or consecutive ones.
kernels::StepTarget step_target(const lower::SlotInfo& slot) {
  const std::vector<Dim>& elements = slot.derived;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (elements[i].symbol == 0 || elements[i].value != elements[0].value + static_cast<int64_t>(i)) {
      fail("engine", "\"{}\" follows from the number of past tokens in a way that is not supported", slot.name);
    }
  }
  return {.target = slot.tensor,
          .offset = static_cast<int32_t>(elements.at(0).value),
          .kind = kernels::StepTarget::Kind::kIota};
}

}  // namespace

Engine::Engine(gpu::Device& device, graph::Graph graph, const ModelFiles& files, const EngineOptions& options,
               const runtime::Progress& progress)
    : device_(device),
      model_(std::move(graph), files),
      options_(options),
      weights_(device, model_.graph()),
      pool_(device),
      states_(model_.states().size()) {
  capacity_ = std::min(kFirstCapacity, context_length().value_or(kFirstCapacity));
  create_buffers();
  programs_.emplace(std::pair(1u, StepKind::kLastLogits), compile(1, StepKind::kLastLogits, progress));
}

void Engine::create_buffers() {
  const auto make = [&](uint64_t bytes, const char* label) {
    return std::make_shared<gpu::Buffer>(device_.create_buffer(bytes, label));
  };
  state_ = make(bytes_of(kState), "decode state");
  settings_ = make(bytes_of(kSettings), "sample settings");
  next_id_ = make(bytes_of(kNextId), "next id");
  ring_ = make(bytes_of(kRing), "sampled ids");
  active_ = make(4, "active");
  prompt_ids_ = make(uint64_t{options_.chunk} * 4, "prompt ids");
}

Engine::Compiled Engine::compile(uint32_t rows, StepKind kind, const runtime::Progress& progress) {
  lower::Lowered lowered = model_.lower(rows, kind, capacity_, {kActiveSlot, Storage::kU32, {1}}, device_.caps());
  for (const std::string& line : runtime::check_limits(lowered.slots, device_.caps()))
    lowered.obstacles.push_back(line);
  runtime::throw_obstacles(fmt::format("the model cannot run on {}", device_.info().name), lowered.obstacles);
  weights_.upload(lowered.slots, progress);
  return assemble(std::move(lowered), rows, kind);
}

// Puts the step's own dispatches around the graph's: lengths before it; the new length and the sampler after it.
Engine::Compiled Engine::assemble(lower::Lowered lowered, uint32_t rows, StepKind kind) {
  kernels::Recorder recorder(device_.caps(), kFirstScratch);
  kernels::BeginStepProblem begin{.state = kState, .targets = {}};
  for (const lower::SlotInfo& slot : lowered.slots) {
    if (slot.kind == lower::SlotKind::kDerived) begin.targets.push_back(step_target(slot));
  }
  if (model_.has_recurrent_state())
    begin.targets.push_back(
        {.target = {kActiveSlot, Storage::kI32, {1}}, .offset = 0, .kind = kernels::StepTarget::Kind::kActive});
  kernels::plan_begin_step(begin, recorder);
  std::vector<std::string> nodes(recorder.dispatches().size(), "begin step");
  for (kernels::Dispatch& dispatch : lowered.dispatches) recorder.add(std::move(dispatch));
  nodes.insert(nodes.end(), lowered.nodes.begin(), lowered.nodes.end());
  kernels::plan_end_step({.state = kState, .tokens = rows}, recorder);
  nodes.resize(recorder.dispatches().size(), "end step");
  Tensor logits;
  if (kind != StepKind::kStateOnly) logits = lowered.outputs.at(model_.files().logits);
  if (kind == StepKind::kLastLogits) {
    use_vocabulary(logits.last());
    const Tensor history{kHistorySlot, Storage::kU32, {vocabulary_}};
    kernels::plan_sample({.logits = logits,
                          .settings = kSettings,
                          .state = kState,
                          .history = history,
                          .next_ids = kNextId,
                          .ring = kRing},
                         recorder);
    nodes.resize(recorder.dispatches().size(), "sample");
  }
  for (const Tensor& tensor : recorder.scratch_tensors()) {
    lowered.slots.push_back({.slot = tensor.slot,
                             .kind = lower::SlotKind::kIntermediate,
                             .tensor = tensor,
                             .name = "scratch",
                             .constant = nullptr,
                             .derived = {},
                             .value = graph::kNoValue});
  }
  place_states(lowered);
  runtime::SlotBuffers external = {{kState.slot, state_},    {kSettings.slot, settings_}, {kHistorySlot, history_},
                                   {kNextId.slot, next_id_}, {kRing.slot, ring_},         {kActiveSlot, active_}};
  external[lowered.inputs.at(model_.files().input_ids).slot] = rows == 1 ? next_id_ : prompt_ids_;
  for (size_t i = 0; i < states_.size(); ++i)
    external[lowered.inputs.at(model_.states()[i].past).slot] = states_[i].buffer;
  return {runtime::Program(device_, {recorder.dispatches(), nodes, lowered.slots, external}, weights_, pool_), logits};
}

void Engine::use_vocabulary(uint32_t size) {
  if (vocabulary_ != 0) return;
  vocabulary_ = size;
  history_ = std::make_shared<gpu::Buffer>(device_.create_buffer(uint64_t{size} * 4, "token history"));
}

// The first compilation tells the states' shapes; their buffers are made then, and again when the capacity grows.
void Engine::place_states(const lower::Lowered& lowered) {
  for (size_t i = 0; i < states_.size(); ++i) {
    const std::string& name = model_.states()[i].past;
    states_[i].tensor = lowered.inputs.at(name);
    if (!states_[i].buffer)
      states_[i].buffer = std::make_shared<gpu::Buffer>(device_.create_buffer(bytes_of(states_[i].tensor), name));
  }
}

Engine::Compiled& Engine::program(uint32_t rows, StepKind kind) {
  const auto key = std::pair(rows, kind);
  if (const auto found = programs_.find(key); found != programs_.end()) return found->second;
  if (programs_.size() >= kMaxPrograms) {  // tails of prompts come in all lengths
    std::erase_if(programs_,
                  [&](const auto& entry) { return entry.first.first != 1 && entry.first.first != options_.chunk; });
  }
  return programs_.emplace(key, compile(rows, kind, {})).first->second;
}

void Engine::ensure_capacity(uint32_t tokens) {
  if (tokens <= capacity_) return;
  uint32_t capacity = capacity_;
  while (capacity < tokens) capacity *= 2;
  capacity = std::min(capacity, context_length().value_or(capacity));
  grow_states(capacity);
  capacity_ = capacity;
  programs_.clear();  // they hold the old buffers and the old capacity
}

void Engine::grow_states(uint32_t capacity) {
  gpu::Commands commands(device_);
  std::vector<runtime::Program> copies;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!model_.states()[i].grows) continue;
    State& state = states_[i];
    const std::string& name = model_.states()[i].past;
    kernels::Recorder recorder(device_.caps());
    const Tensor from{1, state.tensor.storage, state.tensor.shape};
    Tensor to{2, state.tensor.storage, state.tensor.shape};
    to.shape[2] = capacity;
    auto buffer = std::make_shared<gpu::Buffer>(device_.create_buffer(bytes_of(to), name));
    kernels::plan_kv_resize(from, to, recorder);
    const std::vector<std::string> nodes(recorder.dispatches().size(), "grow " + name);
    const runtime::SlotBuffers buffers = {{1, state.buffer}, {2, buffer}};
    copies.emplace_back(device_, runtime::ProgramParts{recorder.dispatches(), nodes, {}, buffers}, weights_, pool_);
    commands.dispatch(copies.back().steps());
    state.buffer = std::move(buffer);
  }
  device_.submit(std::move(commands));
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
  device_.write(ids.size() == 1 ? *next_id_ : *prompt_ids_, 0, std::as_bytes(ids));
  commands.dispatch(compiled.program.steps());
  tokens_.insert(tokens_.end(), ids.begin(), ids.end());
}

void Engine::write_state() {
  const kernels::DecodeState state{.past_length = static_cast<uint32_t>(tokens_.size()), .step = 0, .active = 1};
  device_.write(*state_, 0, bytes_of_object(state));
}

void Engine::run_logits(std::span<const uint32_t> ids, const LogitsSink& sink) {
  cancel();
  check_ids(ids);
  check_length(tokens_.size() + ids.size());
  ensure_capacity(static_cast<uint32_t>(tokens_.size() + ids.size()));
  write_state();
  const uint64_t longest = std::min<uint64_t>(ids.size(), options_.chunk);
  auto rows = static_cast<uint32_t>(
      std::clamp<uint64_t>(kMaxLogitsBytes / (uint64_t{vocabulary_} * 4), 1, std::max<uint64_t>(longest, 1)));
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
  device_.write(*history_, 0, std::as_bytes(std::span(history)));
  device_.write(*settings_, 0, bytes_of_object(settings));
  sampling_ = settings;
}

uint32_t Engine::start(std::span<const uint32_t> conversation, const kernels::SampleSettings& settings,
                       uint32_t max_tokens) {
  check_ids(conversation);
  check_length(conversation.size());
  const uint32_t kept = reuse_prefix(conversation);
  ensure_capacity(static_cast<uint32_t>(conversation.size()));
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
      flights_.push_back({device_.submit_and_read(std::move(commands), {ring_.get(), 0, 0}), 1});
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
    ensure_capacity(static_cast<uint32_t>(tokens_.size()) + submitted_ + count - 1);
    const Compiled& compiled = program(1, StepKind::kLastLogits);
    gpu::Commands commands(device_);
    for (uint32_t i = 0; i < count; ++i) commands.dispatch(compiled.program.steps());
    flights_.push_back({device_.submit_and_read(std::move(commands), {ring_.get(), 0, 0}), count});
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
