// What a profile says of each dispatch besides its time: the nodes that it comes from and the tensors that it moves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lower/lowering.h"

namespace sluice::runtime {

// A tensor that a dispatch binds.
struct StepTensor {
  std::string name;  // of the value in the graph; "scratch" for what a kernel keeps for itself
  std::string type;  // "float16"; "uint8" for packed weights
  std::vector<int64_t> shape;
  uint64_t bytes = 0;    // of the binding, as it lies on the device
  uint64_t touched = 0;  // of those, at most
  bool read = false, written = false;
  bool cache = false;  // a key or value cache: only the part that holds tokens is touched
};

struct StepInfo {
  std::string op;                    // operator of the node: "QMoE"; "sample" and the like for the token loop's own
  std::string node;                  // its name
  std::string kernel;                // "qmoe/decode_fc1"
  std::vector<std::string> sources;  // "QMoE /model/layers.0/moe/QMoE" of all nodes that were joined; at least one
  std::vector<StepTensor> tensors;   // in binding order
};

// Parallel lists, one entry a dispatch.
struct StepLists {
  const std::vector<kernels::Dispatch>& dispatches;
  const std::vector<std::string>& nodes;
  const std::vector<std::vector<std::string>>& sources;  // none: no node of the graph
  const std::vector<lower::SlotInfo>& slots;
};

// What graph::origin() put together: "QMoE /moe" is the operator QMoE named "/moe". Without a space all is the
// operator.
struct NodeLabel {
  std::string op, name;
};
NodeLabel split_label(const std::string& label);

// One entry a dispatch. A slot that is not listed is a tensor without name and size.
std::vector<StepInfo> describe_steps(const StepLists& lists);

}  // namespace sluice::runtime
