// What a token costs besides its kernels: counted on the built-in model and pinned.
#include <gtest/gtest.h>

#include <numeric>

#include "decode/engine.h"
#include "decode/step_plan.h"
#include "gpu/testing.h"
#include "kernels/common/runner.h"
#include "onnx/import.h"

namespace sluice::decode {
namespace {

constexpr const char* kDemo = "models/demo";

class TokenLoop : public testing::Test {
 protected:
  TokenLoop() : device_(kernels::test_device()) {}

  static std::unique_ptr<Engine> make_engine(gpu::Device& device, const std::string& folder, uint32_t chunk) {
    const ModelFiles files = find_model_files(folder, "");
    return std::make_unique<Engine>(device, onnx::import_model(files.onnx), files, EngineOptions{chunk},
                                    runtime::Progress{});
  }

  Engine& engine(const std::string& folder = kDemo, uint32_t chunk = 512) {
    engine_ = make_engine(device_, folder, chunk);
    return *engine_;
  }

  static std::vector<uint32_t> prompt(uint32_t count) {
    std::vector<uint32_t> ids(count);
    for (uint32_t i = 0; i < count; ++i) ids[i] = 3 + (i * 37) % 200;
    return ids;
  }

  std::vector<uint32_t> generate(Engine& engine, const std::vector<uint32_t>& ids, uint32_t count,
                                 kernels::SampleSettings settings = {}) {
    engine.start(ids, settings, count);
    std::vector<uint32_t> result;
    while (const auto id = engine.next()) result.push_back(*id);
    engine.cancel();
    return result;
  }

