// Times GroupQueryAttention over the shapes of real models: the whole plan, then each of its dispatches by itself. One
// new token runs over several layers with caches of their own, as in a model, where the weights of the layers between
// have driven a cache out of the GPU's.
#include <algorithm>
#include <bit>
#include <set>
#include <vector>

#include "bench.h"
#include "kernels/attention/gqa.h"

namespace {

using namespace sluice;
using namespace sluice::kernels;

constexpr uint64_t kWorkingSet = 96 << 20;  // bytes of the caches read, more than a GPU's cache holds

struct Model {
  const char* name;
  uint32_t heads, kv_heads, head_size;
  uint32_t window;  // 0: none
  bool sink, norm, rotary, packed;
};

constexpr Model kModels[] = {
    {"gpt-oss", 64, 8, 64, 0, true, false, true, true},   {"gpt-oss window", 64, 8, 64, 128, true, false, true, true},
    {"trinity", 8, 2, 128, 0, false, true, false, false}, {"trinity window", 8, 2, 128, 2048, false, true, true, false},
    {"lfm2", 32, 8, 64, 0, false, true, true, false},     {"qwen3", 32, 4, 128, 0, false, true, true, false},
};

struct Step {
  uint32_t seq, past;
};

Tensor random(Runner& runner, std::vector<uint32_t> shape) {
  const size_t count = Tensor{0, Storage::kF32, shape}.elements();
  return runner.upload(bench::float_storage(), std::move(shape), bench::random_floats(count, 1, 1));
}

uint32_t keys_read(const Model& m, const Step& s) {
  const uint32_t total = s.past + s.seq;
  return m.window > 0 ? std::min(total, m.window + s.seq - 1) : total;
}

uint64_t cache_bytes(const Model& m, const Step& s) {
  return 2ull * m.kv_heads * m.head_size * keys_read(m, s) * bench::float_bytes();
}

// Products and sums of q.k and of weights * values, of the keys that each row sees.
uint64_t operations(const Model& m, const Step& s) {
  uint64_t pairs = 0;
  for (uint32_t i = 0; i < s.seq; ++i) {
    pairs += m.window > 0 ? std::min(s.past + i + 1, m.window) : s.past + i + 1;
  }
  return 4 * pairs * m.heads * m.head_size;
}

GroupQueryAttentionProblem shared_tensors(const Model& m, const Step& s, Runner& runner) {
  GroupQueryAttentionProblem p;
  const uint32_t q = m.heads * m.head_size, kv = m.kv_heads * m.head_size;
  p.query = random(runner, {1, s.seq, m.packed ? q + 2 * kv : q});
  if (!m.packed) {
    p.key = random(runner, {1, s.seq, kv});
    p.value = random(runner, {1, s.seq, kv});
  }
  p.seqlens = runner.upload({1}, {static_cast<int32_t>(s.past + s.seq) - 1});
  p.do_rotary = m.rotary;
  if (m.rotary) {
    p.cos_cache = random(runner, {s.past + s.seq, m.head_size / 2});
    p.sin_cache = random(runner, {s.past + s.seq, m.head_size / 2});
  }
  if (m.sink) p.head_sink = random(runner, {m.heads});
  if (m.norm) {
    p.q_norm_weight = random(runner, {m.head_size});
    p.k_norm_weight = random(runner, {m.head_size});
  }
  p.output = runner.allocate(bench::float_storage(), {1, s.seq, q});
  p.num_heads = m.heads;
  p.kv_num_heads = m.kv_heads;
  p.local_window_size = m.window > 0 ? static_cast<int32_t>(m.window) : -1;
  return p;
}

uint32_t layers_of(const Model& m, const Step& s) {
  if (s.seq > 8) return 2;
  return static_cast<uint32_t>(std::clamp<uint64_t>(kWorkingSet / cache_bytes(m, s), 2, 48));
}

void record(const Model& m, const Step& s, Runner& runner) {
  GroupQueryAttentionProblem p = shared_tensors(m, s, runner);
  const uint32_t capacity = std::bit_ceil(s.past + s.seq);
  for (uint32_t layer = 0; layer < layers_of(m, s); ++layer) {
    // Zeros take as long to read as anything else.
    p.key_cache = runner.allocate(float_storage(), {1, m.kv_heads, capacity, m.head_size});
    p.value_cache = runner.allocate(float_storage(), {1, m.kv_heads, capacity, m.head_size});
    plan_group_query_attention(p, runner.recorder());
  }
}

std::set<std::string> kernel_names(const Model& m, const Step& s) {
  Runner runner(test_device());
  record(m, s, runner);
  std::set<std::string> names;
  for (const Dispatch& dispatch : runner.recorder().dispatches()) names.insert(dispatch.name);
  return names;
}

void bench_step(const Model& m, const Step& s, bench::Options options) {
  const std::string shape = fmt::format("{} new={} past={}", m.name, s.seq, s.past);
  const auto of = [&](const std::string& kernel, const std::function<void(Runner&)>& plan) {
    return bench::Case{kernel, shape, cache_bytes(m, s), plan, layers_of(m, s), operations(m, s), s.seq};
  };
  if (!bench::wanted(of("gqa", {}), options)) return;
  options.filter.clear();
  options.copies = s.seq > 8 ? 1 : 2;
  const auto run = [&](const std::string& kernel, const std::function<void(Runner&)>& plan) {
    bench::run(of(kernel, plan), options);
  };
  run("gqa", [&](Runner& runner) { record(m, s, runner); });
  const auto names = kernel_names(m, s);
  if (names.size() == 1) return;
  for (const std::string& name : names) {
    run(name, [&](Runner& runner) {
      record(m, s, runner);
      std::erase_if(runner.recorder().dispatches(), [&](const Dispatch& d) { return d.name != name; });
    });
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const bench::Options options = bench::Options::parse(argc, argv);
  for (const Model& model : kModels) {
    for (const Step& step : {Step{1, 128}, Step{1, 1023}, Step{1, 4095}, Step{1, 32767}, Step{8, 4088}, Step{512, 0},
                             Step{512, 4096}, Step{2048, 0}, Step{2048, 4096}}) {
      bench_step(model, step, options);
    }
  }
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
