// What one new token must read from the device's memory, however it is computed: the floor under its time.
#pragma once

#include <cstdint>

#include "decode/model_graph.h"
#include "gpu/caps.h"

namespace sluice::decode {

struct TokenReads {
  uint64_t weights = 0;  // bytes
  uint64_t state = 0;    // bytes of KV caches and other state
};

// Of the token after `past` others. Weights count once, as they lie on the device: matrices whole, tables of rows
// (embeddings, rotary angles) with one row, experts with the k chosen ones. A KV cache counts up to its window.
TokenReads token_reads(const ModelGraph& model, uint64_t past, const gpu::Caps& caps);

}  // namespace sluice::decode
