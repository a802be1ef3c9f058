#include "gpu/testing.h"

namespace sluice::gpu {
namespace {

class IndexWatch : public testing::Test {
 protected:
  static Device& device() {
    static Device& device = *open().release();
    return device;
  }

  static std::unique_ptr<Device> open() {
    DeviceOptions options;
    options.checks = ShaderChecks::kReport;
    return Device::open(options);
  }

  // Runs the dispatch and reads its result.
  static std::vector<float> run(Scale& scale) {
    Commands commands(device());
    commands.dispatch(device().create_step(scale.descriptor));
    device().submit(std::move(commands));
    return values_of<float>(device().read(scale.y, 0, scale.y.size()));
  }
};

TEST_F(IndexWatch, LeavesWhatIsInRangeAsItIs) {
  Scale scale(device(), 70, 2);
  EXPECT_EQ(run(scale)[69], 138.0f);
}

TEST_F(IndexWatch, NamesShaderAndExpressionOfOneBeyondABinding) {
  Scale scale(device(), 70, 2);
  scale.ranges[0] = {&scale.x, 0, 69 * 4};
  expect_error_with(error_of([&] { run(scale); }), "gpu/testdata/scale.wgsl: x[i]");
  scale.ranges[0] = {&scale.x, 0, 0};
  EXPECT_EQ(run(scale)[69], 138.0f);
}

TEST_F(IndexWatch, ComesWithEveryReadback) {
  Scale scale(device(), 70, 2);
  scale.ranges[1] = {&scale.y, 0, 256};
  Commands commands(device());
  commands.dispatch(device().create_step(scale.descriptor));
  Readback readback = device().submit_and_read(std::move(commands), {&scale.x, 5, 3});
  expect_error_with(error_of([&] { readback.wait(); }), "y[i]");
}

TEST(ShaderChecks, AreChosenByTheEnvironment) {
  const auto with = [](const char* value) {
    const Environment environment("SLUICE_CHECK_SHADERS", value);
    return DeviceOptions::checks_from_environment();
  };
  EXPECT_EQ(with(nullptr), ShaderChecks::kNone);
  EXPECT_EQ(with("0"), ShaderChecks::kNone);
  EXPECT_EQ(with("1"), ShaderChecks::kLibrary);
  EXPECT_EQ(with("report"), ShaderChecks::kReport);
  expect_error_with(error_of([&] { with("yes"); }), "SLUICE_CHECK_SHADERS must be 0, 1 or report, got yes");
}

}  // namespace
}  // namespace sluice::gpu
