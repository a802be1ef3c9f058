// The fixtures in testdata/ hold what Python's tokenizers and transformers answer; testdata/make_fixtures.py makes
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <regex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/stop_strings.h"
#include "text/text_stream.h"
#include "text/tokenizer.h"

namespace sluice::text {
namespace {

using Ids = std::vector<uint32_t>;
using Json = nlohmann::ordered_json;

const std::filesystem::path kData = SLUICE_TEXT_TESTDATA;
const std::string kReplacement = "\xEF\xBF\xBD";

std::string read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << file;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

const Tokenizer& fixture(const std::string& name) {
  static const Tokenizer byte_level = Tokenizer::load(kData / "byte_level.json");
  static const Tokenizer byte_fallback = Tokenizer::load(kData / "byte_fallback.json");
  return name == "byte_level" ? byte_level : byte_fallback;
}

// The text of the Error that body throws.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

#define EXPECT_ERROR(body, part) \
  EXPECT_NE(error_of([&] { body; }).find(part), std::string::npos) << error_of([&] { body; })

// A folder that is gone after the test.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("sluice_text_" + std::to_string(std::random_device()()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  void write(const std::filesystem::path& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// ---- Tokenizer ----

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

// ---- TextStream ----

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

// ---- StopStrings ----

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

// ---- ChatTemplate ----

std::string today(const std::string& format) {
  const std::time_t now = std::time(nullptr);
  char text[100];
  return {text, std::strftime(text, sizeof text, format.c_str(), std::localtime(&now))};
}

// The fixtures hold @format@ where strftime_now(format) prints.
std::string with_dates(std::string text) {
  const std::regex mark("@(%[^@]+)@");
  for (std::smatch match; std::regex_search(text, match, mark);) {
    text = match.prefix().str() + today(match[1]) + match.suffix().str();
  }
  return text;
}

TEST(ChatTemplate, AgreesWithTransformers) {
  const Json cases = Json::parse(read(kData / "chat_cases.json"));
  ASSERT_GT(cases.size(), 30u);
  for (const Json& c : cases) {
    const std::string name = c["template"];
    SCOPED_TRACE(name + " " + c["name"].get<std::string>());
    const std::string text = read(kData / "templates" / (name + ".jinja"));
    const ChatTemplate chat = ChatTemplate::from_text(text, c["tokens"].dump());
    const std::string before = with_dates(c["expected"]);
    const std::string got = chat.render_json(c["messages"].dump(), c["add_generation_prompt"], c["extra"].dump());
    EXPECT_EQ(got, got == before ? before : with_dates(c["expected"]));  // midnight may pass in between
  }
}

TEST(ChatTemplate, RendersMessages) {
  const ChatTemplate chat = ChatTemplate::from_text(read(kData / "templates/chatml.jinja"));
  const std::vector<Message> messages = {{"system", "Be \"brief\""}, {"user", "Hi ☃\n"}};
  EXPECT_EQ(chat.render(messages),
            "<|im_start|>system\nBe \"brief\"<|im_end|>\n<|im_start|>user\nHi ☃\n<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(chat.render({}, false), "");
}

TEST(ChatTemplate, RaiseExceptionKeepsTheTemplatesWords) {
  const ChatTemplate chat = ChatTemplate::from_text(read(kData / "templates/mistral.jinja"));
  const std::vector<Message> twice = {{"user", "a"}, {"user", "b"}};
  EXPECT_ERROR(chat.render(twice), "Conversation roles must alternate user/assistant/user/assistant/...");
  EXPECT_ERROR(chat.render(twice), "chat template:10");
}

TEST(ChatTemplate, RefusesBadTemplates) {
  EXPECT_ERROR(ChatTemplate::from_text("a\n{% if %}"), "chat template:2");
  EXPECT_ERROR(ChatTemplate::from_text("{{ x"), "syntax error");
  EXPECT_ERROR(ChatTemplate::from_text("{% generation %}"), "[chat_template]");
  EXPECT_ERROR(ChatTemplate::from_text("{{ nothing.inside }}").render({}), "undefined");
  EXPECT_ERROR(ChatTemplate::from_text("{{ no_such() }}").render({}), "no_such");
  EXPECT_ERROR(ChatTemplate::from_text("{{ 'a' | no_such }}").render({}), "no_such");
  EXPECT_ERROR(ChatTemplate::from_text("{{ range(3) | tojson(indent=[]) }}").render({}), "[chat_template]");
  EXPECT_ERROR(ChatTemplate::from_text("{{ strftime_now('%J') }}").render({}), "strftime_now");
  EXPECT_ERROR(ChatTemplate::from_text("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").render({}), "recursion");
}

// The pinned engine panics on this slice: a panic must come out as an Error like any other.
TEST(ChatTemplate, PanicBecomesAnError) {
  const ChatTemplate chat = ChatTemplate::from_text("{% for m in messages[::-1] %}{{ m.role }}{% endfor %}");
  EXPECT_ERROR(chat.render({}), "internal error");
  EXPECT_EQ(chat.render(std::vector<Message>{{"user", ""}, {"tool", ""}}), "tooluser");
}

TEST(ChatTemplate, RefusesBadJson) {
  const ChatTemplate chat = ChatTemplate::from_text("{{ messages | length }}");
  EXPECT_ERROR(chat.render({}, true, "["), "extra variables");
  EXPECT_ERROR(chat.render({}, true, "[]"), "expected a JSON object, got array");
  EXPECT_ERROR(chat.render_json("{}"), "expected a JSON array");
  EXPECT_ERROR(chat.render_json("[1]"), "a message must be a JSON object");
  EXPECT_ERROR(chat.render(std::vector<Message>{{"user", "\xFF"}}), "UTF-8");
}

TEST(ChatTemplate, FindsTheTemplateOfAFolder) {
  const Folder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": "config {{ bos_token }}{{ eos_token }}{{ pad_token }}|",
      "bos_token": {"content": "<b>", "lstrip": false}, "eos_token": "<e>", "pad_token": null})");
  folder.write("special_tokens_map.json", R"({"bos_token": "<other>", "pad_token": {"content": "<p>"}})");
  EXPECT_EQ(ChatTemplate::load(folder.path()).render({}), "config <b><e><p>|");
  folder.write("chat_template.json", R"({"chat_template": "json {{ eos_token }}"})");
  EXPECT_EQ(ChatTemplate::load(folder.path()).render({}), "json <e>");
  folder.write("chat_template.jinja", "jinja {{ eos_token }}\n");
  EXPECT_EQ(ChatTemplate::load(folder.path()).render({}), "jinja <e>");
}

TEST(ChatTemplate, TakesTheDefaultOfAList) {
  const Folder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"},
                                                              {"name": "default", "template": "plain"}]})");
  const ChatTemplate chat = ChatTemplate::load(folder.path());
  EXPECT_EQ(chat.render({}), "plain");
  EXPECT_EQ(chat.render({}, true, R"({"tools": null})"), "plain");
  EXPECT_EQ(chat.render({}, true, R"({"tools": []})"), "tools");
}

TEST(ChatTemplate, RefusesFoldersByName) {
  const Folder folder;
  EXPECT_ERROR(ChatTemplate::load(folder.path()), "no chat template in " + folder.path().string());
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  EXPECT_ERROR(ChatTemplate::load(folder.path()), "no \"default\"");
  folder.write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_ERROR(ChatTemplate::load(folder.path()), "chat_template must be a string, got number");
  folder.write("tokenizer_config.json", "{");
  EXPECT_ERROR(ChatTemplate::load(folder.path()), "tokenizer_config.json");
  folder.write("tokenizer_config.json", "{}");
  folder.write("chat_template.jinja", "{% endif %}");
  EXPECT_ERROR(ChatTemplate::load(folder.path()), "chat_template.jinja: syntax error");
}

}  // namespace
}  // namespace sluice::text
