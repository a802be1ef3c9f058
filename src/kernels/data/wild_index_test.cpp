// Indices of any value: no kernel may follow one out of its data.
#include <gtest/gtest.h>

#include "kernels/common/runner.h"
#include "kernels/common/watched_device.h"
#include "kernels/data/gather.h"
#include "kernels/data/gather_4bit.h"
#include "kernels/data/gather_block_quantized.h"
#include "kernels/data/gather_elements.h"
#include "kernels/data/gather_nd.h"
#include "kernels/data/scatter_elements.h"
#include "kernels/data/scatter_nd.h"

namespace sluice::kernels {
namespace {

class WildIndices : public testing::Test {
 protected:
  Tensor floats(std::vector<uint32_t> shape) { return runner_.allocate(Storage::kF32, std::move(shape)); }
  Tensor bytes(std::vector<uint32_t> shape) { return runner_.allocate(Storage::kBytes, std::move(shape)); }
  Tensor indices(std::vector<uint32_t> shape, int32_t size) {
    const size_t count = Tensor{0, Storage::kI32, shape}.elements();
    return runner_.upload(std::move(shape), wild_integers(random_, count, size));
  }
  Recorder& recorder() { return runner_.recorder(); }
  void run(const Tensor& y) {
    runner_.run();
    EXPECT_NO_THROW(runner_.read_floats(y));
  }

  std::mt19937 random_{17};
  Runner runner_{watched_device()};
};

TEST_F(WildIndices, Gather) {
  const Tensor y = floats({3, 50, 5}), rows = floats({50, 12});
  plan_gather({floats({3, 7, 5}), indices({50}, 7), y, 1}, recorder());
  plan_gather({floats({9, 12}), indices({50}, 9), rows, 0}, recorder());
  plan_gather({.data = floats({4, 12}), .indices = indices({50}, 9), .y = rows, .axis = 0, .first = 5, .whole = 9},
              recorder());
  run(y);
}

TEST_F(WildIndices, GatherElements) {
  const Tensor y = floats({4, 40, 3});
  plan_gather_elements({floats({4, 6, 5}), indices({4, 40, 3}, 6), y, 1}, recorder());
  run(y);
}

TEST_F(WildIndices, GatherNd) {
  const Tensor y = floats({60, 5}), batched = floats({3, 20});
  plan_gather_nd({floats({3, 7, 5}), indices({60, 2}, 7), y, 0}, recorder());
  plan_gather_nd({floats({3, 7}), indices({3, 20, 1}, 7), batched, 1}, recorder());
  run(y);
}

TEST_F(WildIndices, GatherBlockQuantized) {
  for (const uint32_t bits : {2u, 4u, 8u}) {
    // Rows of 21 bytes: neither the rows nor the table end at a whole word.
    const uint32_t columns = 21 * 8 / bits, blocks = (columns + 15) / 16;
    const Tensor y = floats({50, columns});
    plan_gather_block_quantized({.data = bytes({9, 21}),
                                 .indices = indices({50}, 9),
                                 .scales = floats({9, blocks}),
                                 .zero_points = bytes({9, (blocks * bits + 7) / 8}),
                                 .y = y,
                                 .bits = bits,
                                 .block_size = 16},
                                recorder());
    run(y);
  }
}

TEST_F(WildIndices, Gather4Bit) {
  const Tensor y = floats({3, 50, 17});
  plan_gather_4bit({.data = bytes({179}),
                    .indices = indices({50}, 7),
                    .scales = floats({3, 7, 2}),
                    .zero_points = bytes({21}),
                    .y = y,
                    .shape = {3, 7, 17},
                    .block_size = 16,
                    .gather_axis = 1,
                    .quantize_axis = 2},
                   recorder());
  run(y);
}

TEST_F(WildIndices, ScatterElements) {
  const Tensor y = floats({4, 6, 5});
  for (const auto reduction : {ScatterReduction::kNone, ScatterReduction::kAdd}) {
    plan_scatter_elements({floats({4, 6, 5}), indices({3, 150, 4}, 6), floats({3, 150, 4}), y, 1, reduction},
                          recorder());
  }
  run(y);
}

TEST_F(WildIndices, ScatterNd) {
  const Tensor y = floats({3, 7, 5});
  plan_scatter_nd({floats({3, 7, 5}), indices({60, 2}, 7), floats({60, 5}), y}, recorder());
  run(y);
}

}  // namespace
}  // namespace sluice::kernels
