// Counts what one token of a compiled model costs.
#pragma once

#include "decode/engine.h"
#include "sluice/text_model.h"

namespace sluice::api {

TokenCost token_cost(decode::Engine& engine, uint32_t depth, const gpu::Caps& caps);

}  // namespace sluice::api
