// Reads an ONNX file (ModelProto) and its external data into the graph IR.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "graph/graph.h"

namespace sluice::onnx {

struct ImportOptions {
  // False: external data is checked for existence, size and place, but not mapped (Constant::bytes stay empty); for
  // `inspect`.
  bool map_external_data = true;
};

// External data is memory-mapped, read-only, never copied. Throws Error for a file that is missing, truncated, not
// ONNX, or breaks a rule (all broken rules in one message): external data missing, too short, or outside the model's
// folder (also by symbolic links), duplicate or undefined names, cycles, absurd or overflowing shapes, element counts
// that disagree with the bytes, opsets we do not know (ai.onnx 7..28, com.microsoft 1), sparse tensors, functions,
// control-flow subgraphs, string tensors as data.
graph::Graph import_model(const std::filesystem::path& file, const ImportOptions& options = {});

// The same from memory: what the fuzz target feeds. External data is looked up in `folder`.
graph::Graph import_bytes(std::span<const std::byte> bytes, const std::filesystem::path& folder,
                          const ImportOptions& options = {});

}  // namespace sluice::onnx
