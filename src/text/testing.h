// What the tests of this folder share. The fixtures in testdata/ hold what Python's tokenizers and transformers answer;
// testdata/make_fixtures.py makes them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace sluice::text {

using Ids = std::vector<uint32_t>;
using Json = nlohmann::ordered_json;

inline const std::filesystem::path kData = SLUICE_TEXT_TESTDATA;

inline std::string read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << file;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline const Tokenizer& fixture(const std::string& name) {
  static const Tokenizer kByteLevel = Tokenizer::load(kData / "byte_level.json");
  static const Tokenizer kByteFallback = Tokenizer::load(kData / "byte_fallback.json");
  return name == "byte_level" ? kByteLevel : kByteFallback;
}

// The text of the Error that body throws.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

#define EXPECT_ERROR(body, part) \
  EXPECT_NE(error_of([&] { body; }).find(part), std::string::npos) << error_of([&] { body; })

// A folder that is gone after the test.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("sluice_text_" + std::to_string(std::random_device()()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  void write(const std::filesystem::path& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sluice::text
