// The import runs in passes over a parsed ModelProto, each adding to one list of problems: versions, inputs,
// initializers, the names that nodes produce, the nodes themselves, outputs. Only then are nodes put in order, since a
// broken graph has none. The protobuf message gives up its tensor bytes as they are taken, so inline weights exist
// once.
#include "onnx/import.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "onnx-ml.pb.h"
#include "onnx/order.h"
#include "onnx/problems.h"
#include "onnx/tensor.h"

namespace sluice::onnx {
namespace {

using graph::Attribute;
using graph::Constant;
using graph::Dim;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::Value;
using graph::ValueId;
using ::onnx::AttributeProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using ::onnx::ValueInfoProto;

constexpr int64_t kMinIrVersion = 3;
constexpr int64_t kMinOpset = 7;
constexpr int64_t kMaxOpset = 28;
constexpr int64_t kMicrosoftOpset = 1;
constexpr int kMaxItems = 1 << 20;  // nodes, initializers or inputs of one graph

std::string normal_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

class Importer {
 public:
  Importer(ModelProto& model, ExternalFiles& files, const ImportOptions& options)
      : model_(model), source_{files, problems_, options.map_external_data} {}

  Graph run(const std::string& file) {
    read_model();
    problems_.throw_if_any(file);
    read_inputs();
    read_initializers();
    declare_outputs();
    for (int i = 0; i < proto().node_size(); ++i) read_node(i);
    read_graph_outputs();
    problems_.throw_if_any(file);
    order_nodes(graph_, problems_);
    problems_.throw_if_any(file);
    return std::move(graph_);
  }

 private:
  ::onnx::GraphProto& proto() { return *model_.mutable_graph(); }

  void read_model();
  void read_inputs();
  void read_input(const ValueInfoProto& info);
  std::optional<Shape> read_shape(const ValueInfoProto& info);
  void read_initializers();
  void declare_outputs();
  void read_node(int index);
  void read_attributes(NodeProto& from, const std::string& label, Node& to);
  std::optional<Attribute> read_attribute(AttributeProto& from, const std::string& label);
  void check_opset(const Node& node, const std::string& label);
  void read_graph_outputs();
  std::string node_name(const NodeProto& node, int index);
  graph::Symbol symbol(const std::string& name);
  // Adds a value under a name that nothing else may have; kNoValue if something does.
  ValueId declare(const std::string& name, std::string_view what);

