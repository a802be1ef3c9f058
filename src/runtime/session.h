// Runs any supported graph once per call, with shapes given by the inputs: what the tests of single operators use, and
// the library's general front door. Language models go through decode::Engine instead. The programs of the last few
// sets of shapes are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "gpu/device.h"
#include "graph/graph.h"
#include "runtime/program.h"

namespace sluice::runtime {

// A tensor on the host, as ONNX lays it out.
struct HostTensor {
  DType dtype = DType::kFloat;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
};

class Session {
 public:
  Session(gpu::Device& device, graph::Graph graph);

  // All graph inputs by name -> all graph outputs by name. Integer inputs of at
  // most 64 elements are known to the compiler as well, since shapes may follow from them.
  // Throws Error for missing or unknown inputs, wrong dtypes, and every obstacle of the compilation.
  std::map<std::string, HostTensor> run(const std::map<std::string, HostTensor>& feeds);

 private:
  struct Compiled {
    Program program;
    std::map<std::string, kernels::Tensor> inputs, outputs;
    std::map<std::string, DType> output_types;
    std::map<std::string, std::vector<int64_t>> output_shapes;
  };
  // All that a program depends on: the inputs' shapes, and the integers that the compiler knows.
  using Key = std::vector<int64_t>;
  static Key key_of(const std::map<std::string, HostTensor>& feeds);
  const Compiled& program(const std::map<std::string, HostTensor>& feeds);
  Compiled compile(const std::map<std::string, HostTensor>& feeds);
  void check_feeds(const std::map<std::string, HostTensor>& feeds) const;

  gpu::Device& device_;
  graph::Graph graph_;
  Weights weights_;
  BufferPool pool_;
  std::list<std::pair<Key, Compiled>> programs_;  // the last used first
};

}  // namespace sluice::runtime
