// What the tests of quantised products share: random weights as host data and as tensors, devices, comparison.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "kernels/common/matrices_fixture.h"
#include "kernels/common/runner.h"
#include "kernels/matmul/nbits_plan.h"
#include "kernels/matmul/nbits_ref.h"

namespace sluice::kernels {

using Random = std::mt19937;

inline float round_to(Storage storage, float v) {
  return storage == Storage::kF16 ? half_to_float(float_to_half(v)) : v;
}

// How many cases a random test draws: SLUICE_RANDOM_CASES, or else `usual`.
inline uint32_t random_case_count(uint32_t usual) {
  const char* text = std::getenv("SLUICE_RANDOM_CASES");
  return text == nullptr ? usual : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

inline std::vector<float> random_floats(Random& random, size_t count, Storage storage, float scale = 1) {
  std::uniform_real_distribution<float> draw(-scale, scale);
  std::vector<float> values(count);
  for (float& v : values) v = round_to(storage, draw(random));
  return values;
}

inline std::vector<uint8_t> random_bits(Random& random, size_t count, uint32_t bits) {
  std::vector<uint8_t> values(count);
  for (uint8_t& v : values) v = static_cast<uint8_t>(random() & ((1u << bits) - 1));
  return values;
}

enum class ZeroPoints { kNone, kPacked, kFloat };

struct NBitsCase {
  uint32_t matrices = 1, rows = 1, k = 16, bits = 4, block_size = 32;
  ZeroPoints zero_points = ZeroPoints::kNone;
  Storage storage = Storage::kF32;  // of scales, and of the weights where bits is 0
};

inline NBitsData random_nbits(Random& random, const NBitsCase& c) {
  NBitsData d{c.matrices, c.rows, c.k, c.bits, c.block_size, {}, {}, {}, {}, {}};
  const size_t lines = size_t{c.matrices} * c.rows;
  const float range = 1 / std::sqrt(static_cast<float>(c.k));
  if (c.bits == 0) {
    d.floats = random_floats(random, lines * c.k, c.storage, range);
    return d;
  }
  d.q = random_bits(random, lines * c.k, c.bits);
  d.scales = random_floats(random, lines * d.blocks(), c.storage, 2 * range / static_cast<float>(1u << c.bits));
  if (c.zero_points == ZeroPoints::kPacked) d.zero_points = random_bits(random, lines * d.blocks(), c.bits);
  if (c.zero_points == ZeroPoints::kFloat) {
    d.float_zero_points = random_floats(random, lines * d.blocks(), c.storage, static_cast<float>(1u << c.bits));
  }
  return d;
}

// One row, as the products normalise it on the way.
inline std::vector<float> rms_normalised(std::vector<float> row, const std::vector<float>& gamma, float epsilon) {
  double squares = 0;
  for (const float v : row) squares += double{v} * v;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(row.size()) + double{epsilon});
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(row[i] * scale * gamma[i]);
  return row;
}

// Weight rows in the layout of the file: whole blocks for MatMulNBits, ceil(k * bits / 8) bytes for QMoE.
inline Tensor upload_weights(Runner& runner, const NBitsData& d, Storage storage, bool whole_blocks) {
  if (d.bits == 0) return runner.upload(storage, {d.matrices, d.rows, d.k}, d.floats);
  const uint32_t bytes = whole_blocks ? d.blocks() * d.block_size * d.bits / 8 : (d.k * d.bits + 7) / 8;
  return runner.upload_bytes({d.matrices, d.rows, bytes}, pack_bits(d.q, d.bits, d.k, bytes));
}

inline Tensor upload_zero_points(Runner& runner, const NBitsData& d, Storage storage) {
  if (!d.float_zero_points.empty()) return runner.upload(storage, {d.rows, d.blocks()}, d.float_zero_points);
  if (d.zero_points.empty()) return {};
  const uint32_t bytes = (d.blocks() * d.bits + 7) / 8;
  return runner.upload_bytes({d.rows, bytes}, pack_bits(d.zero_points, d.bits, d.blocks(), bytes));
}

inline bool is_in_bytes(const Recorder& recorder) { return recorder.dispatches().back().name.ends_with("row8"); }

// What int8_row.wgsl makes of rows of k: in each unit, multiples of 1/127 of the largest.
inline std::vector<float> rounded_to_bytes(std::vector<float> rows, uint32_t k, uint32_t bits, uint32_t block_size) {
  const NBitsWeights weights{.weights = {0, Storage::kBytes, {}}, .k = k, .bits = bits, .block_size = block_size};
  return quantised_to_8_bits(std::move(rows), k, nbits_layout(weights).unit_values);
}

// The devices that tests run on: the usual one, and the same without subgroups.
inline std::vector<gpu::Device*> test_devices() {
  static const std::vector<gpu::Device*> kDevices = [] {
    std::vector<gpu::Device*> list = {&test_device()};
    if (test_device().caps().subgroups) {
      gpu::DeviceOptions options;
      options.disable.no_subgroups = true;
      list.push_back(gpu::Device::open(options).release());
    }
    return list;
  }();
  return kDevices;
}

// Devices for random tests, with and without subgroups. A device keeps every pipeline that it has compiled, so that new
// ones are opened now and then.
class FreshDevices {
 public:
  gpu::Device& pick(Random& random) {
    if (used_++ % 400 == 0) {
      gpu::DeviceOptions plain;
      plain.disable.no_subgroups = true;
      devices_.clear();
      devices_.push_back(gpu::Device::open());
      devices_.push_back(gpu::Device::open(plain));
    }
    return *devices_[random() % 2];
  }

 private:
  std::vector<std::unique_ptr<gpu::Device>> devices_;
  uint32_t used_ = 0;
};

inline std::vector<Storage> float_storages() {
  if (test_device().caps().f16) return {Storage::kF32, Storage::kF16};
  return {Storage::kF32};
}

inline void expect_close(const std::vector<float>& actual, const std::vector<float>& expected, Storage storage,
                         const std::string& what, float tolerance = 0) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  float largest = 1e-3f;
  for (const float v : expected) largest = std::max(largest, std::abs(v));
  const float limit = std::max(tolerance, storage == Storage::kF16 ? 2e-3f : 1e-4f) * largest;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_LE(std::abs(actual[i] - expected[i]), limit)
        << what << " at " << i << ": " << actual[i] << " for " << expected[i];
  }
}

}  // namespace sluice::kernels
