// The chat template of a model folder: messages in, prompt text out, as transformers' apply_chat_template renders it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct SluiceTextTemplate;

namespace sluice::text {

struct Message {
  std::string role, content;
};

// Move-only. const calls may run on several threads at once. The prompt names its special tokens itself: encode it with
// add_special_tokens = false.
class ChatTemplate {
 public:
  // Looks for chat_template.jinja, then chat_template.json, then "chat_template" in tokenizer_config.json; the special
  // tokens come from tokenizer_config.json and special_tokens_map.json. Throws Error if there is none or it does not
  // parse.
  static ChatTemplate load(const std::filesystem::path& folder);
  // special_tokens_json: an object such as {"bos_token": "<s>"}.
  static ChatTemplate from_text(std::string_view text, std::string_view special_tokens_json = "{}");

  // extra_json: an object with more variables, such as {"tools": [...], "enable_thinking": false}. Throws Error with
  // the template's own text when it calls raise_exception.
  std::string render(std::span<const Message> messages, bool add_generation_prompt = true,
                     std::string_view extra_json = "{}") const;
  // messages_json: an array of objects, for messages that are more than a role and a text (tool calls, parts,
  // reasoning).
  std::string render_json(std::string_view messages_json, bool add_generation_prompt = true,
                          std::string_view extra_json = "{}") const;

 private:
  struct Free {
    void operator()(SluiceTextTemplate* chat_template) const;
  };
  // A parsed template and where it came from, for error texts.
  struct Parsed {
    std::unique_ptr<SluiceTextTemplate, Free> handle;
    std::string origin;
  };
  static Parsed parse(std::string_view text, std::string origin);

  Parsed main_;
  std::optional<Parsed> tool_use_;  // used instead when tools are given
  std::string special_tokens_;      // a JSON object
};

}  // namespace sluice::text
