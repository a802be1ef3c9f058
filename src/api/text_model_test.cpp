// Generations token by token, on the built-in model.
#include "sluice/text_model.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sluice {
namespace {

class Streams : public testing::Test {
 protected:
  static TextModel& model() {
    static TextModel loaded = TextModel::load("models/demo");
    return loaded;
  }

  static std::vector<uint32_t> prompt() { return model().tokenize("In the beginning"); }

  static SamplingOptions options(uint32_t max_tokens) {
    SamplingOptions result;
    result.max_tokens = max_tokens;
    result.ignore_stop_tokens = true;
    return result;
  }
};

TEST_F(Streams, GivesWhatGenerateGives) {
  const Generation whole = model().generate(prompt(), options(12));
  TokenStream stream = model().start(prompt(), options(12));
  std::string text;
  std::vector<uint32_t> ids;
  while (const std::optional<Token> token = stream.next()) {
    text += token->text;
    if (token->id) ids.push_back(*token->id);
  }
  EXPECT_EQ(ids, whole.ids);
  EXPECT_EQ(ids.size(), 12u);
  EXPECT_EQ(text, whole.text);
  EXPECT_EQ(stream.result().text, whole.text);
  EXPECT_EQ(stream.result().reason, FinishReason::kLength);
  EXPECT_FALSE(stream.next());
}

TEST_F(Streams, CancelEndsIt) {
  TokenStream stream = model().start(prompt(), options(200));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream.next()->id);
  stream.cancel();
  while (const std::optional<Token> token = stream.next()) EXPECT_FALSE(token->id);
  EXPECT_EQ(stream.result().ids.size(), 3u);
  EXPECT_EQ(stream.result().reason, FinishReason::kCancelled);
}

TEST_F(Streams, ALaterCallEndsAnEarlierStream) {
  const Generation whole = model().generate(prompt(), options(5));
  TokenStream first = model().start(prompt(), options(200));
  ASSERT_TRUE(first.next());
  TokenStream second = model().start(prompt(), options(5));
  EXPECT_THROW(first.next(), Error);
  EXPECT_FALSE(first.next());
  std::vector<uint32_t> ids;
  while (const std::optional<Token> token = second.next()) {
    if (token->id) ids.push_back(*token->id);
  }
  EXPECT_EQ(ids, whole.ids);
}

TEST_F(Streams, AbandonedOnesLeaveTheModelUsable) {
  const Generation whole = model().generate(prompt(), options(5));
  { EXPECT_TRUE(model().start(prompt(), options(200)).next()); }
  EXPECT_EQ(model().generate(prompt(), options(5)).ids, whole.ids);
}

TEST_F(Streams, CallbackThatReturnsFalseEndsTheGeneration) {
  int calls = 0;
  const Generation g =
      model().generate(prompt(), options(50), [&](std::string_view, std::optional<uint32_t>) { return ++calls < 4; });
  EXPECT_EQ(g.ids.size(), 4u);
  EXPECT_EQ(g.reason, FinishReason::kCancelled);
}

TEST_F(Streams, NoTokensAskedFor) {
  TokenStream stream = model().start(prompt(), options(0));
  EXPECT_FALSE(stream.next());
  EXPECT_EQ(stream.result().reason, FinishReason::kLength);
}

TEST_F(Streams, OutlivesItsModelVariable) {
  auto moved = std::make_unique<TextModel>(TextModel::load("models/demo"));
  TokenStream stream = moved->start(prompt(), options(2));
  moved.reset();
  EXPECT_TRUE(stream.next());
}

}  // namespace
}  // namespace sluice
