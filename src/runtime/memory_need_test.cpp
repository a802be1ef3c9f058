// What programs need on the device: shared parts once, own parts each.
#include "runtime/memory_need.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice::runtime {
namespace {

using kernels::Storage;
using kernels::Tensor;
using lower::SlotKind;

struct Shape {
  std::vector<kernels::Dispatch> dispatches;
  std::vector<lower::SlotInfo> slots;

  Tensor slot(SlotKind kind, uint32_t words, const std::string& name,
              std::shared_ptr<const graph::Constant> constant = nullptr) {
    Tensor tensor{static_cast<kernels::Slot>(slots.size() + 1), Storage::kF32, {words}};
    slots.push_back({.slot = tensor.slot,
                     .kind = kind,
                     .tensor = tensor,
                     .name = name,
                     .constant = std::move(constant),
                     .derived = {},
                     .value = graph::kNoValue});
    return tensor;
  }
  void dispatch(const Tensor& from, const Tensor& to) {
    kernels::Dispatch d;
    d.operands = {in(from), out(to)};
    d.uniforms.resize(16);
    dispatches.push_back(std::move(d));
  }
  ProgramShape shape() const { return {dispatches, slots}; }
};

// weight -> a -> b -> logits, with a cache; `words` of each intermediate.
Shape chain(uint32_t words, uint32_t logits, const std::shared_ptr<const graph::Constant>& weight) {
  Shape s;
  const Tensor w = s.slot(SlotKind::kConstant, 100, "w", weight), a = s.slot(SlotKind::kIntermediate, words, "a"),
               b = s.slot(SlotKind::kIntermediate, words, "b"), y = s.slot(SlotKind::kOutput, logits, "logits");
  s.slot(SlotKind::kCache, 50, "cache");
  s.slot(SlotKind::kInput, 3, "ids");
  s.dispatch(w, a);
  s.dispatch(a, b);
  s.dispatch(b, y);
  return s;
}

TEST(MemoryNeed, OneProgram) {
  gpu::Caps caps;
  caps.uniform_alignment = 64;
  const auto weight = std::make_shared<graph::Constant>();
  const Shape s = chain(10, 7, weight);
  const MemoryNeed need = memory_need(std::array{s.shape()}, caps);
  EXPECT_EQ(need.weights, 400u);
  EXPECT_EQ(need.cache, 200u);
  EXPECT_EQ(need.outputs, 28u);
  EXPECT_EQ(need.working, 2 * 40u + 12u + 3 * 64u);
  EXPECT_EQ(need.total(), need.weights + need.cache + need.outputs + need.working);
}

TEST(MemoryNeed, ProgramsShareAllButInputsAndUniforms) {
  gpu::Caps caps;
  caps.uniform_alignment = 64;
  const auto weight = std::make_shared<graph::Constant>();
  const Shape one = chain(10, 7, weight), many = chain(80, 56, weight);
  const MemoryNeed need = memory_need(std::array{one.shape(), many.shape()}, caps);
  EXPECT_EQ(need.weights, 400u);
  EXPECT_EQ(need.cache, 200u);
  EXPECT_EQ(need.outputs, 56 * 4u);
  EXPECT_EQ(need.working, 2 * 320u + 2 * (12u + 3 * 64u));
}

TEST(MemoryNeed, IsSaidInWords) {
  const MemoryNeed need{.weights = 3ull << 30, .cache = 5u << 20, .outputs = 1536, .working = 0};
  EXPECT_EQ(arithmetic(need),
            "weights 3.00 GiB + cache 5.00 MiB + outputs 1.5 KiB + working memory 0.0 KiB = 3.00 GiB");
}

}  // namespace
}  // namespace sluice::runtime
