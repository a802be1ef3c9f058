#include "text/tokenizer.h"

#include "text/border.h"

namespace sluice::text {
namespace {

constexpr std::string_view kTag = "tokenizer";

std::vector<uint32_t> take(SluiceTextIds owned) {
  const auto release = [&owned](uint32_t*) { sluice_text_free_ids(owned); };
  const std::unique_ptr<uint32_t, decltype(release)> guard(owned.data, release);
  return std::vector<uint32_t>(owned.data, owned.data + owned.size);
}

}  // namespace

void Tokenizer::Free::operator()(SluiceTextTokenizer* tokenizer) const { sluice_text_tokenizer_free(tokenizer); }

Tokenizer Tokenizer::load(const std::filesystem::path& file) {
  const std::optional<std::string> json = read_if_exists(file, kTag);
  if (!json) fail(kTag, "no file {}", path_text(file));
  return from_json(*json, path_text(file));
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view name) {
  SluiceTextTokenizer* handle = nullptr;
  check(sluice_text_tokenizer_new(slice(json), &handle), kTag, name);
  return Tokenizer(handle);
}

std::vector<uint32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  SluiceTextIds ids{};
  check(sluice_text_encode(handle_.get(), slice(text), add_special_tokens, &ids), kTag, "encode");
  return take(ids);
}

std::string Tokenizer::decode(std::span<const uint32_t> ids, bool skip_special_tokens) const {
  SluiceTextString text{};
  check(sluice_text_decode(handle_.get(), ids.data(), ids.size(), skip_special_tokens, &text), kTag, "decode");
  return take(text);
}

std::optional<uint32_t> Tokenizer::token_to_id(std::string_view token) const {
  bool found = false;
  uint32_t id = 0;
  check(sluice_text_token_to_id(handle_.get(), slice(token), &found, &id), kTag, "token_to_id");
  return found ? std::optional(id) : std::nullopt;
}

std::optional<std::string> Tokenizer::id_to_token(uint32_t id) const {
  bool found = false;
  SluiceTextString token{};
  check(sluice_text_id_to_token(handle_.get(), id, &found, &token), kTag, "id_to_token");
  std::string text = take(token);
  return found ? std::optional(std::move(text)) : std::nullopt;
}

bool Tokenizer::is_special(uint32_t id) const {
  bool special = false;
  check(sluice_text_is_special(handle_.get(), id, &special), kTag, "is_special");
  return special;
}

size_t Tokenizer::vocab_size() const {
  size_t size = 0;
  check(sluice_text_vocab_size(handle_.get(), &size), kTag, "vocab_size");
  return size;
}

}  // namespace sluice::text
