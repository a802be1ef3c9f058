// A Hugging Face tokenizer.json: text to token ids and back, exactly as the `tokenizers` library does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct SluiceTextTokenizer;

namespace sluice::text {

// Move-only. const calls may run on several threads at once.
class Tokenizer {
 public:
  // Throws Error with the path and the library's text. Truncation and padding set in the file are ignored.
  static Tokenizer load(const std::filesystem::path& file);
  // json: the contents of a tokenizer.json; name: what error texts call it.
  static Tokenizer from_json(std::string_view json, std::string_view name = "tokenizer.json");

  // text is UTF-8. A rendered chat template names its special tokens itself: encode it with add_special_tokens = false.
  std::vector<uint32_t> encode(std::string_view text, bool add_special_tokens = true) const;
  // Ids outside the vocabulary decode to nothing, bytes that are no UTF-8 to U+FFFD.
  std::string decode(std::span<const uint32_t> ids, bool skip_special_tokens = true) const;

  std::optional<uint32_t> token_to_id(std::string_view token) const;
  // The token as the vocabulary spells it ("Ġthe", "<0x0A>"); use decode for text.
  std::optional<std::string> id_to_token(uint32_t id) const;
  bool is_special(uint32_t id) const;
  // Added tokens included. A model may have more logits than this: its head is often padded.
  size_t vocab_size() const;

 private:
  struct Free {
    void operator()(SluiceTextTokenizer* tokenizer) const;
  };
  explicit Tokenizer(SluiceTextTokenizer* handle) : handle_(handle) {}

  std::unique_ptr<SluiceTextTokenizer, Free> handle_;
};

}  // namespace sluice::text
