#include "kernels/data/narrow.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kCounts[] = {1, 3, 4, 5, 31, 32, 33, 255, 256, 257, 1025};

int32_t number_at(const std::vector<uint8_t>& bytes, uint32_t i, uint32_t bits, bool is_signed) {
  const int32_t value = bits == 8 ? bytes[i] : (bytes[i / 2] >> (4 * (i % 2))) & 15;
  return is_signed && value >= 1 << (bits - 1) ? value - (1 << bits) : value;
}

TEST(Narrow, UnpacksEveryWidth) {
  std::mt19937 random(3);
  for (const uint32_t count : kCounts) {
    for (const uint32_t bits : {4u, 8u}) {
      for (const bool is_signed : {false, true}) {
        std::vector<uint8_t> bytes((count * bits + 7) / 8);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        Runner runner(test_device());
        const Tensor x = runner.upload_bytes({static_cast<uint32_t>(bytes.size())}, bytes);
        const Tensor y = runner.allocate(Storage::kI32, {count});
        plan_unpack({x, y, bits, is_signed}, runner.recorder());
        runner.run();
        const auto actual = runner.read_ints(y);
        for (uint32_t i = 0; i < count; ++i) {
          ASSERT_EQ(actual[i], number_at(bytes, i, bits, is_signed)) << count << " of " << bits << " at " << i;
        }
      }
    }
  }
}

TEST(Narrow, PacksTheLowByte) {
  for (const uint32_t count : kCounts) {
    std::vector<int32_t> values(count);
    for (uint32_t i = 0; i < count; ++i) values[i] = static_cast<int32_t>(i * 37) - 300;
    Runner runner(test_device());
    const Tensor packed = runner.allocate(Storage::kBytes, {count});
    const Tensor y = runner.allocate(Storage::kI32, {count});
    plan_pack_bytes(runner.upload({count}, values), packed, runner.recorder());
    plan_unpack({packed, y}, runner.recorder());
    runner.run();
    const auto actual = runner.read_ints(y);
    for (uint32_t i = 0; i < count; ++i) ASSERT_EQ(actual[i], values[i] & 255) << count << " at " << i;
  }
}

TEST(Narrow, Refusals) {
  const gpu::Caps caps;
  Recorder recorder(caps);
  const Tensor bytes{1, Storage::kBytes, {4}}, ints{2, Storage::kI32, {4}};
  EXPECT_THROW(plan_unpack({ints, ints}, recorder), Error);
  EXPECT_THROW(plan_unpack({bytes, ints, 3}, recorder), Error);
  EXPECT_THROW(plan_unpack({bytes, {3, Storage::kI32, {5}}}, recorder), Error);
  EXPECT_THROW(plan_pack_bytes(bytes, bytes, recorder), Error);
  EXPECT_THROW(plan_pack_bytes({3, Storage::kI32, {5}}, bytes, recorder), Error);
  plan_pack_bytes({3, Storage::kI32, {0}}, {4, Storage::kBytes, {0}}, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

}  // namespace
}  // namespace sluice::kernels
