#include "runtime/session.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "graph/infer.h"
#include "lower/lowering.h"
#include "runtime/compile.h"
#include "runtime/host.h"

namespace sluice::runtime {

namespace {

constexpr size_t kMaxKnownElements = 64;
constexpr size_t kMaxPrograms = 8;  // each has buffers for its inputs and outputs

// Whether shapes may follow from a tensor's elements.
bool is_known(const HostTensor& tensor) {
  const bool is_int = tensor.dtype == DType::kInt64 || tensor.dtype == DType::kInt32;
  return is_int && tensor.shape.size() <= 1 && tensor.bytes.size() <= kMaxKnownElements * 8;
}

std::vector<graph::Dim> int_elements(const HostTensor& tensor) {
  std::vector<graph::Dim> elements;
  const size_t size = bits(tensor.dtype) / 8;
  for (size_t at = 0; at < tensor.bytes.size(); at += size) {
    int64_t wide = 0;
    int32_t narrow = 0;
    std::memcpy(size == 8 ? static_cast<void*>(&wide) : &narrow, tensor.bytes.data() + at, size);
    elements.push_back({size == 8 ? wide : narrow, 0});
  }
  return elements;
}

}  // namespace

Session::Session(gpu::Device& device, graph::Graph graph)
    : device_(device), graph_(std::move(graph)), weights_(device, graph_), pool_(device) {}

void Session::check_feeds(const std::map<std::string, HostTensor>& feeds) const {
  for (const graph::ValueId id : graph_.inputs) {
    const graph::Value& value = graph_.values[id];
    const auto feed = feeds.find(value.name);
    if (feed == feeds.end()) fail("session", "input \"{}\" is missing", value.name);
    if (value.dtype && feed->second.dtype != *value.dtype) {
      fail("session", "input \"{}\" must be {}, got {}", value.name, name(*value.dtype), name(feed->second.dtype));
    }
  }
  for (const auto& feed : feeds) {
    const bool known = std::any_of(graph_.inputs.begin(), graph_.inputs.end(),
                                   [&](graph::ValueId id) { return graph_.values[id].name == feed.first; });
    if (!known) fail("session", "the graph has no input \"{}\"", feed.first);
  }
}

Session::Key Session::key_of(const std::map<std::string, HostTensor>& feeds) {
  Key key;
  for (const auto& [name, tensor] : feeds) {
    key.push_back(static_cast<int64_t>(tensor.shape.size()));
    key.insert(key.end(), tensor.shape.begin(), tensor.shape.end());
    if (!is_known(tensor)) continue;
    for (const graph::Dim& element : int_elements(tensor)) key.push_back(element.value);
  }
  return key;
}

const Session::Compiled& Session::program(const std::map<std::string, HostTensor>& feeds) {
  Key key = key_of(feeds);
  const auto found =
      std::find_if(programs_.begin(), programs_.end(), [&](const auto& entry) { return entry.first == key; });
  if (found != programs_.end()) {
    programs_.splice(programs_.begin(), programs_, found);
  } else {
    programs_.emplace_front(std::move(key), compile(feeds));
    if (programs_.size() > kMaxPrograms) programs_.pop_back();
  }
  return programs_.front().second;
}

Session::Compiled Session::compile(const std::map<std::string, HostTensor>& feeds) {
  graph::Graph g = graph_;
  graph::InferOptions options;
  for (const graph::ValueId id : g.inputs) {
    const HostTensor& feed = feeds.at(g.values[id].name);
    graph::Shape shape;
    for (const int64_t size : feed.shape) shape.push_back({size, 0});
    options.inputs.push_back({g.values[id].name, std::move(shape)});
    if (is_known(feed)) g.values[id].known = int_elements(feed);
  }
  throw_obstacles("the graph cannot be compiled", graph::infer(g, options));
  graph::remove_dead_nodes(g);
  lower::fuse(g, device_.caps());
  lower::Lowered lowered = lower::lower(g, {}, device_.caps());
  std::vector<std::string> obstacles = lowered.obstacles;
  for (const std::string& line : check_limits(lowered.dispatches, lowered.slots, device_.caps()))
    obstacles.push_back(line);
  throw_obstacles("the graph cannot run on " + device_.info().name, obstacles);
  weights_.upload(lowered.slots, {});
  Compiled compiled{Program(device_, {lowered.dispatches, lowered.nodes, lowered.slots, {}}, weights_, pool_),
                    lowered.inputs,
                    lowered.outputs,
                    {},
                    {},
                    describe_steps({lowered.dispatches, lowered.nodes, lowered.sources, lowered.slots})};
  for (const graph::ValueId id : g.outputs) {
    const graph::Value& value = g.values[id];
    compiled.output_types[value.name] = value.dtype.value();
    for (const graph::Dim& dim : *value.shape) compiled.output_shapes[value.name].push_back(dim.value);
    compiled.output_shapes.try_emplace(value.name);
  }
  return compiled;
}

std::map<std::string, HostTensor> Session::run(const std::map<std::string, HostTensor>& feeds) {
  check_feeds(feeds);
  return execute(program(feeds), feeds);
}

void Session::write_inputs(const Compiled& compiled, const std::map<std::string, HostTensor>& feeds) {
  for (const auto& [name, tensor] : compiled.inputs) {
    const HostTensor& feed = feeds.at(name);
    if (compiled.program.has(tensor.slot))
      device_.write(compiled.program.buffer(tensor.slot), 0, to_device_layout(feed.bytes, feed.dtype, tensor.storage));
  }
}

std::map<std::string, HostTensor> Session::execute(const Compiled& compiled,
                                                   const std::map<std::string, HostTensor>& feeds) {
  write_inputs(compiled, feeds);
  gpu::Commands commands(device_);
  commands.dispatch(compiled.program.steps());
  device_.submit(std::move(commands));
  std::map<std::string, HostTensor> results;
  for (const auto& [name, tensor] : compiled.outputs) {
    const DType dtype = compiled.output_types.at(name);
    const auto bytes = device_.read(compiled.program.buffer(tensor.slot), 0,
                                    kernels::storage_bytes(tensor.storage, tensor.elements()));
    results[name] = {dtype, compiled.output_shapes.at(name), from_device_layout(bytes, dtype, tensor)};
  }
  return results;
}

}  // namespace sluice::runtime
