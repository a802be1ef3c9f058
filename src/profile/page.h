// report.html, embedded at build time.
#pragma once

#include <string_view>

namespace sluice::profile {

std::string_view page_template();

}  // namespace sluice::profile
