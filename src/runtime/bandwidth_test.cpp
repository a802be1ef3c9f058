#include "runtime/bandwidth.h"

#include <gtest/gtest.h>

#include "kernels/common/runner.h"

namespace sluice::runtime {
namespace {

// Between a slow host's memory and what no device reaches.
TEST(ReadBandwidth, IsPlausible) {
  const double bandwidth = read_bandwidth(kernels::test_device());
  EXPECT_GT(bandwidth, 5e7);
  EXPECT_LT(bandwidth, 1e14);
}

}  // namespace
}  // namespace sluice::runtime
