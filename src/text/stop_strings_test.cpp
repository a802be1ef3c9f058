#include "text/stop_strings.h"

#include <algorithm>
#include <optional>

#include "text/testing.h"

namespace sluice::text {
namespace {

struct Fed {
  std::string text;
  std::optional<size_t> hit;
  bool operator==(const Fed&) const = default;
};

Fed feed_all(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopStrings filter(stops);
  std::string text;
  for (const std::string& piece : pieces) text += filter.feed(piece);
  text += filter.finish();
  return {text, filter.hit_index()};
}

TEST(StopStrings, NoStopsPassEverythingThrough) {
  StopStrings filter;
  EXPECT_EQ(filter.feed("abc"), "abc");
  EXPECT_EQ(filter.finish(), "");
  EXPECT_FALSE(filter.hit());
}

TEST(StopStrings, HoldsBackWhatMayBeginAStop) {
  StopStrings filter({"\n\nUser:"});
  EXPECT_EQ(filter.feed("Hi\n"), "Hi");
  EXPECT_EQ(filter.feed("\nUs"), "");
  EXPECT_EQ(filter.feed("ing it\n"), "\n\nUsing it");
  EXPECT_EQ(filter.finish(), "\n");
  EXPECT_FALSE(filter.hit());
}

TEST(StopStrings, StopAcrossPiecesEndsTheText) {
  StopStrings filter({"END"});
  EXPECT_EQ(filter.feed("text E"), "text ");
  EXPECT_EQ(filter.feed("N"), "");
  EXPECT_EQ(filter.feed("D more"), "");
  EXPECT_TRUE(filter.hit());
  EXPECT_EQ(filter.feed("still more"), "");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopStrings, FirstCompleteStopWins) {
  EXPECT_EQ(feed_all({"abcd", "bc"}, {"xabcd"}), (Fed{"xa", 1}));
  EXPECT_EQ(feed_all({"bc", "abc"}, {"xabc"}), (Fed{"x", 1}));
  EXPECT_EQ(feed_all({"aab"}, {"a", "a", "a", "b"}), (Fed{"a", 0}));
  EXPECT_EQ(feed_all({"水😀"}, {"a水", "😀b"}), (Fed{"a", 0}));
  EXPECT_EQ(feed_all({"水!"}, {"a水", "?"}), (Fed{"a水?", std::nullopt}));
}

// Every text of up to seven letters, cut in every way, must give what it gives in one piece; and that is checked
// plainly.
TEST(StopStrings, CutsMakeNoDifference) {
  const std::vector<std::string> stops = {"aba", "bb", "abbb"};
  for (size_t length = 0; length <= 7; ++length) {
    for (unsigned letters = 0; letters < 1u << length; ++letters) {
      std::string text;
      for (size_t i = 0; i < length; ++i) text += (letters >> i & 1u) ? 'b' : 'a';
      std::string plain = text;
      for (size_t end = 1; end <= length && plain == text; ++end) {
        size_t begin = end;
        for (const std::string& stop : stops) {
          if (text.substr(0, end).ends_with(stop)) begin = std::min(begin, end - stop.size());
        }
        if (begin != end) plain = text.substr(0, begin);
      }
      for (unsigned cuts = 0; cuts < 1u << length; ++cuts) {
        std::vector<std::string> pieces(1);
        for (size_t i = 0; i < length; ++i) {
          pieces.back() += text[i];
          if (cuts >> i & 1u) pieces.emplace_back();
        }
        ASSERT_EQ(feed_all(stops, pieces).text, plain) << text << " cut as " << cuts;
      }
    }
  }
}

TEST(StopStrings, RefusesAnEmptyStop) { EXPECT_ERROR(StopStrings({"a", ""}), "[stop_strings]"); }

}  // namespace
}  // namespace sluice::text
