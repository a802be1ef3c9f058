// Six dispatches, each exiting at once where the settings do not need it; of a greedy problem the first and the last:
//   scale      penalties and temperature; the greatest of every block
//   histogram  count and mass of the logits in bins of 1/32 below the greatest
//   collect    lists the keys in those bins that the k-th logit or the end of top-p can lie in
//   select     one workgroup: the exact threshold, by radix selection in the list, and min-p
//   sums       mass of every block above the threshold
//   pick       one workgroup: the draw, or the argmax; state, history, ring
// All filters keep equals of their last, so that each comes to a threshold on the logit. Masses are integers (2^-31 of
// the greatest's, so a logit 21.5 below it weighs nothing) and their sums 64-bit.
#include "kernels/sample/sample.h"

#include "kernels/common/strides.h"
#include "kernels/sample/state.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "sample";
constexpr uint32_t kWorkgroup = 256;
constexpr uint32_t kBlock = 2048;
constexpr uint32_t kBins = 4 * kWorkgroup;
constexpr uint32_t kMaxVocabulary = 1u << 22;

struct alignas(16) Params {
  uint32_t vocabulary, blocks, start, ring;
};

struct Scratch {
  Tensor values, maxima, bins, listed, list, choice, sums;
};

void check_words(const Tensor& tensor, Storage storage, uint64_t elements, const char* what) {
  if (tensor.storage != storage || tensor.elements() != elements) {
    fail(kTag, "{} must be {} {} words, got shape {}", what, elements, wgsl_type(storage), shape_text(tensor.shape));
  }
}

Params check(const SampleProblem& problem) {
  const Tensor& logits = problem.logits;
  const uint32_t vocabulary = logits.last();
  if (logits.storage != Storage::kF32 && logits.storage != Storage::kF16) fail(kTag, "logits must be float");
  if (logits.elements() == 0 || vocabulary > kMaxVocabulary) {
    fail(kTag, "a vocabulary of 1 to {} and a row of logits are needed, got shape {}", kMaxVocabulary,
         shape_text(logits.shape));
  }
  const uint64_t row = problem.row == SampleProblem::kLastRow ? logits.rows() - 1 : problem.row;
  if (row >= logits.rows()) fail(kTag, "row {} is not among the {} of the logits", row, logits.rows());
  if (logits.elements() > 0xffffffffu) fail(kTag, "{} logits are beyond 2^32 - 1", logits.elements());
  check_words(problem.settings, Storage::kU32, kSampleSettingsWords, "settings");
  check_words(problem.state, Storage::kU32, kDecodeStateWords, "state");
  check_words(problem.history, Storage::kU32, vocabulary, "history");
  check_words(problem.next_ids, Storage::kI32, 1, "next_ids");
  if (problem.ring.storage != Storage::kI32 || problem.ring.elements() == 0) fail(kTag, "ring must be integers");
  return {vocabulary, ceil_div(vocabulary, kBlock), static_cast<uint32_t>(row * vocabulary),
          static_cast<uint32_t>(problem.ring.elements())};
}

Dispatch kernel(const std::string& name, std::vector<Operand> operands, const Params& params) {
  Dispatch dispatch;
  dispatch.name = "sample/" + name;
  dispatch.shader = {"kernels/sample/" + name + ".wgsl", {{"WG", kWorkgroup}, {"BLOCK", kBlock}, {"BINS", kBins}}};
  dispatch.operands = std::move(operands);
  dispatch.set_uniforms(params);
  return dispatch;
}

void add(Dispatch dispatch, std::array<uint32_t, 3> groups, Recorder& recorder) {
  dispatch.groups = groups;
  recorder.add(std::move(dispatch));
}

// What a draw needs: the threshold, and the mass of every block above it.
void plan_filters(const SampleProblem& problem, const Scratch& s, const Params& params, Recorder& recorder) {
  const Operand settings = in(problem.settings), state = in(problem.state);
  const auto per_block = fold_groups(params.blocks, recorder.caps());
  add(kernel("histogram", {in(s.values), in(s.maxima), settings, state, out(s.bins)}, params), per_block, recorder);
  add(kernel("collect", {in(s.values), in(s.maxima), settings, state, in(s.bins), out(s.listed), out(s.list)}, params),
      per_block, recorder);
  add(kernel("select", {in(s.maxima), settings, state, in(s.bins), in(s.listed), in(s.list), out(s.choice)}, params),
      {1, 1, 1}, recorder);
  add(kernel("sums", {in(s.values), in(s.maxima), settings, state, in(s.choice), out(s.sums)}, params), per_block,
      recorder);
}

// One workgroup. What it touches is for profiles: masses of one block, if an id is drawn, and one number of each list.
Dispatch plan_pick(const SampleProblem& problem, const Scratch& s, const Params& params) {
  Operand history = touching(4, out(problem.history));
  history.updated = true;
  const uint64_t block = problem.greedy ? 0 : storage_bytes(Storage::kF32, std::min(kBlock, params.vocabulary));
  const uint64_t sums = problem.greedy ? 0 : storage_bytes(Storage::kU32, s.sums.elements());
  return kernel("pick",
                {touching(block, in(s.values)), in(s.maxima), touching(sums, in(s.sums)), in(problem.settings),
                 out(problem.state), history, out(problem.next_ids), touching(4, out(problem.ring))},
                params);
}

}  // namespace

void plan_sample(const SampleProblem& problem, Recorder& recorder) {
  const Params params = check(problem);
  Scratch s;
  s.values = recorder.scratch(Storage::kF32, {params.vocabulary});
  s.maxima = recorder.scratch(Storage::kU32, {params.blocks, 2});
  s.bins = recorder.scratch(Storage::kU32, {3, kBins});
  s.listed = recorder.scratch(Storage::kU32, {1});
  s.list = recorder.scratch(Storage::kU32, {params.vocabulary});
  s.choice = recorder.scratch(Storage::kU32, {1});
  s.sums = recorder.scratch(Storage::kU32, {1 + params.blocks, 2});
  Dispatch scale = kernel(
      "scale",
      {touching(storage_bytes(problem.logits.storage, params.vocabulary), in(problem.logits)), in(problem.history),
       in(problem.settings), in(problem.state), out(s.values), out(s.maxima), out(s.bins), out(s.listed)},
      params);
  scale.shader.defines.emplace_back("T", wgsl_type(problem.logits.storage));
  add(std::move(scale), fold_groups(params.blocks, recorder.caps()), recorder);
  if (!problem.greedy) plan_filters(problem, s, params, recorder);
  add(plan_pick(problem, s, params), {1, 1, 1}, recorder);
}

}  // namespace sluice::kernels
