// A report as JSON and back: the form that programs read and that `--compare` takes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "profile/report.h"

namespace sluice::profile {

nlohmann::ordered_json to_json(const Report& report);
// Throws Error, naming the file, if the JSON is not a report of this version's form.
Report from_json(const nlohmann::json& json, const std::string& file);

}  // namespace sluice::profile
