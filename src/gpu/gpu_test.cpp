// Buffers, pipelines, steps and recordings on a real device.
#include "gpu/testing.h"

namespace sluice::gpu {
namespace {

TEST(Buffer, StartsZeroedAndIsRoundedUp) {
  Device& device = shared_device();
  const Buffer buffer = device.create_buffer(1021, "zeroed");
  EXPECT_EQ(buffer.size(), 1024u);
  for (const std::byte b : device.read(buffer, 0, 1024)) EXPECT_EQ(b, std::byte{0});
  EXPECT_EQ(device.create_buffer(0, "empty").size(), 4u);
}

TEST(Buffer, WritesAndReadsOddSizes) {
  Device& device = shared_device();
  const Buffer buffer = device.create_buffer(64, "odd");
  std::vector<uint8_t> expected(64, 0);
  for (const uint32_t size : {1u, 2u, 3u, 4u, 5u, 7u, 31u, 33u}) {
    std::vector<uint8_t> bytes(size);
    for (uint32_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(size * 7 + i + 1);
    device.write(buffer, 8, bytes_of(bytes));
    std::copy(bytes.begin(), bytes.end(), expected.begin() + 8);
    std::fill(expected.begin() + 8 + size, expected.begin() + 8 + (size + 3) / 4 * 4, uint8_t{0});
    EXPECT_EQ(values_of<uint8_t>(device.read(buffer, 0, 64)), expected) << size;
    EXPECT_EQ(values_of<uint8_t>(device.read(buffer, 8, size)), bytes);
    EXPECT_EQ(values_of<uint8_t>(device.read(buffer, 9, size)),
              std::vector<uint8_t>(expected.begin() + 9, expected.begin() + 9 + size));
  }
  device.write(buffer, 0, {});
  EXPECT_TRUE(device.read(buffer, 0, 0).empty());
}

TEST(Buffer, LargeWritesArriveWhole) {
  Device& device = shared_device();
  std::vector<uint32_t> words((100u << 20) / 4 + 1);
  for (uint32_t i = 0; i < words.size(); ++i) words[i] = i * 2654435761u;
  const Buffer buffer = device.create_buffer(words.size() * 4, "large");
  device.write(buffer, 0, bytes_of(words));
  EXPECT_EQ(values_of<uint32_t>(device.read(buffer, 0, words.size() * 4)), words);
}

TEST(Buffer, RefusesWhatDoesNotFit) {
  Device& device = shared_device();
  const auto message = error_of([&] { device.create_buffer(device.caps().max_buffer + 4, "huge"); });
  expect_error_with(message, "huge");
  expect_error_with(message, std::to_string(device.caps().max_buffer));
  const Buffer buffer = device.create_buffer(16, "small");
  const std::vector<uint32_t> words(5);
  expect_error_with(error_of([&] { device.write(buffer, 0, bytes_of(words)); }), "beyond");
  expect_error_with(error_of([&] { device.write(buffer, 4, bytes_of(words).subspan(0, 16)); }), "beyond");
  expect_error_with(error_of([&] { device.write(buffer, 2, bytes_of(words).subspan(0, 4)); }), "multiple of 4");
  expect_error_with(error_of([&] { device.read(buffer, 8, 12); }), "beyond");
  expect_error_with(error_of([&] { device.read(Buffer(), 0, 4); }), "no buffer");
}

TEST(Pipeline, CompilesOnceForEachKey) {
  Device& device = shared_device();
  const auto before = device.counters().pipelines_created;
  const Access access[] = {Access::kRead, Access::kReadWrite};
  const auto& first = device.pipeline({kScale, {{"T", "f32"}, {"WG", 24u}}}, access, true);
  EXPECT_EQ(&first, &device.pipeline({kScale, {{"T", "f32"}, {"WG", 24u}}}, access, true));
  EXPECT_EQ(device.counters().pipelines_created, before + 1);
  EXPECT_NE(&first, &device.pipeline({kScale, {{"T", "f32"}, {"WG", 25u}}}, access, true));
  EXPECT_EQ(device.counters().pipelines_created, before + 2);
}

TEST(Pipeline, ErrorsCarryTheCompilersTextAndTheDeviceLivesOn) {
  Device& device = shared_device();
  const Access access[] = {Access::kRead, Access::kReadWrite};
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto message = error_of([&] {
      device.pipeline({kScale, {{"T", "no_such_type"}, {"WG", 64u}}}, access, true);
    });
    expect_error_with(message, kScale);
    expect_error_with(message, "no_such_type");
  }
  // Valid WGSL whose binding is not in the layout, and a workgroup larger than any device allows.
  expect_error_with(error_of([&] {
                      device.pipeline({kScale, {{"T", "f32"}, {"WG", 64u}}}, {access, 1}, true);
                    }),
                    kScale);
  expect_error_with(error_of([&] { device.pipeline({kScale, {{"T", "f32"}, {"WG", 65536u}}}, access, true); }), kScale);
  const std::vector<Access> many(device.caps().max_storage_buffers + 1, Access::kRead);
  expect_error_with(error_of([&] {
                      device.pipeline({kScale, {{"T", "f32"}, {"WG", 64u}}}, many, true);
                    }),
                    "storage buffers");

  Scale scale(device, 1000, 0.5f);
  Commands commands(device);
  commands.dispatch(device.create_step(scale.descriptor));
  device.submit(std::move(commands));
  EXPECT_EQ(values_of<float>(device.read(scale.y, 999 * 4, 4))[0], 499.5f);
}

TEST(Step, RefusesBadRanges) {
  Device& device = shared_device();
  Scale scale(device, 1024, 2);
  const auto refuse = [&](BufferRange range, const char* part) {
    scale.ranges[1] = range;
    expect_error_with(error_of([&] { device.create_step(scale.descriptor); }), part);
  };
  const uint64_t alignment = device.caps().storage_alignment;
  refuse({&scale.y, 0, 4100}, "beyond");
  refuse({&scale.y, 8192, 0}, "beyond");
  refuse({&scale.y, 4096, 0}, "empty");
  refuse({&scale.y, alignment / 2, 0}, "no multiple of");
  refuse({&scale.y, alignment, 6}, "multiple of 4");
  refuse({nullptr, 0, 0}, "no buffer");
  const Buffer empty;
  refuse({&empty, 0, 0}, "no buffer");
  refuse({&scale.x, 0, 0}, "read and write the same buffer");
  scale.ranges[1] = {&scale.y, 0, 0};
  scale.descriptor.groups[1] = device.caps().max_workgroups + 1;
  expect_error_with(error_of([&] { device.create_step(scale.descriptor); }), "workgroups");
  scale.descriptor.groups[1] = 1;
  scale.descriptor.uniforms = {};
  expect_error_with(error_of([&] { device.create_step(scale.descriptor); }), "uniforms");
}

TEST(Step, RefusesBindingsOverTheLimit) {
  Device& device = shared_device();
  const uint64_t limit = device.caps().max_binding;
  if (limit + 256 > device.caps().max_buffer || limit > (256u << 20))
    GTEST_SKIP() << "no buffer can be larger than a binding here";
  Scale scale(device, 64, 2);
  const Buffer large = device.create_buffer(limit + 256, "large");
  scale.ranges[1] = {&large, 0, 0};
  expect_error_with(error_of([&] { device.create_step(scale.descriptor); }), std::to_string(limit));
  scale.ranges[1] = {&large, 0, limit};
  device.create_step(scale.descriptor);
}

TEST(Step, TooSmallUniformsAreRefusedAtSubmitAndTheDeviceLivesOn) {
  Device& device = shared_device();
  Scale scale(device, 64, 2);
  scale.descriptor.uniforms = {&scale.params, 0, 4};
  const std::string message = error_of([&] {
    Commands commands(device);
    commands.dispatch(device.create_step(scale.descriptor));
    device.submit(std::move(commands));
    device.wait_idle();
  });
  EXPECT_NE(message, "no error");
  scale.descriptor.uniforms = {&scale.params, 0, 0};
  Commands commands(device);
  commands.dispatch(device.create_step(scale.descriptor));
  device.submit(std::move(commands));
  device.wait_idle();
}

TEST(Step, WithoutWorkgroupsIsSkipped) {
  Device& device = shared_device();
  Scale scale(device, 64, 2);
  scale.descriptor.groups[0] = 0;
  const auto before = device.counters().dispatches;
  Commands commands(device);
  commands.dispatch(device.create_step(scale.descriptor));
  device.submit(std::move(commands));
  EXPECT_EQ(device.counters().dispatches, before);
  EXPECT_EQ(values_of<float>(device.read(scale.y, 4, 4))[0], 0.0f);
}

TEST(Step, IndirectCountsComeFromTheGpu) {
  Device& device = shared_device();
  Scale scale(device, 640, 2);
  const Buffer counts = device.create_buffer(12, "counts");
  const Buffer params = device.create_uniform_buffer(sizeof(ScaleParams), "params");
  const std::vector<ScaleParams> three{{3, 0}};
  device.write(params, 0, bytes_of(three));
  const Access access[] = {Access::kReadWrite};
  const BufferRange range{&counts, 0, 0};
  StepDescriptor producer;
  producer.pipeline = &device.pipeline({"gpu/testdata/counts.wgsl", {}}, access, true);
  producer.storage = {&range, 1};
  producer.uniforms = {&params, 0, 0};
  scale.descriptor.indirect = {&counts, 0, 12};
  Commands commands(device);
  commands.dispatch(device.create_step(producer));
  commands.dispatch(device.create_step(scale.descriptor));
  device.submit(std::move(commands));
  const auto y = values_of<float>(device.read(scale.y, 0, 640 * 4));
  for (uint32_t i = 0; i < 640; ++i) EXPECT_EQ(y[i], i < 3 * 64 ? 2.0f * static_cast<float>(i) : 0.0f) << i;
  scale.descriptor.indirect = {&counts, 4, 8};
  expect_error_with(error_of([&] { device.create_step(scale.descriptor); }), "12 bytes");
}

TEST(Commands, CopyAndClear) {
  Device& device = shared_device();
  const Buffer from = device.create_buffer(64, "from"), to = device.create_buffer(64, "to");
  device.write(from, 0, bytes_of(iota(16)));
  device.write(to, 0, bytes_of(std::vector<float>(16, -1)));
  Commands commands(device);
  commands.copy(from, 8, to, 16, 12);
  commands.clear(to, 32, 8);
  commands.copy(from, 0, to, 0, 0);
  device.submit(std::move(commands));
  EXPECT_EQ(values_of<float>(device.read(to, 0, 64)),
            (std::vector<float>{-1, -1, -1, -1, 2, 3, 4, -1, 0, 0, -1, -1, -1, -1, -1, -1}));
  Commands bad(device);
  EXPECT_NE(error_of([&] { bad.copy(from, 60, to, 0, 8); }), "no error");
  EXPECT_NE(error_of([&] { bad.copy(from, 2, to, 0, 8); }), "no error");
  EXPECT_NE(error_of([&] { bad.copy(from, 0, from, 32, 8); }), "no error");
  EXPECT_NE(error_of([&] { bad.clear(to, 60, 8); }), "no error");
  device.submit(std::move(bad));
}

TEST(Commands, DependentDispatchesAndCopiesRunInOrder) {
  Device& device = shared_device();
  Scale scale(device, 256, 2);
  BufferRange back[] = {{&scale.y, 0, 0}, {&scale.x, 0, 0}};
  const Step forth_step = device.create_step(scale.descriptor);
  scale.descriptor.storage = back;
  const Step back_step = device.create_step(scale.descriptor);
  const Buffer saved = device.create_buffer(256 * 4, "saved");
  Commands commands(device);
  for (int i = 0; i < 5; ++i) {
    commands.dispatch(forth_step);
    commands.dispatch(back_step);
    if (i == 1) commands.clear(saved, 0, 4);  // ends the pass of the dispatch before it
    if (i == 2) commands.copy(scale.x, 0, saved, 0, 256 * 4);
  }
  device.submit(std::move(commands));
  EXPECT_EQ(values_of<float>(device.read(saved, 0, 256 * 4))[255], 255.0f * 64);
  EXPECT_EQ(values_of<float>(device.read(scale.x, 0, 256 * 4))[255], 255.0f * 1024);
}

TEST(Commands, DroppedRecordingsAreHarmless) {
  Device& device = shared_device();
  Scale scale(device, 64, 2);
  const Step step = device.create_step(scale.descriptor);
  {
    Commands commands(device);
    commands.dispatch(step);
  }
  Commands commands(device);
  commands.dispatch({&step, 1});
  device.submit(std::move(commands));
  EXPECT_EQ(values_of<float>(device.read(scale.y, 4, 4))[0], 2.0f);
}

// Past several staging buffers, in odd pieces, into two buffers.
TEST(Upload, BytesArriveWhereTheyBelong) {
  Device& device = shared_device();
  const std::vector<float> values = iota(40u << 20);  // 160 MB
  const auto bytes = bytes_of(values);
  const Buffer one = device.create_buffer(bytes.size(), "one"), two = device.create_buffer(1001, "two");
  Uploader uploader(device);
  const uint64_t cuts[] = {0, 4, 1024, 5u << 20, (37u << 20) + 12, (100u << 20) + 4, bytes.size()};
  for (size_t i = 0; i + 1 < std::size(cuts); ++i)
    uploader.write(one, cuts[i], bytes.subspan(cuts[i], cuts[i + 1] - cuts[i]));
  uploader.write(two, 0, bytes.subspan(0, 1001));
  uploader.finish();
  const auto first = device.read(one, 0, bytes.size());
  EXPECT_TRUE(std::equal(first.begin(), first.end(), bytes.begin()));
  const auto second = device.read(two, 0, 1004);
  EXPECT_TRUE(std::equal(second.begin(), second.begin() + 1001, bytes.begin()));
  EXPECT_EQ(second[1001], std::byte{0});
}

TEST(Upload, RefusesWhatDoesNotFit) {
  Device& device = shared_device();
  const Buffer buffer = device.create_buffer(100, "target");
  const std::vector<float> values = iota(100);
  Uploader uploader(device);
  expect_error_with(error_of([&] { uploader.write(buffer, 2, bytes_of(values).subspan(0, 4)); }), "multiple of 4");
  expect_error_with(error_of([&] { uploader.write(buffer, 96, bytes_of(values).subspan(0, 8)); }), "100 bytes");
  expect_error_with(error_of([&] { uploader.write(buffer, 0, bytes_of(values).subspan(0, 7)); }), "100 bytes");
  expect_error_with(error_of([&] { uploader.write(Buffer(), 0, bytes_of(values)); }), "no buffer");
}

}  // namespace
}  // namespace sluice::gpu
