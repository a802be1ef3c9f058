// Token ids in, printable text out, one token at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace sluice::text {

enum class SpecialTokens { kSkip, kKeep };

// The pieces that push and finish return, put together, are what Tokenizer::decode gives for all ids at once (bytes
// that are no UTF-8 may come out as fewer or more U+FFFD). A piece never ends within a character. The tokenizer must
// outlive the stream.
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer, SpecialTokens special = SpecialTokens::kSkip)
      : tokenizer_(&tokenizer), special_(special) {}

  std::string push(uint32_t id);
  // The rest, with U+FFFD for a character that never became whole; the stream then starts anew.
  std::string finish();

 private:
  bool prints_nothing(uint32_t id) const;
  std::string decode() const;
  std::string emit(const std::string& text, size_t end);
  void rebase(size_t first);

  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::vector<uint32_t> window_;  // context_ ids that are printed already, then those since
  size_t context_ = 0;
  std::string sent_;  // the beginning of decode() that is printed already
};

}  // namespace sluice::text
