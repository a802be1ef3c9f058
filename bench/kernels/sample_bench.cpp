// Times the sampler over the vocabularies of real models: greedy, and with what people set.
#include <random>
#include <vector>

#include "bench.h"
#include "kernels/sample/sample.h"
#include "kernels/sample/state.h"
#include "kernels/sample/test_words.h"

namespace {

using namespace sluice;
using namespace sluice::kernels;

struct Setting {
  const char* name;
  SampleSettings settings;
};

std::vector<Setting> settings() {
  SampleSettings top_k, top_p, all;
  top_k.temperature = top_p.temperature = all.temperature = 0.8f;
  top_k.top_k = all.top_k = 50;
  top_p.top_p = all.top_p = 0.95f;
  all.min_p = 0.05f;
  all.repetition_penalty = 1.1f;
  return {{"greedy", {}}, {"top-k 50", top_k}, {"top-p 0.95", top_p}, {"top-k, top-p, min-p, penalty", all}};
}

std::vector<float> normal(uint32_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> distribution(0, 3);
  std::vector<float> values(count);
  for (float& v : values) v = distribution(random);
  return values;
}

void sample(uint32_t vocabulary, const Setting& setting, const bench::Options& options) {
  const Storage storage = bench::float_storage();
  const auto record = [&](Runner& runner) {
    const DecodeState state;
    const std::vector<uint32_t> history(vocabulary);
    SampleProblem p;
    p.logits = runner.upload(storage, {1, vocabulary}, normal(vocabulary));
    p.settings = test::upload_words(runner, &setting.settings, kSampleSettingsWords);
    p.state = test::upload_words(runner, &state, kDecodeStateWords);
    p.history = test::upload_words(runner, history.data(), vocabulary);
    p.next_ids = runner.upload({1}, {0});
    p.ring = runner.upload({64}, std::vector<int32_t>(64));
    plan_sample(p, runner.recorder());
  };
  const uint64_t bytes = storage_bytes(storage, vocabulary) + 4ull * vocabulary;
  bench::run({"sample", fmt::format("v={} {}", vocabulary, setting.name), bytes, record, 1, 0, 1}, options);
}

}  // namespace

int main(int argc, char** argv) try {
  const bench::Options options = bench::Options::parse(argc, argv);
  for (const uint32_t vocabulary : {65536u, 151936u, 201088u}) {
    for (const Setting& setting : settings()) sample(vocabulary, setting, options);
  }
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
