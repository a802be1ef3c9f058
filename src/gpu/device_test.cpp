// Opening devices: choices, features, limits, errors.
#include <algorithm>

#include "gpu/testing.h"

namespace sluice::gpu {
namespace {

TEST(Device, OpensAndTellsAboutItself) {
  const AdapterInfo& info = shared_device().info();
  EXPECT_FALSE(info.name.empty());
  EXPECT_FALSE(info.library.empty());
  EXPECT_FALSE(info.library_version.empty());
  EXPECT_FALSE(info.backend.empty());
  EXPECT_EQ(shared_device().caps(), info.caps);
  const Caps& caps = shared_device().caps();
  EXPECT_GE(caps.max_storage_buffers, 8u);
  EXPECT_GE(caps.max_binding, 128u << 20);
  EXPECT_GE(caps.max_invocations, 256u);
  EXPECT_EQ(caps.software, info.type == "software (CPU)");
  EXPECT_EQ(caps.f16, std::count(info.features.begin(), info.features.end(), "shader-f16") > 0 &&
                          !CapsOverride::from_environment().no_f16);
}

TEST(Device, ListIsSortedBestFirst) {
  const auto adapters = list_adapters({});
  ASSERT_FALSE(adapters.empty());
  for (uint32_t i = 0; i < adapters.size(); ++i) {
    EXPECT_EQ(adapters[i].index, i);
    EXPECT_TRUE(i == 0 || !adapters[i - 1].caps.software || adapters[i].caps.software);
  }
}

TEST(Device, IsChosenByIndexOrPartOfItsName) {
  const auto adapters = list_adapters({});
  std::string part = adapters.back().name.substr(1);
  std::transform(part.begin(), part.end(), part.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  EXPECT_EQ(Device::open({.library = {}, .adapter = part, .disable = {}})->info().name, adapters.back().name);
  const Environment device("SLUICE_DEVICE", "0");
  EXPECT_EQ(Device::open()->info().name, adapters.front().name);
}

TEST(Device, UnknownChoiceListsWhatThereIs) {
  const auto name = list_adapters({}).front().name;
  for (const char* choice : {"no such device", "99"}) {
    const Environment device("SLUICE_DEVICE", choice);
    const auto message = error_of([] { Device::open(); });
    expect_error_with(message, choice);
    expect_error_with(message, name);
  }
}

TEST(Device, BadLibraryPathIsAnError) {
  const DeviceOptions options{.library = "/no/such/libwebgpu.so", .adapter = {}, .disable = {}};
  expect_error_with(error_of([&] { Device::open(options); }), "/no/such/libwebgpu.so");
  const Environment library("SLUICE_WEBGPU_LIBRARY", "/no/such/either.so");
  expect_error_with(error_of([] { list_adapters({}); }), "/no/such/either.so");
}

#if defined(__linux__)
TEST(Device, LibraryWithoutWebGpuIsAnErrorThatNamesWhatIsMissing) {
  const auto message = error_of([] { list_adapters({.library = "libm.so.6", .adapter = {}, .disable = {}}); });
  expect_error_with(message, "libm.so.6");
  expect_error_with(message, "wgpuCreateInstance");
}
#endif

TEST(Device, DisableReadsItsEnvironment) {
  {
    const Environment disable("SLUICE_DISABLE", "f16,timestamps");
    const auto read = CapsOverride::from_environment();
    EXPECT_TRUE(read.no_f16 && read.no_timestamps);
    EXPECT_FALSE(read.no_subgroups || read.no_dot4i8 || read.small_limits);
  }
  const Environment disable("SLUICE_DISABLE", "subgroups,dot4i8,subgroup-matrix,large-limits,f15");
  expect_error_with(error_of([] { CapsOverride::from_environment(); }), "f15");
}

TEST(Device, BindingLimitCanBeLowered) {
  const Environment limit("SLUICE_MAX_BINDING", "64KiB");
  const auto device = Device::open();
  EXPECT_EQ(device->caps().max_binding, 65536u);
  const Buffer buffer = device->create_buffer(100000, "large");
  Scale scale(*device, 4, 1);
  BufferRange ranges[2] = {{&buffer, 0, 0}, {&scale.y, 0, 0}};
  scale.descriptor.storage = ranges;
  expect_error_with(error_of([&] { device->create_step(scale.descriptor); }), "65536");
  ranges[0].size = 65536;
  device->create_step(scale.descriptor);
  const Environment small("SLUICE_MAX_BINDING", "100");
  expect_error_with(error_of([] { CapsOverride::from_environment(); }), "SLUICE_MAX_BINDING");
}

TEST(Device, MemoryCanBeSaid) {
  EXPECT_GT(shared_device().info().memory, 1u << 28);
  const Environment memory("SLUICE_MEMORY", "3GiB");
  EXPECT_EQ(list_adapters({}).front().memory, 3ull << 30);
  const Environment wrong("SLUICE_MEMORY", "3GB");
  expect_error_with(error_of([] { list_adapters({}); }), "SLUICE_MEMORY");
}

TEST(Device, CountsTheBytesOfItsBuffers) {
  const auto device = Device::open();
  const MemoryUse before = device->memory_use();
  {
    Buffer a = device->create_buffer(1000, "a");
    const Buffer b = device->create_buffer(5000, "b");
    EXPECT_EQ(device->memory_use().live, before.live + 6000);
    a = device->create_buffer(2000, "c");
    EXPECT_EQ(device->memory_use().live, before.live + 7000);
  }
  EXPECT_EQ(device->memory_use().live, before.live);
  EXPECT_EQ(device->memory_use().peak, before.live + 8000);  // a and c at once
}

TEST(Device, EverythingCanBeSwitchedOff) {
  const CapsOverride all{.no_f16 = true,
                         .no_subgroups = true,
                         .no_dot4i8 = true,
                         .no_subgroup_matrix = true,
                         .no_timestamps = true,
                         .small_limits = true};
  const auto device = Device::open({.library = {}, .adapter = {}, .disable = all});
  const Caps& caps = device->caps();
  EXPECT_FALSE(caps.f16 || caps.subgroups || caps.dot4i8 || caps.timestamps);
  EXPECT_EQ(caps.subgroup_max, 0u);
  EXPECT_TRUE(caps.subgroup_matrices.empty());
  const Caps defaults;
  EXPECT_EQ(caps.max_binding, defaults.max_binding);
  EXPECT_EQ(caps.max_buffer, defaults.max_buffer);
  EXPECT_EQ(caps.max_invocations, defaults.max_invocations);
  EXPECT_EQ(caps.max_storage_buffers, defaults.max_storage_buffers);
  EXPECT_EQ(caps.max_workgroup_storage, defaults.max_workgroup_storage);
  EXPECT_EQ(caps.storage_alignment, defaults.storage_alignment);

  Scale scale(*device, 100, 3);
  Commands commands(*device);
  commands.dispatch(device->create_step(scale.descriptor));
  device->submit(std::move(commands));
  EXPECT_EQ(values_of<float>(device->read(scale.y, 99 * 4, 4))[0], 297.0f);
  const Access access[] = {Access::kRead, Access::kReadWrite};
  EXPECT_NE(error_of([&] { device->pipeline({kScale, {{"T", "f16"}, {"WG", 64u}}}, access, true); }), "no error");
  Commands timed(*device);
  expect_error_with(error_of([&] { timed.time_each_dispatch(); }), "timestamp");
}

TEST(Device, ReportsSubgroupSizesThatShadersSee) {
  Device& device = shared_device();
  const Caps& caps = device.caps();
  if (!caps.subgroups) GTEST_SKIP() << "no subgroups";
  EXPECT_GE(caps.subgroup_min, 4u);
  EXPECT_LE(caps.subgroup_min, caps.subgroup_max);
  const Access access[] = {Access::kReadWrite};
  const Buffer result = device.create_buffer(64 * 4, "result");
  const BufferRange range{&result, 0, 0};
  StepDescriptor descriptor;
  descriptor.pipeline =
      &device.pipeline({"gpu/testdata/subgroup.wgsl", {{"WG", 64u}, {"SUBGROUPS", 1u}}}, access, false);
  descriptor.storage = {&range, 1};
  Commands commands(device);
  commands.dispatch(device.create_step(descriptor));
  device.submit(std::move(commands));
  for (const uint32_t size : values_of<uint32_t>(device.read(result, 0, 64 * 4))) {
    EXPECT_GE(size, caps.subgroup_min);
    EXPECT_LE(size, caps.subgroup_max);
  }
}

TEST(Device, TwoDevicesLiveInOneProcess) {
  const auto first = Device::open(), second = Device::open();
  for (Device* device : {first.get(), second.get(), first.get()}) {
    Scale scale(*device, 10, 2);
    Commands commands(*device);
    commands.dispatch(device->create_step(scale.descriptor));
    device->submit(std::move(commands));
    EXPECT_EQ(values_of<float>(device->read(scale.y, 36, 4))[0], 18.0f);
  }
}

TEST(Device, BuffersAndReadbacksMayOutliveIt) {
  Buffer buffer;
  Step step;
  Readback readback;
  {
    const auto device = Device::open();
    Scale scale(*device, 10, 2);
    step = device->create_step(scale.descriptor);
    Commands commands(*device);
    commands.dispatch(step);
    buffer = std::move(scale.y);
    readback = device->submit_and_read(std::move(commands), {&buffer, 0, 0});
  }
  readback.wait();
  EXPECT_EQ(values_of<float>(readback.bytes())[9], 18.0f);
}

}  // namespace
}  // namespace sluice::gpu
