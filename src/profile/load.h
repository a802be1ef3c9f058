// Profile files from disk: Sluice's own JSON or ONNX Runtime's.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "profile/ort.h"
#include "profile/report.h"

namespace sluice::profile {

// Throws Error, naming the file, if it cannot be read, is not JSON or ends in the middle.
nlohmann::json read_json(const std::filesystem::path& file);

Report parse_ort(const nlohmann::json& file, const std::string& name, const RunRange& range);

// Either kind, known by its content. `range` is for ONNX Runtime's.
Report load(const std::filesystem::path& file, const RunRange& range = {});

}  // namespace sluice::profile