  ModelProto& model_;
  Problems problems_;
  TensorSource source_;
  Graph graph_;
  std::unordered_map<std::string, ValueId> names_;
  std::unordered_map<std::string, graph::Symbol> symbols_;
  std::unordered_set<std::string> node_names_;
};

graph::Symbol Importer::symbol(const std::string& name) {
  const auto [found, is_new] = symbols_.emplace(name, static_cast<graph::Symbol>(graph_.symbols.size()));
  if (is_new) graph_.symbols.push_back(name);
  return found->second;
}

ValueId Importer::declare(const std::string& name, std::string_view what) {
  if (name.empty()) {
    problems_.add("{} has no name", what);
    return kNoValue;
  }
  const auto [found, is_new] = names_.emplace(name, static_cast<ValueId>(graph_.values.size()));
  if (!is_new) {
    problems_.add("{} \"{}\": the name is already taken", what, name);
    return kNoValue;
  }
  Value value;
  value.name = name;
  return graph_.add_value(std::move(value));
}

void Importer::read_model() {
  if (!model_.has_graph()) problems_.add("it holds no ONNX graph");
  if (model_.ir_version() < kMinIrVersion || model_.ir_version() > ::onnx::Version::IR_VERSION) {
    problems_.add("IR version must be {} to {}, got {}", kMinIrVersion, static_cast<int>(::onnx::Version::IR_VERSION),
                  model_.ir_version());
  }
  if (model_.functions_size() > 0) problems_.add("model-local functions are not supported: inline them");
  if (proto().sparse_initializer_size() > 0) problems_.add("sparse initializers are not supported");
  for (const auto& opset : model_.opset_import()) {
    const auto [found, is_new] = graph_.opsets.emplace(normal_domain(opset.domain()), opset.version());
    if (!is_new && found->second != opset.version()) {
      problems_.add("opset \"{}\" is imported as {} and as {}", found->first, found->second, opset.version());
    }
  }
  const std::pair<std::string_view, int> counts[] = {{"nodes", proto().node_size()},
                                                     {"initializers", proto().initializer_size()},
                                                     {"inputs", proto().input_size()},
                                                     {"outputs", proto().output_size()}};
  for (const auto& [what, count] : counts) {
    if (count > kMaxItems) problems_.add("{} {} are more than {}", count, what, kMaxItems);
  }
  graph_.name = proto().name();
}

std::optional<Shape> Importer::read_shape(const ValueInfoProto& info) {
  const auto& tensor = info.type().tensor_type();
  if (!tensor.has_shape()) return std::nullopt;
  if (tensor.shape().dim_size() > kMaxRank) {
    broken("rank {} is above {}", tensor.shape().dim_size(), kMaxRank);
  }
  Shape shape;
  int64_t elements = 1;
  for (const auto& dim : tensor.shape().dim()) {
    if (dim.has_dim_value()) {
      const int64_t size = dim.dim_value();
      if (size < 0) broken("a dimension is {}", size);
      if (size > kMaxElements || (size > 0 && elements > kMaxElements / size)) broken("more than 2^40 elements");
      elements *= size;
      shape.push_back({size, 0});
    } else if (!dim.dim_param().empty()) {
      shape.push_back({0, symbol(dim.dim_param())});
    } else {
      shape.push_back({0, symbol(fmt::format("{}[{}]", info.name(), shape.size()))});
    }
  }
  return shape;
}

void Importer::read_input(const ValueInfoProto& info) {
  if (!info.type().has_tensor_type()) broken("only tensors are supported");
  const int32_t type = info.type().tensor_type().elem_type();
  const std::optional<DType> dtype = dtype_of(type);
  if (!dtype) broken("element type {} is not supported", type);
  if (*dtype == DType::kString) broken("string tensors are not supported");
  std::optional<Shape> shape = read_shape(info);
  const ValueId id = declare(info.name(), "graph input");
  if (id == kNoValue) return;
  graph_.values[id].dtype = dtype;
  graph_.values[id].shape = std::move(shape);
  graph_.inputs.push_back(id);
}

void Importer::read_inputs() {
  // Files of old IR versions list initializers among the inputs, as defaults; here they are constants.
  std::unordered_set<std::string_view> initializers;
  for (const TensorProto& tensor : proto().initializer()) initializers.insert(tensor.name());
  for (const ValueInfoProto& info : proto().input()) {
    if (initializers.contains(info.name())) continue;
    try {
      read_input(info);
    } catch (const Broken& rule) {
      problems_.add("graph input \"{}\": {}", info.name(), rule.what());
    }
  }
}

void Importer::read_initializers() {
  graph_.values.reserve(graph_.values.size() + static_cast<size_t>(proto().initializer_size()));
  for (TensorProto& tensor : *proto().mutable_initializer()) {
    const ValueId id = declare(tensor.name(), "initializer");
    const std::string label = fmt::format("initializer \"{}\"", tensor.name());
    std::optional<Constant> constant = take_tensor(tensor, label, source_);
    if (id == kNoValue || !constant) continue;
    Value& value = graph_.values[id];
    value.dtype = constant->dtype;
    value.shape.emplace();
    for (const int64_t dim : constant->shape) value.shape->push_back({dim, 0});
    value.constant = std::make_shared<const Constant>(*std::move(constant));
  }
}

void Importer::declare_outputs() {
  for (const NodeProto& node : proto().node()) {
    if (!node.name().empty()) node_names_.insert(node.name());
    for (const std::string& output : node.output()) {
      if (!output.empty()) declare(output, "node output");
    }
  }
}

std::string Importer::node_name(const NodeProto& node, int index) {
  if (!node.name().empty()) return node.name();
  std::string name = fmt::format("{}_{}", node.op_type(), index);
  while (!node_names_.insert(name).second) name += "_";
  return name;
}

void Importer::check_opset(const Node& node, const std::string& label) {
  const bool is_default = node.domain.empty();
  if (!is_default && node.domain != "com.microsoft") {
    problems_.add("{}: operators of domain \"{}\" are not known", label, node.domain);
  } else if (!graph_.opsets.contains(node.domain)) {
    problems_.add("{}: the model imports no opset of domain \"{}\"", label, is_default ? "ai.onnx" : node.domain);
  } else if (is_default && (node.opset < kMinOpset || node.opset > kMaxOpset)) {
    problems_.add("{}: opset must be {} to {}, got {}", label, kMinOpset, kMaxOpset, node.opset);
  } else if (!is_default && node.opset != kMicrosoftOpset) {
    problems_.add("{}: opset of com.microsoft must be {}, got {}", label, kMicrosoftOpset, node.opset);
  }
}

std::optional<Attribute> Importer::read_attribute(AttributeProto& from, const std::string& label) {
  switch (from.type()) {
    case AttributeProto::INT:
      return from.i();
    case AttributeProto::FLOAT:
      return from.f();
    case AttributeProto::STRING:
      return from.s();
    case AttributeProto::INTS:
      return std::vector<int64_t>(from.ints().begin(), from.ints().end());
    case AttributeProto::FLOATS:
      return std::vector<float>(from.floats().begin(), from.floats().end());
    case AttributeProto::STRINGS:
      return std::vector<std::string>(from.strings().begin(), from.strings().end());
    case AttributeProto::TENSOR:
      return take_tensor(*from.mutable_t(), label, source_);
    case AttributeProto::GRAPH:
    case AttributeProto::GRAPHS:
      problems_.add("{}: control-flow subgraphs are not supported", label);
      break;
    default:
      problems_.add("{}: attribute type {} is not supported", label, static_cast<int>(from.type()));
      break;
  }
  return std::nullopt;
}

void Importer::read_attributes(NodeProto& from, const std::string& label, Node& to) {
  for (AttributeProto& attribute : *from.mutable_attribute()) {
    const std::string where = fmt::format("{}, attribute \"{}\"", label, attribute.name());
    if (!attribute.ref_attr_name().empty()) {
      problems_.add("{}: references to function attributes are not supported", where);
      continue;
    }
    std::optional<Attribute> value = read_attribute(attribute, where);
    if (!value) continue;
    if (to.attributes.contains(attribute.name())) problems_.add("{}: given twice", where);
    to.attributes[attribute.name()] = *std::move(value);
  }
}

void Importer::read_node(int index) {
  NodeProto& from = *proto().mutable_node(index);
  Node node;
  node.name = node_name(from, index);
  node.domain = normal_domain(from.domain());
  node.op_type = from.op_type();
  const auto opset = graph_.opsets.find(node.domain);
  if (opset != graph_.opsets.end()) node.opset = opset->second;
  const std::string label = fmt::format("{} \"{}\"", node.op_type, node.name);
  check_opset(node, label);
  if (!from.overload().empty()) problems_.add("{}: overloads of functions are not supported", label);
  for (const std::string& input : from.input()) {
    const auto found = names_.find(input);
    if (!input.empty() && found == names_.end()) problems_.add("{}: nothing defines its input \"{}\"", label, input);
    node.inputs.push_back(input.empty() || found == names_.end() ? kNoValue : found->second);
  }
  for (const std::string& output : from.output()) {
    node.outputs.push_back(output.empty() ? kNoValue : names_.at(output));
  }
  read_attributes(from, label, node);
  graph_.nodes.push_back(std::move(node));
}

void Importer::read_graph_outputs() {
  if (proto().output_size() == 0) problems_.add("the graph has no outputs");
  std::unordered_set<ValueId> seen;
  for (const ValueInfoProto& info : proto().output()) {
    const auto found = names_.find(info.name());
    if (found == names_.end()) {
      problems_.add("nothing defines the graph output \"{}\"", info.name());
    } else if (!seen.insert(found->second).second) {
      problems_.add("graph output \"{}\" is listed twice", info.name());
    } else {
      graph_.outputs.push_back(found->second);
    }
  }
}

Graph import_with(std::span<const std::byte> bytes, ExternalFiles& files, const std::string& label,
                  const ImportOptions& options) {
  if (bytes.empty()) fail("onnx", "{}: the file is empty", label);
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    fail("onnx", "{}: {} bytes are more than an ONNX file can hold (2 GiB): large weights belong in external data",
         label, bytes.size());
  }
  ModelProto model;
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  if (!model.ParseFromZeroCopyStream(&stream)) fail("onnx", "{}: not an ONNX file, or truncated", label);
  return Importer(model, files, options).run(label);
}

}  // namespace

Graph import_model(const std::filesystem::path& file, const ImportOptions& options) {
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file);
  const std::filesystem::path folder = file.parent_path();
  ExternalFiles files(folder.empty() ? std::filesystem::path(".") : folder);
  files.allow_target_of(file);
  return import_with(mapped->bytes(), files, file.string(), options);
}

Graph import_bytes(std::span<const std::byte> bytes, const std::filesystem::path& folder,
                   const ImportOptions& options) {
  ExternalFiles files(folder.empty() ? std::filesystem::path(".") : folder);
  return import_with(bytes, files, "model in memory", options);
}

}  // namespace sluice::onnx
