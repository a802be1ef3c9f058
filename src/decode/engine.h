// Runs a language model's graph over a growing sequence: prefill in chunks, then a token loop that stays on the GPU.
//
// A program is compiled for each number of new tokens it is asked for (1, the chunk size, the tail of a prompt) and
// replayed. What changes from token to token lives in a few small buffers: the decode state (past length, step,
// active), the next id, which the sampler writes where the embedding reads it, and a ring of sampled ids, which the
// host reads late. The host encodes ahead.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "decode/step_plan.h"
#include "gpu/device.h"
#include "kernels/sample/sample.h"
#include "runtime/program.h"

namespace sluice::decode {

struct EngineOptions {
  uint32_t chunk = 2048;  // tokens of a prompt that are run at once, where the device has room for them
};

// Seconds of an engine's construction.
struct LoadTimes {
  double plan = 0;     // lowering, buffers
  double upload = 0;   // weights to the device
  double compile = 0;  // pipelines of the one-token step
};

class Engine {
 public:
  // Compiles the decode program and uploads the weights. Throws Error before that with every obstacle (unsupported
  // operators, shapes, tensors over the device's limits), or with the arithmetic if the model does not fit in the
  // device's memory.
  Engine(gpu::Device& device, graph::Graph graph, const ModelFiles& files, const EngineOptions& options,
         const runtime::Progress& progress);

  const ModelGraph& model() const { return model_; }
  uint32_t vocabulary() const { return vocabulary_; }
  std::optional<uint32_t> context_length() const { return model_.context_length(); }
  // Ids that the cache holds, oldest first.
  std::span<const uint32_t> tokens() const { return tokens_; }
  // Whether part of the state cannot be cut back to fewer tokens (convolutions), unlike a KV cache.
  bool has_recurrent_state() const { return model_.has_recurrent_state(); }

  // Makes the cache hold exactly a prefix of `ids`, as long as can be kept, and returns its length (less than
  // ids.size()). Recurrent state cannot be cut: unless `ids` continue all that was run, such a model starts from
  // nothing.
  uint32_t reuse_prefix(std::span<const uint32_t> ids);

  // Forgets all tokens.
  void clear();

  // Logits of every position of `ids`, which follow what the cache holds: calls `sink(first, values)` chunk by chunk
  // with `values` (positions, vocabulary) in float32.
  using LogitsSink = std::function<void(uint32_t first, std::span<const float> values)>;
  void run_logits(std::span<const uint32_t> ids, const LogitsSink& sink);

  // Runs what is new of `conversation` and samples up to max_tokens ids after it, which next() returns one by one.
  // Penalties look at the whole conversation. Returns how many tokens were run, without waiting for them.
  uint32_t start(std::span<const uint32_t> conversation, const kernels::SampleSettings& settings, uint32_t max_tokens);
  // The next sampled id (a stop id too), or nothing after a stop id or max_tokens. Blocks until it is there; meanwhile
  // later tokens are under way.
  std::optional<uint32_t> next();
  // Blocks until everything submitted has run.
  void wait() { device_.wait_idle(); }
  // Ends a generation early: ids that were computed ahead are dropped, though the cache holds them until
  // reuse_prefix().
  void cancel();

  const LoadTimes& load_times() const { return times_; }
  uint64_t weight_bytes() const { return weights_.bytes(); }
  uint64_t cache_bytes() const;
  uint32_t capacity() const { return capacity_; }
  // Steps of the one-token program and the nodes they come from.
  const runtime::Program& decode_program() { return program(1, StepKind::kLastLogits).program; }

 private:
  friend class Meter;  // runs the same programs with timestamps (measure.h)
  struct Compiled {
    runtime::Program program;
    kernels::Tensor logits;
  };
  using ProgramKey = std::tuple<uint32_t, StepKind, bool, uint32_t>;  // rows, kind, whether it is greedy, length
  static ProgramKey key_of(const StepShape& shape) { return {shape.rows, shape.kind, shape.greedy, shape.length}; }
  struct State {  // of model_.states(), by index
    kernels::Tensor tensor;
    std::shared_ptr<gpu::Buffer> buffer;
  };
  struct Flight {  // a submission whose sampled ids are on their way
    gpu::Readback ring;
    uint32_t tokens = 0;
  };

  void check_fit(const runtime::MemoryNeed& need) const;
  void create_buffers();
  void create_states(const StepPlan& plan);
  std::shared_ptr<gpu::Buffer> logits_buffer(const kernels::Tensor& logits);
  const std::shared_ptr<gpu::Buffer>& loop(LoopSlot slot) const { return loop_.at(slot_of(slot)); }
  Compiled& program(uint32_t rows, StepKind kind);
  // The step as the present capacity, expected length and sampling settings ask for it.
  StepShape shape_of(uint32_t rows, StepKind kind) const;
  Compiled compile(const StepShape& shape);
  Compiled build(const StepPlan& plan, const StepShape& shape);
  // Caches with room for `tokens`; one-token programs are chosen for about so many from here on.
  void make_room(uint32_t tokens);
  void grow(uint32_t tokens);
  uint32_t next_capacity(uint32_t tokens) const;
  uint64_t bytes_a_token() const;
  uint64_t most_tokens() const;
  void grow_state(State& state, uint32_t capacity);
  void reset_recurrent();
  void check_length(size_t tokens) const;
  void check_ids(std::span<const uint32_t> ids) const;
  void write_state();
  void write_sampling(std::span<const uint32_t> conversation, const kernels::SampleSettings& settings);
  void record_chunk(std::span<const uint32_t> ids, Compiled& compiled, gpu::Commands& commands);
  void submit_steps();
  void take_ids();

  gpu::Device& device_;
  ModelGraph model_;
  EngineOptions options_;
  runtime::Weights weights_;
  runtime::BufferPool pool_;
  std::vector<State> states_;
  LoadTimes times_;
  uint32_t vocabulary_ = 0;
  uint32_t capacity_ = 0;
  uint32_t length_ = 0;        // that one-token programs expect: a power of two, or the capacity
  runtime::SlotBuffers loop_;  // of LoopSlots
  std::shared_ptr<gpu::Buffer> prompt_ids_, logits_;
  std::map<ProgramKey, Compiled> programs_;

  std::vector<uint32_t> tokens_;
  std::deque<Flight> flights_;
  kernels::SampleSettings sampling_;
  std::vector<uint32_t> generated_;  // ids read back in this generation, up to a stop id
  size_t returned_ = 0;              // of generated_
  uint32_t max_tokens_ = 0;
  uint32_t submitted_ = 0;  // ids whose sampling is submitted
  uint32_t received_ = 0;   // ids read back, those after a stop id included
  bool stopped_ = true;     // a stop id was read, or nothing is being generated
};

}  // namespace sluice::decode
