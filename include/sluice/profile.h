// Where a run's time goes: what was measured, as text, data and pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sluice/error.h"

namespace sluice {

enum class ProfilePhase : uint8_t { kPrefill, kDecode, kBoth };

struct ProfileOptions {
  ProfilePhase phase = ProfilePhase::kBoth;
  uint32_t tokens = 32;    // to decode after the prompt
  uint32_t repeats = 3;    // rounds of each kind of measuring; the one of median time is kept
  bool read_limit = true;  // measure what the device can read, for shares of it; takes about a second
};

// An operator, kernel or device with all the time that was spent in it.
struct ProfileRow {
  std::string name;
  double total_microseconds = 0;
  uint64_t count = 0;  // nodes for operators, dispatches otherwise
  uint64_t bytes = 0;  // bound by the dispatches: an upper bound of what was moved
};

struct ProfilePhaseResult {
  std::string name;     // "prefill", "decode"; "run" of a session or of ONNX Runtime's file
  uint32_t tokens = 0;  // of the round that all figures are of
  // Microseconds of the same round: as it runs when nobody measures, on the host; the whole on the GPU, and the sum of
  // its dispatches, each with timestamps of its own (0 without timestamps).
  double usual = 0, gpu = 0, dispatches = 0;
  std::vector<ProfileRow> operators, kernels, devices;
};

// Copies share the data.
class Profile {
 public:
  // A file of Sluice's (json()) or of ONNX Runtime's profiler, known by its content; of the latter only the runs
  // first_run to last_run, counted from 0. Throws Error naming the file if it cannot be read or is neither.
  static Profile load(const std::filesystem::path& file, uint32_t first_run = 0, uint32_t last_run = ~0u);

  std::vector<ProfilePhaseResult> phases() const;

  std::string text() const;   // the report
  std::string json() const;   // everything; load() reads it
  std::string csv() const;    // one line a step
  std::string trace() const;  // for chrome://tracing and Perfetto
  std::string html() const;   // one page, without anything else

  // Operators side by side, with ratios.
  static std::string compare(const Profile& a, const Profile& b);

 private:
  friend class TextModel;
  friend class Session;
  struct Impl;
  explicit Profile(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace sluice
