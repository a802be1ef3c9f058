// run_graph LISTFILE: runs ONNX graphs for tests that compare Sluice with another runtime. Each line of the list is
// "MODEL IN_DIR OUT_DIR"; an input or output NAME is the file NAME.npy, '/' in the name replaced by '_'. What a graph's
// run throws becomes OUT_DIR/error.txt, and the list goes on.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

#include "sluice/session.h"

namespace {

using sluice::Error;
using sluice::HostTensor;
namespace fs = std::filesystem;

struct Type {
  const char* name;   // ONNX's
  const char* descr;  // NumPy's
};
constexpr Type kTypes[] = {{"float", "<f4"},  {"float16", "<f2"}, {"int64", "<i8"},  {"int32", "<i4"},
                           {"int16", "<i2"},  {"int8", "|i1"},    {"uint64", "<u8"}, {"uint32", "<u4"},
                           {"uint16", "<u2"}, {"uint8", "|u1"},   {"bool", "|b1"}};

// The text between `from` and `to` in a header.
std::string between(const std::string& header, const std::string& from, const std::string& to) {
  const size_t begin = header.find(from);
  const size_t end = begin == std::string::npos ? begin : header.find(to, begin + from.size());
  if (end == std::string::npos) throw Error("npy", "unreadable header " + header);
  return header.substr(begin + from.size(), end - begin - from.size());
}

HostTensor read_npy(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(stream)), {});
  constexpr size_t kPrefix = 10;
  if (all.size() < kPrefix || all.compare(0, 7, "\x93NUMPY\x01") != 0)
    throw Error("npy", file.string() + " is no .npy file of version 1");
  const size_t length = static_cast<unsigned char>(all[8]) + 256u * static_cast<unsigned char>(all[9]);
  const std::string header = all.substr(kPrefix, length);
  HostTensor tensor;
  const std::string descr = between(header, "'descr': '", "'");
  for (const Type& type : kTypes) {
    if (descr == type.descr) tensor.dtype = type.name;
  }
  if (tensor.dtype.empty()) throw Error("npy", file.string() + " holds " + descr);
  std::istringstream shape(between(header, "'shape': (", ")"));
  for (std::string size; std::getline(shape, size, ',');) {
    if (size.find_first_of("0123456789") != std::string::npos) tensor.shape.push_back(std::stoll(size));
  }
  const auto* data = reinterpret_cast<const std::byte*>(all.data());
  tensor.bytes.assign(data + kPrefix + length, data + all.size());
  return tensor;
}

void write_npy(const fs::path& file, const HostTensor& tensor) {
  std::string descr, shape;
  for (const Type& type : kTypes) {
    if (tensor.dtype == type.name) descr = type.descr;
  }
  for (const int64_t size : tensor.shape) shape += fmt::format("{},", size);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}\n", descr, shape);
  std::ofstream stream(file, std::ios::binary);
  stream.write("\x93NUMPY\x01\x00", 8);
  stream.put(static_cast<char>(header.size() & 0xff)).put(static_cast<char>(header.size() >> 8));
  stream << header;
  stream.write(reinterpret_cast<const char*>(tensor.bytes.data()), static_cast<std::streamsize>(tensor.bytes.size()));
}

std::string file_name(std::string name) {
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  return name + ".npy";
}

void run(const fs::path& model, const fs::path& in, const fs::path& out, const sluice::Device& device) {
  std::map<std::string, HostTensor> feeds;
  for (const auto& entry : fs::directory_iterator(in)) feeds[entry.path().stem().string()] = read_npy(entry.path());
  sluice::Session session(model, device);
  for (const auto& [name, tensor] : session.run(feeds)) write_npy(out / file_name(name), tensor);
}

int run_list(const char* list) {
  std::ifstream lines(list);
  const sluice::Device device({});
  bool ok = true;
  for (fs::path model, in, out; lines >> model >> in >> out;) {
    fs::create_directories(out);
    try {
      run(model, in, out, device);
    } catch (const Error& error) {
      std::ofstream(out / "error.txt") << error.what() << "\n";
      ok = false;
    }
  }
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: run_graph LISTFILE\n");
    return 2;
  }
  return run_list(argv[1]);
}
