#include "text/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace sluice::text {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) fail("stop_strings", "a stop string must not be empty");
  }
}

std::string StopStrings::feed(std::string_view piece) {
  if (hit()) return {};
  held_ += piece;
  if (const std::optional<Match> match = find_match()) {
    hit_ = match->index;
    held_.resize(match->begin);
    return std::exchange(held_, {});
  }
  const size_t safe = held_.size() - held_size();
  std::string text = held_.substr(0, safe);
  held_.erase(0, safe);
  return text;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

std::optional<StopStrings::Match> StopStrings::find_match() const {
  std::optional<Match> best;
  for (size_t i = 0; i < stops_.size(); ++i) {
    const size_t begin = held_.find(stops_[i]);
    if (begin == std::string::npos) continue;
    const Match match{begin, begin + stops_[i].size(), i};
    if (!best || match.end < best->end || (match.end == best->end && match.begin < best->begin)) best = match;
  }
  return best;
}

// Length of the longest suffix that begins a stop string. A stop begins with a whole character, so this splits none.
size_t StopStrings::held_size() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (size_t size = std::min(stop.size() - 1, held_.size()); size > longest; --size) {
      if (held_.ends_with(std::string_view(stop).substr(0, size))) longest = size;
    }
  }
  return longest;
}

}  // namespace sluice::text
