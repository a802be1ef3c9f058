#include "base/dynamic_library.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"

namespace sluice {
namespace {

TEST(DynamicLibrary, MissingFileIsAnErrorThatNamesIt) {
  try {
    const DynamicLibrary missing("/no/such/library.so");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/no/such/library.so"), std::string::npos) << error.what();
  }
}

TEST(DynamicLibrary, CodeFolderHoldsTheProgram) {
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(code_folder()) / "base_test"));
}

}  // namespace
}  // namespace sluice
