// The kernels around a step.
#include "kernels/sample/state.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/common/runner.h"
#include "kernels/sample/sample.h"
#include "kernels/sample/test_words.h"

namespace sluice::kernels {
namespace {

using test::upload_words;

TEST(State, BeginWritesWhatFollowsFromTheLength) {
  const DecodeState state{100, 5, 1, 0};
  for (const uint32_t count : {1u, 3u, 7u, 9u}) {
    Runner runner(test_device());
    BeginStepProblem problem{upload_words(runner, &state, kDecodeStateWords), {}};
    std::vector<std::vector<int32_t>> expected;
    for (uint32_t k = 0; k < count; ++k) {
      const uint32_t size = 1 + k * 40;
      const bool iota = k % 2;
      const auto offset = static_cast<int32_t>(k) - 2;
      problem.targets.push_back(
          {runner.allocate(Storage::kI32, {size}), offset, iota ? StepTarget::Kind::kIota : StepTarget::Kind::kScalar});
      expected.emplace_back(size, 100 + offset);
      if (iota) std::iota(expected.back().begin(), expected.back().end(), 100 + offset);
    }
    plan_begin_step(problem, runner.recorder());
    EXPECT_EQ(runner.recorder().dispatches().size(), count > 7 ? 2u : 1u);
    runner.run();
    for (uint32_t k = 0; k < count; ++k) EXPECT_EQ(runner.read_ints(problem.targets[k].target), expected[k]) << k;
  }
}

TEST(State, EndMovesTheLengthOnlyWhileActive) {
  for (const uint32_t active : {0u, 1u}) {
    Runner runner(test_device());
    const DecodeState state{100, 5, active, 0};
    const Tensor tensor = upload_words(runner, &state, kDecodeStateWords);
    plan_end_step({tensor, 7}, runner.recorder());
    runner.run();
    EXPECT_EQ(runner.read_ints(tensor), (std::vector<int32_t>{active ? 107 : 100, 5, static_cast<int32_t>(active), 0}));
  }
}

TEST(State, Refusals) {
  const gpu::Caps caps;
  Recorder recorder(caps);
  const Tensor state{1, Storage::kU32, {4}}, target{2, Storage::kI32, {1}};
  EXPECT_THROW(plan_begin_step({state, {{target, 0}, {target, 1}}}, recorder), Error);
  EXPECT_THROW(plan_begin_step({state, {{{3, Storage::kF32, {1}}, 0}}}, recorder), Error);
  EXPECT_THROW(plan_end_step({target, 1}, recorder), Error);
}

}  // namespace
}  // namespace sluice::kernels
