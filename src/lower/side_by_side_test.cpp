#include "lower/side_by_side.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/common/runner.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/matmul_nbits.h"

namespace sluice::lower {
namespace {

using kernels::Dispatch;
using kernels::Recorder;
using kernels::Runner;
using kernels::Storage;

// Dispatches of nodes called "Op 0", "Op 1", ..., each with a source of its own and one that all have.
Lowered lowered(std::vector<Dispatch> dispatches) {
  Lowered result;
  for (size_t i = 0; i < dispatches.size(); ++i) {
    result.nodes.push_back(fmt::format("Op{} node{}", i, i));
    result.sources.push_back({fmt::format("Op{} node{}", i, i), "Norm norm"});
  }
  for (const Dispatch& d : dispatches) {
    for (const kernels::Operand& operand : d.operands)
      result.slots.push_back({operand.slot, {}, {operand.slot, {}, {3}}});
  }
  result.dispatches = std::move(dispatches);
  return result;
}

// A dispatch that reads and writes these slots.
Dispatch dispatch(const std::vector<kernels::Slot>& reads, kernels::Slot written) {
  Dispatch d;
  d.name = fmt::format("kernel{}", written);
  for (const kernels::Slot slot : reads) d.operands.push_back({slot, gpu::Access::kRead});
  d.operands.push_back({written, gpu::Access::kReadWrite});
  d.groups = {written, 1, 1};
  d.uniforms.resize(16 * written);
  d.footprint = kernels::Footprint{64, 1000};
  return d;
}

gpu::Caps roomy() {
  gpu::Caps caps;
  caps.max_storage_buffers = 16;
  return caps;
}

std::vector<std::string> names_after(std::vector<Dispatch> dispatches, const gpu::Caps& caps) {
  Lowered all = lowered(std::move(dispatches));
  run_side_by_side(all, caps);
  std::vector<std::string> names;
  for (const Dispatch& d : all.dispatches) names.push_back(d.name);
  EXPECT_EQ(all.nodes.size(), names.size());
  EXPECT_EQ(all.sources.size(), names.size());
  return names;
}

using Names = std::vector<std::string>;

TEST(SideBySide, JoinsWhatDoesNotWait) {
  Lowered all = lowered({dispatch({9}, 1), dispatch({9}, 2), dispatch({1, 2}, 3)});
  run_side_by_side(all, roomy());
  ASSERT_EQ(all.dispatches.size(), 2u);
  const Dispatch& d = all.dispatches[0];
  EXPECT_EQ(d.name, "kernel1 + kernel2");
  EXPECT_EQ(all.nodes[0], "Op0+Op1 node0");
  EXPECT_EQ(all.sources[0], (Names{"Op0 node0", "Norm norm", "Op1 node1"}));
  EXPECT_EQ(d.operands.size(), 4u);
  EXPECT_EQ(d.groups[0], 3u);
  EXPECT_EQ(d.uniforms.size(), 16u + 16 + 32);
  EXPECT_EQ(d.footprint->bytes, 2000u);
  ASSERT_EQ(d.shader.parts.size(), 2u);
  EXPECT_EQ(d.shader.parts[1].storage, 2u);
  EXPECT_EQ(d.shader.parts[1].uniform_bytes, 32u);
  EXPECT_EQ(all.nodes[1], "Op2 node2");
}

TEST(SideBySide, KeepsTheOrderOfWhatDoes) {
  const auto one = dispatch({9}, 1);
  EXPECT_EQ(names_after({one, dispatch({1}, 2)}, roomy()), (Names{"kernel1", "kernel2"}));  // reads what it writes
  EXPECT_EQ(names_after({one, dispatch({8}, 9)}, roomy()), (Names{"kernel1", "kernel9"}));  // writes what it reads
  EXPECT_EQ(names_after({one, dispatch({8}, 1)}, roomy()), (Names{"kernel1", "kernel1"}));  // writes what it writes
  EXPECT_EQ(names_after({one, dispatch({1}, 2), dispatch({2}, 3)}, roomy()).size(), 3u);
  EXPECT_EQ(names_after({one, dispatch({1}, 2), dispatch({9}, 3)}, roomy()), (Names{"kernel1", "kernel2 + kernel3"}));
  auto alone = dispatch({1}, 2);
  alone.footprint.reset();
  EXPECT_EQ(names_after({one, alone, dispatch({9}, 3)}, roomy()), (Names{"kernel1 + kernel3", "kernel2"}));
}

TEST(SideBySide, WithinTheLimits) {
  const std::vector<Dispatch> two = {dispatch({9}, 1), dispatch({9}, 2)};
  EXPECT_EQ(names_after(two, roomy()).size(), 1u);
  gpu::Caps caps = roomy();
  caps.max_storage_buffers = 3;
  EXPECT_EQ(names_after(two, caps).size(), 2u);
  caps = roomy();
  caps.max_workgroup_storage = 1999;
  EXPECT_EQ(names_after(two, caps).size(), 2u);
  caps = roomy();
  caps.max_workgroups = 2;
  EXPECT_EQ(names_after(two, caps).size(), 2u);
  std::vector<Dispatch> many = {dispatch({9}, 1), dispatch({9}, 5000)};
  EXPECT_EQ(names_after(many, roomy()).size(), 2u);
  many.clear();
  for (uint32_t i = 1; i <= 5; ++i) many.push_back(dispatch({9}, i));
  EXPECT_EQ(names_after(many, roomy()).size(), 2u);
}

TEST(SideBySide, ResizesOneForTheOther) {
  for (const bool first : {true, false}) {
    Dispatch fixed = dispatch({9}, 1), able = dispatch({9}, 2);
    fixed.footprint->invocations = 256;
    able.resized = [able](uint32_t invocations) {
      Dispatch d = able;
      d.footprint->invocations = invocations;
      d.name += "@" + std::to_string(invocations);
      return d;
    };
    const auto names = names_after(first ? std::vector{able, fixed} : std::vector{fixed, able}, roomy());
    EXPECT_EQ(names, Names{first ? "kernel2@256 + kernel1" : "kernel1 + kernel2@256"});
    able.resized = [](uint32_t) { return std::optional<Dispatch>(); };
    EXPECT_EQ(names_after({fixed, able}, roomy()).size(), 2u);
  }
}

std::vector<float> random_floats(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(random() % 2001) / 1000 - 1;
  return values;
}

struct Outputs {
  std::vector<float> products, quantised;
};

// A product of floats and one of 4-bit weights, of the same row.
Outputs products(Runner& runner, uint32_t n, uint32_t k, uint32_t accuracy_level, bool join) {
  const auto a = runner.upload(Storage::kF32, {1, k}, random_floats(k, 1));
  kernels::MatMulProblem p{.a = a,
                           .b = runner.upload(Storage::kF32, {k, n}, random_floats(size_t{k} * n, 2)),
                           .y = runner.allocate(Storage::kF32, {1, n})};
  plan_matmul(p, runner.recorder());
  const std::vector<uint8_t> bytes(size_t{n} * k / 2, 0x5c);
  kernels::MatMulNBitsProblem q{.a = a,
                                .b = runner.upload_bytes({n, k / 32, 16}, bytes),
                                .scales = runner.upload(Storage::kF32, {n * k / 32}, random_floats(n * k / 32, 3)),
                                .y = runner.allocate(Storage::kF32, {1, n}),
                                .n = n,
                                .k = k,
                                .accuracy_level = accuracy_level};
  plan_matmul_nbits(q, runner.recorder());
  if (join) {
    Lowered all = lowered(std::move(runner.recorder().dispatches()));
    run_side_by_side(all, runner.recorder().caps());
    EXPECT_EQ(all.dispatches.size(), 1u);
    runner.recorder().dispatches() = std::move(all.dispatches);
  }
  runner.run();
  return {runner.read_floats(p.y), runner.read_floats(q.y)};
}

// The same numbers to the last bit.
TEST(SideBySide, ComputesTheSame) {
  for (const uint32_t accuracy_level : {0u, 4u}) {
    for (const auto& [n, k] : {std::pair{130u, 96u}, {1u, 32u}, {512u, 1024u}}) {
      Runner apart(kernels::test_device()), joined(kernels::test_device());
      const Outputs expected = products(apart, n, k, accuracy_level, false);
      const Outputs got = products(joined, n, k, accuracy_level, true);
      EXPECT_EQ(got.products, expected.products) << n << " " << k;
      EXPECT_EQ(got.quantised, expected.quantised) << n << " " << k;
    }
  }
}

}  // namespace
}  // namespace sluice::lower
