// Stop strings over a stream of text pieces: what is safe to print, and when to stop.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::text {

// The stop that is complete first ends the text, of several that end at the same place the longest; how the text is cut
// into pieces makes no difference. No stops: everything passes through.
class StopStrings {
 public:
  // Throws Error if a stop string is empty.
  explicit StopStrings(std::vector<std::string> stops = {});

  // The text that is now safe to print: nothing that may be the beginning of a stop string, nothing from a stop on.
  std::string feed(std::string_view piece);
  // The text still held back, when generation ended for another reason. Empty after a stop.
  std::string finish();

  bool hit() const { return hit_.has_value(); }
  // Index of the stop string that was hit.
  std::optional<size_t> hit_index() const { return hit_; }

 private:
  struct Match {
    size_t begin, end, index;
  };
  std::optional<Match> find_match() const;
  size_t held_size() const;

  std::vector<std::string> stops_;
  std::string held_;
  std::optional<size_t> hit_;
};

}  // namespace sluice::text
