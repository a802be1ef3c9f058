// A decoder is a function of all ids: it strips the first space, joins bytes to characters, and may not be run token by
// token. So each step decodes a short window, the ids printed by the step before (the context, which shows the decoder
// that this is not the beginning of the text) and those not yet printed, and prints what comes after the text it had
// printed.
//
// The end of the window may be an unfinished character. Decoders write U+FFFD for it: byte-level ones a single one,
// byte fallback one a byte, so up to three. Text ending in more than three has bytes that no later token can repair,
// and all but the last three are printed; that keeps the window short when a model prints nothing but broken bytes.
//
// Byte fallback decodes a run of bytes as a whole, and a broken byte then spoils the good characters before it. When
// the text of the window no longer begins with what was printed, the context has misled us and is dropped.
#include "text/text_stream.h"

#include <string_view>
#include <utility>

namespace sluice::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kMaxUnfinished = 3;
// Far longer than any character; three U+FFFD of the longest unfinished characters are nine byte tokens.
constexpr size_t kMaxWindow = 64;
constexpr size_t kKeptWindow = 16;

// Bytes at the end of text that a later token may still change.
size_t unfinished_size(std::string_view text) {
  size_t count = 0;
  while (count < kMaxUnfinished && text.ends_with(kReplacement)) {
    text.remove_suffix(kReplacement.size());
    ++count;
  }
  return count * kReplacement.size();
}

}  // namespace

std::string TextStream::push(uint32_t id) {
  if (prints_nothing(id)) return {};
  window_.push_back(id);
  std::string text = decode();
  if (!text.starts_with(sent_)) {
    window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(context_));
    context_ = 0;
    sent_.clear();
    text = decode();
  }
  const size_t unfinished = unfinished_size(text);
  std::string piece = emit(text, text.size() - unfinished);
  // Without a printed character the ids are no context yet: a decoder that strips the first space would strip the next
  // one.
  if (unfinished == 0 && !piece.empty()) {
    rebase(context_);
  } else if (window_.size() > kMaxWindow) {
    rebase(window_.size() - kKeptWindow);
  }
  return piece;
}

std::string TextStream::finish() {
  const std::string text = decode();
  std::string piece = text.starts_with(sent_) ? text.substr(sent_.size()) : std::string();
  window_.clear();
  context_ = 0;
  sent_.clear();
  return piece;
}

// Such ids must not get into the window: an endless row of them would never be context.
bool TextStream::prints_nothing(uint32_t id) const {
  if (special_ == SpecialTokens::kSkip && tokenizer_->is_special(id)) return true;
  return !tokenizer_->id_to_token(id);
}

std::string TextStream::decode() const { return tokenizer_->decode(window_, special_ == SpecialTokens::kSkip); }

// Prints text up to `end`, which may lie before what is printed already when broken bytes got fewer.
std::string TextStream::emit(const std::string& text, size_t end) {
  if (end <= sent_.size()) return {};
  std::string piece = text.substr(sent_.size(), end - sent_.size());
  sent_ = text.substr(0, end);
  return piece;
}

// Makes the ids from `first` on the context of the next step.
void TextStream::rebase(size_t first) {
  window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(first));
  context_ = window_.size();
  const std::string text = decode();
  sent_ = text.substr(0, text.size() - unfinished_size(text));
}

}  // namespace sluice::text
