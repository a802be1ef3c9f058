#include "text/tokenizer.h"

#include <atomic>
#include <thread>
#include <type_traits>

#include "text/testing.h"

namespace sluice::text {
namespace {

TEST(Tokenizer, AgreesWithPython) {
  const Json cases = Json::parse(read(kData / "tokenizer_cases.json"));
  ASSERT_FALSE(cases.empty());
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const Tokenizer& tokenizer = fixture(c["tokenizer"]);
    const std::string text = c["text"];
    const Ids ids = c["ids"];
    EXPECT_EQ(tokenizer.encode(text), ids);
    EXPECT_EQ(tokenizer.encode(text, false), c["ids_plain"].get<Ids>());
    EXPECT_EQ(tokenizer.decode(ids), c["decoded"].get<std::string>());
    EXPECT_EQ(tokenizer.decode(ids, false), c["decoded_special"].get<std::string>());
  }
}

TEST(Tokenizer, IgnoresTruncationAndPaddingOfTheFile) {
  const Tokenizer& tokenizer = fixture("byte_level");  // its file sets both to 8
  EXPECT_LT(tokenizer.encode("a").size(), 8u);
  EXPECT_GT(tokenizer.encode("a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8").size(), 8u);
}

TEST(Tokenizer, LooksUpIds) {
  const Tokenizer& tokenizer = fixture("byte_level");
  const auto id = tokenizer.token_to_id("<|im_end|>");
  ASSERT_TRUE(id);
  EXPECT_EQ(tokenizer.id_to_token(*id), "<|im_end|>");
  EXPECT_TRUE(tokenizer.is_special(*id));
  EXPECT_FALSE(tokenizer.is_special(tokenizer.token_to_id("<think>").value()));
  EXPECT_FALSE(tokenizer.token_to_id("no such token"));
  EXPECT_EQ(tokenizer.vocab_size(), 405u);
  EXPECT_FALSE(tokenizer.id_to_token(405));
  EXPECT_FALSE(tokenizer.is_special(405));
  EXPECT_EQ(tokenizer.decode(Ids{1'000'000}), "");
}

TEST(Tokenizer, IsMoveOnly) {
  static_assert(!std::is_copy_constructible_v<Tokenizer> && std::is_nothrow_move_constructible_v<Tokenizer>);
  Tokenizer first = Tokenizer::load(kData / "byte_level.json");
  const Tokenizer second = std::move(first);
  EXPECT_EQ(second.decode(second.encode("gate")), "gate");
}

TEST(Tokenizer, RefusesBadFilesByName) {
  const Folder folder;
  folder.write("broken.json", "{\"version\": ");
  folder.write("other.json", "{\"model\": {\"type\": \"Nonsense\"}}");
  EXPECT_ERROR(Tokenizer::load(folder.path() / "missing.json"), "missing.json");
  EXPECT_ERROR(Tokenizer::load(folder.path()), "folder");
  EXPECT_ERROR(Tokenizer::load(folder.path() / "broken.json"), "broken.json: EOF");
  EXPECT_ERROR(Tokenizer::load(folder.path() / "other.json"), "other.json");
  EXPECT_ERROR(Tokenizer::from_json(""), "[tokenizer] tokenizer.json: ");
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) { EXPECT_ERROR(fixture("byte_level").encode("a\xFF"), "not UTF-8"); }

TEST(Tokenizer, ServesThreads) {
  const Tokenizer& tokenizer = fixture("byte_level");
  const std::string text = "Water that is needed goes through the gate. 水";
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) right += tokenizer.decode(tokenizer.encode(text)) == text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 200);
}

}  // namespace
}  // namespace sluice::text
