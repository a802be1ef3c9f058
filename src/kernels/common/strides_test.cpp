#include "kernels/common/strides.h"

#include <gtest/gtest.h>

namespace sluice::kernels {
namespace {

using Strides = std::vector<int64_t>;

TEST(ReshapeStrides, DealsOutWhatOneStepWalks) {
  EXPECT_EQ(reshape_strides({6}, {2}, {2, 3}), (Strides{6, 2}));
  EXPECT_EQ(reshape_strides({2, 3}, {3, 1}, {6}), (Strides{1}));
  EXPECT_EQ(reshape_strides({4, 6}, {1, 4}, {2, 2, 6}), (Strides{2, 1, 4}));
  EXPECT_EQ(reshape_strides({4, 6}, {0, 1}, {4, 1, 6, 1}), (Strides{0, 0, 1, 0}));
  EXPECT_EQ(reshape_strides({3}, {-1}, {1, 3}), (Strides{0, -1}));
  EXPECT_EQ(reshape_strides({1, 1}, {5, 7}, {}), (Strides{}));
}

TEST(ReshapeStrides, RefusesWhatItCannotWalk) {
  EXPECT_FALSE(reshape_strides({4, 6}, {1, 4}, {24}));
  EXPECT_FALSE(reshape_strides({4, 6}, {1, 4}, {6, 4}));
  EXPECT_FALSE(reshape_strides({2, 3}, {0, 1}, {6}));
}

}  // namespace
}  // namespace sluice::kernels
