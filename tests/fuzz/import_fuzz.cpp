// Fuzz target: bytes -> import -> verify -> infer -> dead nodes -> dump. Whatever the bytes, the import ends in an
// Error or a well-formed graph, and nothing after it may throw or break the graph.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "graph/infer.h"
#include "onnx/import.h"

namespace {

void expect_well_formed(const sluice::graph::Graph& graph, const char* stage) {
  const std::vector<std::string> problems = sluice::graph::verify(graph);
  if (problems.empty()) return;
  std::fprintf(stderr, "broken after %s: %s\n", stage, problems.front().c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::graph::Graph graph;
  try {
    // External data is looked up in a folder that does not exist: no mutation may open a file.
    graph = sluice::onnx::import_bytes(std::as_bytes(std::span(data, size)), "no-such-folder");
  } catch (const sluice::Error&) {
    return 0;
  }
  expect_well_formed(graph, "import");
  sluice::graph::infer(graph, {});
  expect_well_formed(graph, "infer");
  sluice::graph::remove_dead_nodes(graph);
  expect_well_formed(graph, "remove_dead_nodes");
  sluice::graph::dump(graph);
  return 0;
}
