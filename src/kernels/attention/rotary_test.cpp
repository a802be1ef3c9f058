#include "kernels/attention/rotary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/attention/rotary_ref.h"
#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

enum class Ids { kOffset, kPerToken, kNone };

struct Case {
  uint32_t batch, seq, heads, head_size, rotary;
  bool head_major, interleaved;
  Ids ids;
  Storage storage;
};

void PrintTo(const Case& c, std::ostream* os) {  // NOLINT(readability-identifier-naming): GoogleTest's name
  *os << fmt::format("batch {} seq {} heads {} head {} rotary {} head_major {} interleaved {} ids {} f16 {}", c.batch,
                     c.seq, c.heads, c.head_size, c.rotary, c.head_major, c.interleaved, static_cast<int>(c.ids),
                     c.storage == Storage::kF16);
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (bool head_major : {false, true}) {
    for (bool interleaved : {false, true}) {
      for (Ids ids : {Ids::kOffset, Ids::kPerToken, Ids::kNone}) {
        for (Storage storage : {Storage::kF32, Storage::kF16}) {
          result.push_back({1, 1, 1, 2, 2, head_major, interleaved, ids, storage});
          result.push_back({2, 3, 5, 16, 16, head_major, interleaved, ids, storage});
          result.push_back({2, 33, 3, 24, 10, head_major, interleaved, ids, storage});
        }
      }
    }
  }
  return result;
}

std::vector<float> randoms(std::mt19937& engine, size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  std::generate(values.begin(), values.end(), [&] { return normal(engine); });
  return values;
}

class RotaryTest : public ::testing::TestWithParam<Case> {};

TEST_P(RotaryTest, MatchesTheReference) {
  const Case c = GetParam();
  if (c.storage == Storage::kF16 && !test_device().caps().f16) GTEST_SKIP() << "no shader-f16";
  std::mt19937 engine(17);
  const uint32_t tokens = c.batch * c.seq, rows = c.ids == Ids::kNone ? tokens : c.seq + 9;
  RotaryReference r{.batch = c.batch,
                    .seq = c.seq,
                    .heads = c.heads,
                    .head_size = c.head_size,
                    .rotary_half = c.rotary / 2,
                    .head_major = c.head_major,
                    .interleaved = c.interleaved,
                    .cos = {},
                    .sin = {},
                    .rows = {}};
  r.cos = randoms(engine, size_t{rows} * r.rotary_half);
  r.sin = randoms(engine, size_t{rows} * r.rotary_half);
  std::vector<int32_t> ids;
  for (uint32_t t = 0; t < tokens; ++t) {
    ids.push_back(static_cast<int32_t>(engine() % rows));
    const uint32_t row = c.ids == Ids::kOffset ? 4 + t % c.seq
                         : c.ids == Ids::kNone ? t
                                               : static_cast<uint32_t>(ids.back());
    r.rows.push_back(static_cast<int32_t>(row));
  }
  const auto x = randoms(engine, size_t{tokens} * c.heads * c.head_size);

  Runner runner(test_device());
  RotaryEmbeddingProblem p;
  const std::vector<uint32_t> shape = c.head_major ? std::vector{c.batch, c.heads, c.seq, c.head_size}
                                                   : std::vector{c.batch, c.seq, c.heads * c.head_size};
  p.x = runner.upload(c.storage, shape, x);
  p.y = runner.allocate(c.storage, shape);
  const std::vector<uint32_t> table =
      c.ids == Ids::kNone ? std::vector{c.batch, c.seq, r.rotary_half} : std::vector{rows, r.rotary_half};
  p.cos = runner.upload(Storage::kF32, table, r.cos);
  p.sin = runner.upload(Storage::kF32, table, r.sin);
  if (c.ids == Ids::kOffset) p.position_ids = runner.upload({1}, std::vector<int32_t>{4});
  if (c.ids == Ids::kPerToken) p.position_ids = runner.upload({c.batch, c.seq}, ids);
  p.num_heads = c.heads;
  p.interleaved = c.interleaved;
  plan_rotary_embedding(p, runner.recorder());
  runner.run();
  const auto got = runner.read_floats(p.y), want = r.run(runner.read_floats(p.x));
  ASSERT_EQ(got.size(), want.size());
  const float tolerance = c.storage == Storage::kF16 ? 2e-3f : 1e-6f;
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << i;
}

INSTANTIATE_TEST_SUITE_P(All, RotaryTest, ::testing::ValuesIn(cases()));

TEST(Rotary, RefusesWhatDoesNotAgree) {
  const Tensor x{1, Storage::kF32, {1, 2, 16}}, y{2, Storage::kF32, {1, 2, 16}}, table{3, Storage::kF32, {8, 4}};
  const Tensor ids{4, Storage::kI32, {1, 2}};
  const RotaryEmbeddingProblem good{.x = x, .position_ids = ids, .cos = table, .sin = table, .y = y, .num_heads = 2};
  const auto refuses = [&](auto&& change) {
    auto p = good;
    change(p);
    Recorder recorder(test_device().caps());
    EXPECT_THROW(plan_rotary_embedding(p, recorder), Error);
  };
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_rotary_embedding(good, recorder));
  refuses([](auto& p) { p.num_heads = 3; });
  refuses([](auto& p) { p.num_heads = 8; });
  refuses([](auto& p) { p.y = p.x; });
  refuses([](auto& p) { p.scale = 2; });
  refuses([](auto& p) { p.rotary_embedding_dim = 6; });
  refuses([](auto& p) { p.position_ids.shape = {3}; });
  refuses([](auto& p) { p.position_ids = {}; });
  refuses([](auto& p) { p.sin.shape = {8, 2}; });
}

}  // namespace
}  // namespace sluice::kernels
