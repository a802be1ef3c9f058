#include "text/chat_template.h"

#include <nlohmann/json.hpp>

#include "text/border.h"

namespace sluice::text {
namespace {

// Keys keep their order: templates print tools and arguments as they came.
using Json = nlohmann::ordered_json;
using std::filesystem::path;

constexpr std::string_view kTag = "chat_template";
constexpr const char* kSpecialTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token", "mask_token"};

struct Source {
  std::string text, origin;
};

Json parse_json(std::string_view text, std::string_view name, Json::value_t type) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    fail(kTag, "{}: {}", name, error.what());
  }
  if (json.type() != type) {
    fail(kTag, "{}: expected a JSON {}, got {}", name, Json(type).type_name(), json.type_name());
  }
  return json;
}

Json read_object(const path& file) {
  const std::optional<std::string> text = read_if_exists(file, kTag);
  return text ? parse_json(*text, path_text(file), Json::value_t::object) : Json::object();
}

// The string member `key`; nothing when it is absent or null.
std::optional<std::string> string_member(const Json& object, const std::string& key, const path& file) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) fail(kTag, "{}: {} must be a string, got {}", path_text(file), key, found->type_name());
  return found->get<std::string>();
}

// From a list of {"name": ..., "template": ...}.
std::optional<std::string> named_template(const Json& list, std::string_view name, const path& file) {
  for (const Json& entry : list) {
    if (!entry.is_object()) {
      fail(kTag, "{}: chat_template must list objects, got {}", path_text(file), entry.type_name());
    }
    if (string_member(entry, "name", file) == name) return string_member(entry, "template", file);
  }
  return std::nullopt;
}

std::optional<Source> find_in_config(const Json& config, std::string_view name, const path& file) {
  const auto found = config.find("chat_template");
  const bool is_list = found != config.end() && found->is_array();
  // A plain string is the default template.
  if (!is_list && name != "default") return std::nullopt;
  std::optional<std::string> text =
      is_list ? named_template(*found, name, file) : string_member(config, "chat_template", file);
  if (text) return Source{std::move(*text), path_text(file)};
  if (is_list && name == "default") fail(kTag, "{}: chat_template has no \"default\"", path_text(file));
  return std::nullopt;
}

std::optional<Source> find_in_file(const path& file) {
  std::optional<std::string> text = read_if_exists(file, kTag);
  if (!text) return std::nullopt;
  return Source{std::move(*text), path_text(file)};
}

Source find_default(const path& folder, const Json& config) {
  if (auto source = find_in_file(folder / "chat_template.jinja")) return *source;
  const path json_file = folder / "chat_template.json";
  if (auto source = find_in_config(read_object(json_file), "default", json_file)) return *source;
  if (auto source = find_in_config(config, "default", folder / "tokenizer_config.json")) return *source;
  fail(kTag,
       "no chat template in {}: neither chat_template.jinja, chat_template.json nor chat_template in "
       "tokenizer_config.json",
       path_text(folder));
}

std::optional<Source> find_tool_use(const path& folder, const Json& config) {
  if (auto source = find_in_file(folder / "additional_chat_templates" / "tool_use.jinja")) return source;
  return find_in_config(config, "tool_use", folder / "tokenizer_config.json");
}

// A token is written as its text or as {"content": text, ...}.
void add_special_tokens(Json& tokens, const Json& object) {
  for (const char* key : kSpecialTokens) {
    const auto found = object.find(key);
    if (found == object.end() || tokens.contains(key)) continue;
    const bool wrapped = found->is_object() && found->contains("content");
    const Json& token = wrapped ? found->at("content") : *found;
    if (token.is_string()) tokens[key] = token;
  }
}

// gpt-oss reads a message's reasoning as `thinking`, most others as `reasoning_content`: give both, as transformers
// does.
void alias_reasoning(Json& message) {
  if (!message.is_object()) fail(kTag, "a message must be a JSON object, got {}", message.type_name());
  for (const char* key : {"reasoning_content", "thinking", "reasoning"}) {
    const Json reasoning = message.value(key, Json());
    if (reasoning.is_null()) continue;
    message["reasoning_content"] = reasoning;
    if (!message.contains("thinking")) message["thinking"] = reasoning;
    return;
  }
}

// Templates test `tools is not none` as well as `tools`: both must be defined.
Json make_context(const std::string& special_tokens, std::string_view extra_json) {
  Json context = {{"tools", nullptr}, {"documents", nullptr}};
  context.update(parse_json(special_tokens, "special tokens", Json::value_t::object));
  context.update(parse_json(extra_json, "extra variables", Json::value_t::object));
  return context;
}

std::string dump(const Json& json) {
  try {
    return json.dump();
  } catch (const nlohmann::json::exception& error) {
    fail(kTag, "messages: {}", error.what());
  }
}

}  // namespace

void ChatTemplate::Free::operator()(SluiceTextTemplate* chat_template) const {
  sluice_text_template_free(chat_template);
}

ChatTemplate::Parsed ChatTemplate::parse(std::string_view text, std::string origin) {
  SluiceTextTemplate* handle = nullptr;
  check(sluice_text_template_new(slice(text), &handle), kTag, origin);
  return {std::unique_ptr<SluiceTextTemplate, Free>(handle), std::move(origin)};
}

ChatTemplate ChatTemplate::load(const path& folder) {
  const Json config = read_object(folder / "tokenizer_config.json");
  Json tokens = Json::object();
  add_special_tokens(tokens, config);
  add_special_tokens(tokens, read_object(folder / "special_tokens_map.json"));
  const Source source = find_default(folder, config);

  ChatTemplate result;
  result.main_ = parse(source.text, source.origin);
  if (auto tool_use = find_tool_use(folder, config)) result.tool_use_ = parse(tool_use->text, tool_use->origin);
  result.special_tokens_ = dump(tokens);
  return result;
}

ChatTemplate ChatTemplate::from_text(std::string_view text, std::string_view special_tokens_json) {
  Json tokens = Json::object();
  add_special_tokens(tokens, parse_json(special_tokens_json, "special tokens", Json::value_t::object));
  ChatTemplate result;
  result.main_ = parse(text, "template");
  result.special_tokens_ = dump(tokens);
  return result;
}

std::string ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt,
                                 std::string_view extra_json) const {
  Json list = Json::array();
  for (const Message& message : messages) list.push_back({{"role", message.role}, {"content", message.content}});
  return render_json(dump(list), add_generation_prompt, extra_json);
}

std::string ChatTemplate::render_json(std::string_view messages_json, bool add_generation_prompt,
                                      std::string_view extra_json) const {
  Json context = make_context(special_tokens_, extra_json);
  Json messages = parse_json(messages_json, "messages", Json::value_t::array);
  for (Json& message : messages) alias_reasoning(message);
  context["messages"] = std::move(messages);
  context["add_generation_prompt"] = add_generation_prompt;

  const bool with_tools = !context["tools"].is_null();
  const Parsed& chosen = with_tools && tool_use_ ? *tool_use_ : main_;
  const std::string variables = dump(context);
  SluiceTextString text{};
  check(sluice_text_template_render(chosen.handle.get(), slice(variables), &text), kTag, chosen.origin);
  return take(text);
}

}  // namespace sluice::text
