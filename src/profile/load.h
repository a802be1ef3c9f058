// Profile files from disk: Sluice's own JSON or ONNX Runtime's.
#pragma once

#include <filesystem>

#include "profile/ort.h"
#include "profile/report.h"

namespace sluice::profile {

// Either kind, known by its content. `range` is for ONNX Runtime's. Throws Error, naming the file, if it cannot be
// read, is not JSON, ends in the middle, is neither kind or holds times that cannot be.
Report load(const std::filesystem::path& file, const RunRange& range = {});

}  // namespace sluice::profile
