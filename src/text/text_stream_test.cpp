#include "text/text_stream.h"

#include <fmt/format.h>

#include <random>

#include "text/testing.h"

namespace sluice::text {
namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

bool is_whole_utf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t size = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (size == 0 || i + size > text.size()) return false;
    for (size_t j = 1; j < size; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xC0) != 0x80) return false;
    }
    i += size;
  }
  return true;
}

std::vector<std::string> stream(const Tokenizer& tokenizer, const Ids& ids,
                                SpecialTokens special = SpecialTokens::kSkip) {
  TextStream out(tokenizer, special);
  std::vector<std::string> pieces;
  for (uint32_t id : ids) pieces.push_back(out.push(id));
  pieces.push_back(out.finish());
  for (const std::string& piece : pieces) EXPECT_TRUE(is_whole_utf8(piece)) << piece;
  return pieces;
}

std::string join(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

// The id of one byte, in the spelling of either tokenizer.
Ids bytes(const std::string& name, const std::string& text) {
  const Tokenizer& tokenizer = fixture(name);
  // Printable ASCII aside, byte-level vocabularies move bytes 0..32, 127..160 and 173 to U+0100 and up, in this order.
  Ids ids;
  for (unsigned char byte : text) {
    std::string token = fmt::format("<0x{:02X}>", byte);
    if (name == "byte_level") {
      uint32_t code = byte;
      if (byte <= 32) code = 256u + byte;
      if (byte >= 127 && byte <= 160) code = 256u + 33u + (byte - 127u);
      if (byte == 173) code = 256u + 33u + 34u;
      token = code < 128 ? std::string(1, static_cast<char>(code))
                         : std::string{static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
    }
    ids.push_back(tokenizer.token_to_id(token).value());
  }
  return ids;
}

constexpr const char* kBoth[] = {"byte_level", "byte_fallback"};

TEST(TextStream, PiecesMakeTheWholeText) {
  for (const Json& c : Json::parse(read(kData / "tokenizer_cases.json"))) {
    SCOPED_TRACE(c.dump());
    const Tokenizer& tokenizer = fixture(c["tokenizer"]);
    EXPECT_EQ(join(stream(tokenizer, c["ids"])), c["decoded"].get<std::string>());
    EXPECT_EQ(join(stream(tokenizer, c["ids"], SpecialTokens::kKeep)), c["decoded_special"].get<std::string>());
  }
}

TEST(TextStream, RandomTextsComeOutWhole) {
  const std::string parts[] = {"gate", " the",       " ",   "  ",     "\n", "é", "水", "😀", "👩‍👩‍👧",
                               "x",    "<|im_end|>", "<s>", " water", "▁",  "1"};
  std::mt19937 random(1234);
  for (const char* name : kBoth) {
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (int i = 0; i < 12; ++i) text += parts[random() % std::size(parts)];
      SCOPED_TRACE(text);
      const Ids ids = fixture(name).encode(text, random() % 2 == 0);
      EXPECT_EQ(join(stream(fixture(name), ids)), fixture(name).decode(ids));
    }
  }
}

TEST(TextStream, HoldsASplitEmojiBack) {
  for (const char* name : kBoth) {
    SCOPED_TRACE(name);
    const Ids ids = bytes(name,
                          "a\xF0\x9F\x98\x80"
                          "b");
    const std::vector<std::string> want = {"a", "", "", "", "😀", "b", ""};
    EXPECT_EQ(stream(fixture(name), ids), want);
  }
}

TEST(TextStream, PrintsTextBeforeAnUnfinishedCharacter) {
  const Tokenizer& tokenizer = fixture("byte_level");
  Ids ids = tokenizer.encode("gate", false);
  for (uint32_t id : bytes("byte_level", "\xC3")) ids.push_back(id);
  std::vector<std::string> pieces = stream(tokenizer, ids);
  EXPECT_EQ(pieces.back(), kReplacement);
  pieces.pop_back();
  EXPECT_EQ(join(pieces), "gate");
}

TEST(TextStream, UnfinishedCharacterAtTheEndBecomesReplacement) {
  EXPECT_EQ(join(stream(fixture("byte_level"), bytes("byte_level", "a\xF0\x9F\x98"))), "a" + kReplacement);
  // Byte fallback writes one a byte.
  EXPECT_EQ(join(stream(fixture("byte_fallback"), bytes("byte_fallback", "a\xE6\xB0"))),
            "a" + kReplacement + kReplacement);
}

TEST(TextStream, BrokenByteDoesNotSpoilItsNeighbours) {
  for (const char* name : kBoth) {
    SCOPED_TRACE(name);
    Ids ids = bytes(name, "\xE6\xB0\xB4\xFF");
    ids.push_back(fixture(name).token_to_id("b").value());
    EXPECT_EQ(join(stream(fixture(name), ids)), "水" + kReplacement + "b");
  }
}

TEST(TextStream, EndlessBrokenBytesComeOutAndStayCheap) {
  for (const char* name : kBoth) {
    SCOPED_TRACE(name);
    TextStream out(fixture(name));
    const uint32_t broken = bytes(name, "\xFF")[0];
    size_t size = 0;
    for (int i = 0; i < 2000; ++i) size += out.push(broken).size();
    EXPECT_GE(size, 3u * 1990u);
    size += out.finish().size();
    EXPECT_EQ(size, 3u * 2000u);
    EXPECT_EQ(out.push(bytes(name, "a")[0]), "a");
  }
}

TEST(TextStream, KeepsSpacesAfterASkippedSpecialToken) {
  const Tokenizer& tokenizer = fixture("byte_fallback");
  Ids ids = tokenizer.encode("the gate");
  ids.push_back(tokenizer.token_to_id("</s>").value());
  for (uint32_t id : tokenizer.encode("the gate", false)) ids.push_back(id);
  EXPECT_EQ(join(stream(tokenizer, ids)), "the gate the gate");
  EXPECT_EQ(join(stream(tokenizer, ids, SpecialTokens::kKeep)), tokenizer.decode(ids, false));
}

TEST(TextStream, KeepsSpacesAfterATokenThatPrintsNothing) {
  const Tokenizer tokenizer = Tokenizer::from_json(R"({"version": "1.0", "added_tokens": [],
      "model": {"type": "BPE", "vocab": {"▁a": 0, "@": 1}, "merges": []},
      "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "@"}, "content": ""},
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}})");
  EXPECT_EQ(join(stream(tokenizer, {0, 1, 0})), "a a");
}

TEST(TextStream, IgnoresIdsBeyondTheVocabulary) {
  EXPECT_EQ(join(stream(fixture("byte_level"), {400'000, bytes("byte_level", "a")[0], 400'000})), "a");
}

TEST(TextStream, StartsAnewAfterFinish) {
  const Tokenizer& tokenizer = fixture("byte_fallback");
  TextStream out(tokenizer);
  for (int round = 0; round < 2; ++round) {
    std::string text;
    for (uint32_t id : tokenizer.encode("the gate")) text += out.push(id);
    EXPECT_EQ(text + out.finish(), "the gate");
  }
}

}  // namespace
}  // namespace sluice::text