  gpu::Device& device_;
  std::unique_ptr<Engine> engine_;
};

// 1 token to begin with, then 1, 2, 4, 4, ... a submission: 64 tokens are 1 + 1 + 2 + 15 * 4. Each submission maps its
// ids once, and the host waits for them at most once, while two more are under way. Nothing else is asked of the
// device.
TEST_F(TokenLoop, CountsPerToken) {
  Engine& e = engine();
  generate(e, prompt(8), 64);  // compiles what is needed
  e.clear();
  device_.wait_idle();
  const gpu::Counters before = device_.counters();
  const uint64_t dispatches = e.decode_program().steps().size();
  ASSERT_EQ(generate(e, prompt(8), 64).size(), 64u);
  const gpu::Counters& after = device_.counters();
  EXPECT_EQ(after.submits - before.submits, 1u /* reset of recurrent state */ + 18u);
  EXPECT_EQ(after.maps - before.maps, 18u);
  EXPECT_LE(after.waits - before.waits, 18u);  // for each, where the device is slower than the host
  EXPECT_EQ(after.idle_waits - before.idle_waits, 0u);
  EXPECT_EQ(after.buffers_created - before.buffers_created, 0u);
  EXPECT_EQ(after.pipelines_created - before.pipelines_created, 0u);
  EXPECT_EQ(after.bind_groups_created - before.bind_groups_created, 0u);
  EXPECT_GE(after.dispatches - before.dispatches, 63 * dispatches);
}

// The same tokens whether a prompt runs at once, in chunks, or token by token, and whether the cache grows on the way.
TEST_F(TokenLoop, ChunksAgree) {
  const std::vector<uint32_t> ids = prompt(70);
  const std::vector<uint32_t> whole = generate(engine(kDemo, 512), ids, 12);
  EXPECT_EQ(generate(engine(kDemo, 16), ids, 12), whole);
  EXPECT_EQ(generate(engine(kDemo, 1), ids, 12), whole);
}

TEST_F(TokenLoop, CacheGrowsByDoubling) {
  Engine& e = engine();
  EXPECT_EQ(e.capacity(), 256u);
  const uint64_t small = e.cache_bytes();
  generate(e, prompt(250), 20);
  EXPECT_EQ(e.capacity(), 512u);
  EXPECT_GT(e.cache_bytes(), small);
  const std::vector<uint32_t> grown = generate(e, prompt(250), 20);
  Engine& fresh = engine();
  generate(fresh, prompt(400), 1);  // has 512 from the start
  EXPECT_EQ(generate(fresh, prompt(250), 20), grown);
}

// A cache that has grown costs a short conversation nothing: its attention is that of a small one.
TEST_F(TokenLoop, ProgramsFollowTheLength) {
  const ModelFiles files = find_model_files(kDemo, "");
  const ModelGraph model(onnx::import_model(files.onnx), files);
  const auto dispatches = [&](uint32_t capacity, uint32_t length) {
    return plan_step(model, {1, StepKind::kLastLogits, capacity, true, length}, device_.caps()).dispatches.size();
  };
  EXPECT_EQ(dispatches(32768, 256), dispatches(256, 256));
  EXPECT_GT(dispatches(32768, 32768), dispatches(256, 256));
}

// While a cache grows, no more than one layer's old buffer lives beside the new ones.
TEST_F(TokenLoop, CacheGrowsLayerByLayer) {
  const auto device = gpu::Device::open();
  const ModelFiles files = find_model_files(kDemo, "");
  Engine e(*device, onnx::import_model(files.onnx), files, {512}, {});
  generate(e, prompt(100), 1);
  const uint64_t before = device->memory_use().live, small = e.cache_bytes();
  generate(e, prompt(900), 1);
  const uint64_t grown = e.cache_bytes() - small;
  EXPECT_EQ(e.capacity(), 1024u);
  EXPECT_LE(device->memory_use().peak, before + grown + small / 4);
}

TEST(ModelPlan, LongChunksGiveWayToMemoryAndLimits) {
  const ModelFiles files = find_model_files(kDemo, "");
  const ModelGraph model(onnx::import_model(files.onnx), files);
  gpu::Caps caps = gpu::Device::open()->caps();
  const auto need = [&](uint32_t chunk) { return plan_model(model, {chunk, 256, 0}, caps).need.total(); };
  EXPECT_EQ(plan_model(model, {2048, 256, 0}, caps).rows, 2048u);
  EXPECT_EQ(plan_model(model, {2048, 256, need(2048)}, caps).rows, 2048u);
  EXPECT_EQ(plan_model(model, {2048, 256, need(2048) - 1}, caps).rows, 1024u);
  EXPECT_EQ(plan_model(model, {1500, 256, need(512)}, caps).rows, 512u);
  EXPECT_EQ(plan_model(model, {2048, 256, 1}, caps).rows, 512u);  // a shorter one would not help
  EXPECT_EQ(plan_model(model, {100, 256, 1}, caps).rows, 100u);
  caps.max_binding = 3 << 20;
  for (const uint32_t chunk : {8192u, 1u << 17}) {  // activations are too large, or caches too
    const ModelPlan limited = plan_model(model, {chunk, 256, 0}, caps);
    EXPECT_TRUE(limited.obstacles.empty()) << chunk;
    EXPECT_LT(limited.rows, 8192u);
  }
}

// The one-token step that the memory was added up for is the one that an engine starts with, though caches are counted
// with room for a chunk.
TEST_F(TokenLoop, StartsWithThePlannedToken) {
  Engine& e = engine();
  const ModelFiles files = find_model_files(kDemo, "");
  const ModelGraph model(onnx::import_model(files.onnx), files);
  const ModelPlan plan = plan_model(model, {512, e.capacity(), 0}, device_.caps());
  uint64_t states = 0;
  for (const kernels::Tensor& tensor : plan.token.states)
    states += kernels::storage_bytes(tensor.storage, tensor.elements());
  EXPECT_EQ(states, e.cache_bytes());
  EXPECT_EQ(plan.token.dispatches.size(), e.decode_program().steps().size());
  EXPECT_GT(plan.need.cache, states);
}

TEST_F(TokenLoop, RefusesWhatDoesNotFit) {
  gpu::DeviceOptions options;
  const auto open = [&](const char* memory) {
    const gpu::Environment variable("SLUICE_MEMORY", memory);
    return gpu::Device::open(options);
  };
  const ModelFiles files = find_model_files(kDemo, "");
  const graph::Graph graph = onnx::import_model(files.onnx);
  const auto tiny = open("12MiB");
  EXPECT_THROW(Engine(*tiny, graph, files, {512}, {}), Error);
  EXPECT_LT(tiny->memory_use().peak, 1u << 20);
  const auto unlimited = gpu::Device::open();
  Engine whole(*unlimited, graph, files, {512}, {});
  generate(whole, prompt(300), 2);
  const uint64_t room = unlimited->memory_use().live + whole.cache_bytes() / 2;  // for 300 tokens, not for 1000
  const auto small = open(std::to_string(room).c_str());
  Engine e(*small, graph, files, {512}, {});
  EXPECT_EQ(generate(e, prompt(300), 2).size(), 2u);
  try {
    generate(e, prompt(1000), 1);
    FAIL() << "a context that does not fit was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("tokens would fit"), std::string::npos) << error.what();
  }
  EXPECT_EQ(generate(e, prompt(300), 2).size(), 2u);
}

TEST_F(TokenLoop, StopTokenEndsTheLoopOnTheDevice) {
  Engine& e = engine();
  const std::vector<uint32_t> free = generate(e, prompt(8), 32);
  kernels::SampleSettings settings;
  settings.stop_count = 1;
  settings.stop_ids[0] = free[9];
  const size_t first = static_cast<size_t>(std::find(free.begin(), free.end(), free[9]) - free.begin());
  const std::vector<uint32_t> stopped = generate(e, prompt(8), 32, settings);
  EXPECT_EQ(stopped, std::vector<uint32_t>(free.begin(), free.begin() + static_cast<ptrdiff_t>(first) + 1));
  EXPECT_EQ(e.tokens().size(), 8 + first);  // the stop token itself was never run
}

// A conversation goes on from the cache: only what is new is run, with the same result as from nothing. Without int8
// activations: one row and many may differ in whether they are rounded to bytes.
TEST_F(TokenLoop, ContinuesFromTheCache) {
  gpu::DeviceOptions options;
  options.disable.no_dot4i8 = true;
  const auto device = gpu::Device::open(options);
  const std::unique_ptr<Engine> first = make_engine(*device, kDemo, 512), second = make_engine(*device, kDemo, 512);
  Engine& e = *first;
  std::vector<uint32_t> ids = prompt(20);
  const std::vector<uint32_t> answer = generate(e, ids, 10);
  ids.insert(ids.end(), answer.begin(), answer.end());
  for (const uint32_t id : prompt(5)) ids.push_back(id + 1);
  EXPECT_EQ(e.reuse_prefix(ids), 29u);
  const std::vector<uint32_t> continued = generate(e, ids, 10);
  EXPECT_EQ(generate(*second, ids, 10), continued);
}

TEST_F(TokenLoop, SameSeedSameTokens) {
  Engine& e = engine();
  kernels::SampleSettings settings;
  settings.temperature = 1;
  settings.top_k = 50;
  settings.seed_lo = 7;
  const std::vector<uint32_t> first = generate(e, prompt(8), 24, settings);
  EXPECT_EQ(generate(e, prompt(8), 24, settings), first);
  settings.seed_lo = 8;
  EXPECT_NE(generate(e, prompt(8), 24, settings), first);
}

TEST_F(TokenLoop, RefusesBadPrompts) {
  Engine& e = engine();
  EXPECT_THROW(e.start({}, {}, 1), Error);
  const std::vector<uint32_t> outside = {e.vocabulary()};
  EXPECT_THROW(e.start(outside, {}, 1), Error);
  const std::vector<uint32_t> too_long(e.context_length().value() + 1, 5);
  EXPECT_THROW(e.start(too_long, {}, 1), Error);
}

}  // namespace
}  // namespace sluice::decode
