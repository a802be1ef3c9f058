// Settings and logits of any bits: a token of the vocabulary is drawn, and no index leaves its buffer.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "kernels/common/runner.h"
#include "kernels/common/watched_device.h"
#include "kernels/sample/sample.h"
#include "kernels/sample/state.h"
#include "kernels/sample/test_words.h"

namespace sluice::kernels {
namespace {

using test::upload_words;

// Numbers of any kind, some of them alike.
uint32_t wild_float(std::mt19937& random) {
  constexpr uint32_t kEdges[] = {0,           0x80000000u, 1,           0x3f800000u, 0x3f7fffffu,
                                 0xbf800000u, 0x7f800000u, 0xff800000u, 0x7fc00000u, 0x7f7fffffu};
  return random() % 3 == 0 ? static_cast<uint32_t>(random()) : kEdges[random() % std::size(kEdges)];
}

class WildSettings : public testing::TestWithParam<uint32_t> {};  // the size of the vocabulary

TEST_P(WildSettings, DrawATokenOfTheVocabulary) {
  const uint32_t vocabulary = GetParam();
  std::mt19937 random(vocabulary);
  for (uint32_t round = 0; round < 24; ++round) {
    uint32_t settings[kSampleSettingsWords];
    for (uint32_t& word : settings) word = wild_float(random);
    settings[0] = 0x3f800000u;  // the temperature: without one nothing is drawn
    if (round % 2 == 0) settings[1] = static_cast<uint32_t>(random()) % (vocabulary + 2);
    std::vector<float> logits(vocabulary);
    for (float& logit : logits) logit = std::bit_cast<float>(wild_float(random));
    Runner runner(watched_device());
    const DecodeState state;
    const std::vector<uint32_t> history(vocabulary);
    SampleProblem p;
    p.settings = upload_words(runner, settings, kSampleSettingsWords);
    p.state = upload_words(runner, &state, kDecodeStateWords);
    p.history = upload_words(runner, history.data(), vocabulary);
    p.next_ids = runner.upload({1}, {-7});
    p.ring = runner.upload({3}, {0, 0, 0});
    p.logits = runner.upload(Storage::kF32, {1, vocabulary}, logits);
    plan_sample(p, runner.recorder());
    runner.run();
    const int32_t id = runner.read_ints(p.next_ids)[0];
    EXPECT_TRUE(id >= 0 && static_cast<uint32_t>(id) < vocabulary) << "round " << round << ": " << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, WildSettings, testing::Values(1, 40, 5000));

}  // namespace
}  // namespace sluice::kernels
