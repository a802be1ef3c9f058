// Readbacks, counters and timestamps.
#include <chrono>
#include <deque>

#include "gpu/testing.h"

namespace sluice::gpu {
namespace {

TEST(Readback, SubmitNeverWaits) {
  Device& device = shared_device();
  Scale scale(device, 1u << 18, 2);
  const Step step = device.create_step(scale.descriptor);
  device.wait_idle();
  const auto before = device.counters();
  std::deque<Readback> flying;
  for (int i = 0; i < 8; ++i) {
    Commands commands(device);
    for (int j = 0; j < 10; ++j) commands.dispatch(step);
    flying.push_back(device.submit_and_read(std::move(commands), {&scale.y, 4, 4}));
  }
  // All of it was queued before the first piece of work could have been waited for.
  EXPECT_FALSE(flying.back().ready());
  EXPECT_EQ(device.counters().waits, before.waits);
  EXPECT_EQ(device.counters().submits, before.submits + 8);
  EXPECT_EQ(device.counters().maps, before.maps + 8);
  EXPECT_EQ(device.counters().dispatches, before.dispatches + 80);
  for (auto& readback : flying) {
    readback.wait();
    EXPECT_EQ(values_of<float>(readback.bytes())[0], 2.0f);
  }
  EXPECT_LE(device.counters().waits, before.waits + 8);
  EXPECT_EQ(device.counters().idle_waits, before.idle_waits);
  device.wait_idle();
  EXPECT_EQ(device.counters().idle_waits, before.idle_waits + 1);
}

TEST(Readback, RecyclesItsBuffers) {
  Device& device = shared_device();
  const Buffer buffer = device.create_buffer(256, "ring");
  for (int i = 0; i < 2; ++i) device.read(buffer, 0, 16);
  const auto before = device.counters().buffers_created;
  for (uint32_t i = 0; i < 100; ++i) {
    device.write(buffer, 0, bytes_of(std::vector<uint32_t>{i}));
    EXPECT_EQ(values_of<uint32_t>(device.read(buffer, 0, 4))[0], i);
  }
  EXPECT_EQ(device.counters().buffers_created, before);
}

TEST(Readback, PolledResultsArriveInOrder) {
  Device& device = shared_device();
  const Buffer buffer = device.create_buffer(256, "polled");
  std::deque<Readback> flying;
  for (uint32_t i = 0; i < 10; ++i) {
    device.write(buffer, 0, bytes_of(std::vector<uint32_t>{i}));
    flying.push_back(device.submit_and_read(Commands(device), {&buffer, 0, 4}));
  }
  const auto waits = device.counters().waits;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (uint32_t i = 0; i < 10; ++i) {
    while (!flying[i].ready()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    EXPECT_EQ(values_of<uint32_t>(flying[i].bytes())[0], i);
  }
  EXPECT_EQ(device.counters().waits, waits);
}

TEST(Readback, MayBeDroppedWhileUnderWay) {
  Device& device = shared_device();
  Scale scale(device, 1u << 16, 2);
  const Step step = device.create_step(scale.descriptor);
  for (int i = 0; i < 20; ++i) {
    Commands commands(device);
    commands.dispatch(step);
    device.submit_and_read(std::move(commands), {&scale.y, 0, 1024});
  }
  device.wait_idle();
  EXPECT_EQ(values_of<float>(device.read(scale.y, 4, 4))[0], 2.0f);
}

TEST(Readback, BytesBeforeReadyAreAnError) {
  EXPECT_NE(error_of([] { Readback().bytes(); }), "no error");
  EXPECT_NE(error_of([] { Readback().ready(); }), "no error");
}

TEST(Timestamps, EachDispatchHasItsOwn) {
  Device& device = shared_device();
  if (!device.caps().timestamps) GTEST_SKIP() << "no timestamps";
  Scale scale(device, 1u << 18, 2);
  std::vector<Step> steps;
  for (int i = 0; i < 3; ++i) steps.push_back(device.create_step(scale.descriptor));
  scale.descriptor.groups[0] = 0;
  steps.push_back(device.create_step(scale.descriptor));
  Commands commands(device);
  commands.time_each_dispatch();
  commands.dispatch(steps);
  device.submit(std::move(commands));
  const auto timings = device.read_timings();
  ASSERT_EQ(timings.size(), 4u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_LT(timings[i].begin_ns, timings[i].end_ns);
    EXPECT_LT(timings[i].end_ns - timings[i].begin_ns, uint64_t{10'000'000'000});
    EXPECT_TRUE(i == 0 || timings[i - 1].end_ns <= timings[i].end_ns) << i;
  }
  EXPECT_EQ(timings[3].end_ns, 0u);
}

TEST(Timestamps, SpansCoverSeveralPasses) {
  Device& device = shared_device();
  if (!device.caps().timestamps) GTEST_SKIP() << "no timestamps";
  Scale scale(device, 1u << 18, 2);
  const Step step = device.create_step(scale.descriptor);
  const Buffer copy = device.create_buffer(1024, "copy");
  Commands commands(device);
  commands.begin_timed_span();
  commands.dispatch(step);
  commands.end_timed_span();
  commands.dispatch(step);
  commands.begin_timed_span();
  for (int i = 0; i < 4; ++i) {
    commands.dispatch(step);
    commands.copy(scale.y, 0, copy, 0, 1024);
  }
  commands.end_timed_span();
  device.submit(std::move(commands));
  const auto timings = device.read_timings();
  ASSERT_EQ(timings.size(), 2u);
  EXPECT_LT(timings[0].begin_ns, timings[0].end_ns);
  EXPECT_LE(timings[0].end_ns, timings[1].end_ns);
  EXPECT_GT(timings[1].end_ns - timings[1].begin_ns, timings[0].end_ns - timings[0].begin_ns);
}

TEST(Timestamps, MisuseIsRefused) {
  Device& device = shared_device();
  if (!device.caps().timestamps) GTEST_SKIP() << "no timestamps";
  Commands commands(device);
  EXPECT_NE(error_of([&] { commands.end_timed_span(); }), "no error");
  commands.begin_timed_span();
  EXPECT_NE(error_of([&] { commands.begin_timed_span(); }), "no error");
  EXPECT_NE(error_of([&] { commands.time_each_dispatch(); }), "no error");
  EXPECT_NE(error_of([&] { device.submit(std::move(commands)); }), "no error");
}

}  // namespace
}  // namespace sluice::gpu
