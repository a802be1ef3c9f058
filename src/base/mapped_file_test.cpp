#include "base/mapped_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/error.h"

namespace sluice {
namespace {

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "sluice_mapped_file";
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::filesystem::path path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(MappedFileTest, ReadsAllBytesAndOutlivesTheFile) {
  const std::string text = std::string("weights\0and more", 16) + std::string(10000, 'x');
  const std::filesystem::path path = write("some.data", text);
  const auto file = MappedFile::open(path);
#ifndef _WIN32
  std::filesystem::remove(path);
#endif
  ASSERT_EQ(file->bytes().size(), text.size());
  EXPECT_EQ(std::memcmp(file->bytes().data(), text.data(), text.size()), 0);
}

TEST_F(MappedFileTest, EmptyFileHasNoBytes) { EXPECT_TRUE(MappedFile::open(write("empty", ""))->bytes().empty()); }

TEST_F(MappedFileTest, RefusesWhatIsNoRegularFile) {
  EXPECT_THROW(MappedFile::open(folder_ / "missing"), Error);
  EXPECT_THROW(MappedFile::open(folder_), Error);
}

}  // namespace
}  // namespace sluice
