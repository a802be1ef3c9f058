// What a model is made of and what it would need, without loading its weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sluice/device.h"
#include "sluice/error.h"

namespace sluice {

struct InspectOptions {
  DeviceChoice device;
  std::string variant;
  bool dump_graph = false;  // append the whole graph, a node a line
  bool steps = false;       // append the dispatches of one token, each with the node that it comes from
};

// A text report: inputs, outputs, operators with counts, weights and memory by part, what the chosen device would need,
// whether the model fits, and every obstacle if it cannot run. `model` is a folder or an ONNX file.
std::string inspect(const std::filesystem::path& model, const InspectOptions& options = {});

// The operators that run on a device, sorted: "Add", "com.microsoft.QMoE". Those that only compute shapes (Shape,
// Range) and are folded away before anything runs are not among them.
std::vector<std::string> operators();

}  // namespace sluice
