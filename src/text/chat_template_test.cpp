#include "text/chat_template.h"

#include <ctime>
#include <regex>

#include "text/testing.h"

namespace sluice::text {
namespace {

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
