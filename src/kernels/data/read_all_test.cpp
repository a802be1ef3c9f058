#include "kernels/data/read_all.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kBlock = ReadAllProblem::kBlockWords;

TEST(ReadAll, EveryWordOnce) {
  std::mt19937 random(5);
  for (const uint32_t blocks : {1u, 2u, 3u, 7u}) {
    for (const uint32_t groups : {1u, 2u, 3u, 64u}) {
      std::vector<int32_t> words(size_t{blocks} * kBlock);
      for (int32_t& word : words) word = static_cast<int32_t>(random());
      Runner runner(test_device());
      Tensor x = runner.upload({static_cast<uint32_t>(words.size())}, words);
      x.storage = Storage::kUnsigned;
      const Tensor sums = runner.allocate(Storage::kUnsigned, {groups});
      plan_read_all({x, sums}, runner.recorder());
      runner.run();
      const auto add = [](uint32_t sum, int32_t word) { return sum + static_cast<uint32_t>(word); };
      const std::vector<int32_t> parts = runner.read_ints(sums);
      EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), 0u, add),
                std::accumulate(words.begin(), words.end(), 0u, add))
          << blocks << " blocks by " << groups << " workgroups";
    }
  }
}

TEST(ReadAll, Refuses) {
  const gpu::Caps caps;
  const auto plan = [&](uint32_t words, uint32_t groups, Storage storage) {
    Recorder recorder(caps);
    plan_read_all({{1, storage, {words}}, {2, Storage::kUnsigned, {groups}}}, recorder);
  };
  EXPECT_THROW(plan(0, 1, Storage::kUnsigned), Error);
  EXPECT_THROW(plan(kBlock + 4, 1, Storage::kUnsigned), Error);
  EXPECT_THROW(plan(kBlock, 0, Storage::kUnsigned), Error);
  EXPECT_THROW(plan(kBlock, 65536, Storage::kUnsigned), Error);
  EXPECT_THROW(plan(kBlock, 1, Storage::kF32), Error);
}

}  // namespace
}  // namespace sluice::kernels
