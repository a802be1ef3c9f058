// A report in every form that people and programs read.
#pragma once

#include <string>

#include "profile/report.h"

namespace sluice::profile {

// The sections of the text: operators, devices, transfers, CPU fallback, slowest nodes; for Sluice's own runs also
// timing, kernels and layers.
std::string to_text(const Report& report);
// One line a step: what it is, its shapes, runs, total, average, least, most, bytes, GB/s.
std::string to_csv(const Report& report);
// Chrome's trace format (chrome://tracing, Perfetto): a process a phase, a track of the GPU and one of the host.
std::string to_trace(const Report& report);
// One page with everything in it.
std::string to_html(const Report& report);
// Two reports' operators side by side, phase by phase: time a run and ratio.
std::string compare(const Report& a, const Report& b);

}  // namespace sluice::profile
