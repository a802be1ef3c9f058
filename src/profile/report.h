// A profile as plain data, whoever measured it: Sluice's own runs or a file that ONNX Runtime wrote. Everything that is
// shown or written is computed from it by pure functions. Times are in microseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/measurement.h"

namespace sluice::profile {

struct Tensor {
  std::string name;  // empty where the source does not tell
  std::string type;
  std::vector<int64_t> shape;
  bool operator==(const Tensor&) const = default;
};

struct Run {
  double begin = 0;  // since its phase began
  double time = 0;
  uint64_t bytes_read = 0, bytes_written = 0;  // 0: unknown. Upper bounds: what the kernel binds
};

// A dispatch, or a node where the source tells no dispatches, with all its runs.
struct Step {
  std::string op, node;
  std::string kernel;                // empty: unknown
  std::string device;                // "GPU", "CPU", or ONNX Runtime's provider
  std::vector<std::string> sources;  // "Op name" of the nodes that were joined here
  std::vector<Tensor> inputs, outputs;
  bool first_of_node = true;  // one node's dispatches count as one run of its operator
  std::vector<Run> runs;

  double total() const;
  uint64_t bytes() const;  // of all runs
};

struct Transfer {
  std::string direction;  // "to device", "to host"; ONNX Runtime's "MemcpyToHost", "MemcpyFromHost"
  std::string node;       // of ONNX Runtime's file, else empty
  std::string device;
  Tensor from, to;
  std::optional<uint64_t> bytes;
  double begin = 0, time = 0;
};

// Host work of one replay: where the time between dispatches may come from.
struct HostSpan {
  std::string name;  // "record", "submit", "wait"
  double begin = 0, time = 0;
};

// How long the same work took in each way of measuring it; all of one round (a prompt, or a number of tokens). 0: not
// measured.
struct Timing {
  double usual = 0;               // on the host, nobody measuring
  double gpu = 0;                 // on the GPU, one pair of timestamps around each program
  double gpu_stamped = 0;         // on the GPU, a pair around each dispatch: dispatches, gaps, and what stamps cost
  double record = 0, submit = 0;  // on the host, of that
  double compile = 0, first = 0, warm_up = 0;
  uint32_t warm_up_rounds = 0, rounds = 0;
};

struct Phase {
  std::string name;     // "prefill", "decode", "run"
  uint32_t tokens = 0;  // of one round; 0: none
  uint32_t runs = 1;    // replays of a program, or of ONNX Runtime's model_run, that the steps' runs come from
  Timing timing;
  uint64_t submits = 0, waits = 0;  // of the usual round
  std::vector<Step> steps;
  std::vector<Transfer> transfers;
  std::vector<HostSpan> host;

  double total() const;  // of all steps, without transfers
};

struct Report {
  std::string source;  // "sluice" or "onnxruntime"
  std::string model, device, library;
  std::string clock;      // how steps were timed: "GPU timestamps", "submissions", "host"
  double read_limit = 0;  // bytes a second; 0: unknown
  std::vector<Phase> phases;

  bool is_own() const { return source == "sluice"; }
};

// Throws Error if nothing was measured: a model whose outputs are inputs, constants or empty has no steps.
Report from_measurement(const runtime::Measurement& measurement);

// The layer that a node belongs to by its name ("/model/layers.12/..."), or nothing.
std::optional<uint32_t> layer_of(const std::string& node);
// That of a step's node, or else of the first of its sources that tells one.
std::optional<uint32_t> layer_of(const Step& step);

}  // namespace sluice::profile
