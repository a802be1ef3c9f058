// Fuzz target: bytes -> import -> verify -> infer -> dead nodes -> dump. Whatever the bytes, the import ends in an
// Error or a well-formed graph, and nothing after it may throw or break the graph.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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

// Models keep their weights in model.onnx.data: a folder with such a file of zeros, so that they get as far as
// inference.
std::filesystem::path make_folder() {
  std::filesystem::path folder = std::filesystem::temp_directory_path() / "sluice_import_fuzz";
  std::filesystem::create_directories(folder);
  const std::filesystem::path weights = folder / "model.onnx.data";
  std::ofstream(weights, std::ios::binary).flush();
  std::filesystem::resize_file(weights, 1 << 22);
  return folder;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path kFolder = make_folder();
  sluice::graph::Graph graph;
  try {
    graph = sluice::onnx::import_bytes(std::as_bytes(std::span(data, size)), kFolder);
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
