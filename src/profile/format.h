// Numbers and shapes as the reports spell them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profile/report.h"

namespace sluice::profile {

inline double percent(double part, double whole) { return whole > 0 ? part / whole * 100 : 0; }
std::string bytes_text(uint64_t bytes);
// "412.3 GB/s, 9.0 % of limit"; without the share where the limit is not known.
std::string rate_text(double bytes_per_second, double read_limit);
// "[{'float16': [1, 1024]}]", with names where they are known: "[x {'float16': [1, 1024]}]".
std::string tensors_text(const std::vector<Tensor>& tensors);
// Of "Op name" texts, with what their names share said once: "/model/layers.1/{moe/MoE_Quant (QMoE), router/TopK}". An
// operator that its name does not begin with stands behind it.
std::string sources_text(const std::vector<std::string>& sources);

}  // namespace sluice::profile
