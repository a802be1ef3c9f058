// Errors that the library reports outside our calls.
#include "base/dynamic_library.h"
#include "gpu/core.h"
#include "gpu/testing.h"

namespace sluice::gpu {

struct TestAccess {
  static Core& core(Device& device) { return *device.impl_->core; }
};

namespace {

TEST(StoredErrors, AreThrownOnceByTheNextCall) {
  const auto device = Device::open();
  const Buffer buffer = device->create_buffer(16, "b");
  const auto store = [&] { TestAccess::core(*device).errors.error = "stored text"; };
  store();
  expect_error_with(error_of([&] { device->submit(Commands(*device)); }), "stored text");
  store();
  expect_error_with(error_of([&] { device->write(buffer, 0, bytes_of(iota(1))); }), "stored text");
  store();
  expect_error_with(error_of([&] { device->wait_idle(); }), "stored text");
  Readback readback = device->submit_and_read(Commands(*device), {&buffer, 0, 0});
  store();
  expect_error_with(error_of([&] {
                      while (!readback.ready()) {
                      }
                    }),
                    "stored text");
  readback.wait();
  EXPECT_EQ(readback.bytes().size(), 16u);
}

TEST(StoredErrors, ValidationOutsideAnyScopeIsStored) {
  const auto device = Device::open();
  Core& core = TestAccess::core(*device);
  WGPUBufferDescriptor descriptor = WGPU_BUFFER_DESCRIPTOR_INIT;
  descriptor.size = 16;
  descriptor.usage = WGPUBufferUsage_MapRead | WGPUBufferUsage_Storage;
  const Handle<WGPUBuffer> invalid(core.library.wgpuDeviceCreateBuffer(core.device.get(), &descriptor),
                                   core.library.wgpuBufferRelease);
  device->poll();
  EXPECT_NE(error_of([&] { device->submit(Commands(*device)); }), "no error");
  EXPECT_EQ(error_of([&] { device->submit(Commands(*device)); }), "no error");
}

TEST(StoredErrors, LossIsThrownByEveryCall) {
  const auto device = Device::open();
  TestAccess::core(*device).errors.lost = "it fell off the bus";
  for (int i = 0; i < 2; ++i) {
    const auto message = error_of([&] { device->submit(Commands(*device)); });
    expect_error_with(message, "it fell off the bus");
    expect_error_with(message, device->info().name);
  }
}

// Only Dawn can lose a device on demand.
TEST(StoredErrors, LostDeviceEndsWaits) {
  const auto device = Device::open();
  using ForceLoss = void (*)(WGPUDevice, WGPUDeviceLostReason, WGPUStringView);
  const auto force = reinterpret_cast<ForceLoss>(DynamicLibrary(device->info().library).symbol("wgpuDeviceForceLoss"));
  if (!force) GTEST_SKIP() << "the library has no wgpuDeviceForceLoss";
  const Buffer buffer = device->create_buffer(16, "b");
  Readback readback = device->submit_and_read(Commands(*device), {&buffer, 0, 0});
  force(TestAccess::core(*device).device.get(), WGPUDeviceLostReason_Unknown, view("forced by the test"));
  error_of([&] { readback.wait(); });  // may have been ready before the loss
  device->poll();
  expect_error_with(error_of([&] { device->submit(Commands(*device)); }), "forced by the test");
  expect_error_with(error_of([&] { device->read(buffer, 0, 16); }), "forced by the test");
}

}  // namespace
}  // namespace sluice::gpu
