// Reads the profile that ONNX Runtime writes (SessionOptions.enable_profiling, end_profiling()), of any provider.
//
// Its node times are the host's: what a provider does asynchronously on a device is in them only where the host waits
// for it, at copies to the host above all. A model_run whose argument waited_us says so (bench/peers/ort_profile.py)
// ends when the host has its results. GPU kernels (category "Kernel", CUDA builds with CUPTI) make a phase of their
// own.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "profile/report.h"

namespace sluice::profile {

// Which of the session's runs to report, counted from 0; the first ones compile and warm up.
struct RunRange {
  uint32_t first = 0, last = ~0u;
};

// Throws Error, naming the file, if it is no profile of ONNX Runtime or has no node in these runs.
Report parse_ort(const nlohmann::json& file, const std::string& name, const RunRange& range);

}  // namespace sluice::profile
