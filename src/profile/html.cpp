#include <nlohmann/json.hpp>

#include "profile/json.h"
#include "profile/page.h"
#include "profile/write.h"

namespace sluice::profile {

// The data stands inside a <script>, where "</" would end it.
std::string to_html(const Report& report) {
  constexpr std::string_view kMark = "@DATA@";
  const std::string json = to_json(report).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::string_view page = page_template();
  const size_t at = page.find(kMark);
  std::string html(page.substr(0, at));
  for (const char c : json) html += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return html.append(page.substr(at + kMark.size()));
}

}  // namespace sluice::profile
