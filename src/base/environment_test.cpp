#include "base/environment.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace sluice {
namespace {

constexpr const char* kName = "SLUICE_TEST_BYTES";

TEST(Environment, BytesTakeUnits) {
  unsetenv(kName);
  EXPECT_EQ(bytes_from_environment(kName), std::nullopt);
  const std::pair<const char*, uint64_t> cases[] = {
      {"0", 0}, {"65536", 65536}, {"3KiB", 3072}, {"512MiB", 512ull << 20}, {"8GiB", 8ull << 30}};
  for (const auto& [text, bytes] : cases) {
    setenv(kName, text, 1);
    EXPECT_EQ(bytes_from_environment(kName), bytes) << text;
  }
  setenv(kName, "", 1);
  EXPECT_EQ(bytes_from_environment(kName), std::nullopt);
}

TEST(Environment, OtherBytesAreRefused) {
  for (const char* text : {"GiB", "8 GiB", "8GB", "-1", "1.5GiB", "99999999999999999999", "17179869184GiB", "0x10"}) {
    setenv(kName, text, 1);
    EXPECT_THROW(bytes_from_environment(kName), Error) << text;
  }
  unsetenv(kName);
}

TEST(Environment, HostTellsItsMemory) { EXPECT_GT(host_memory(), 1u << 28); }

TEST(Environment, CacheFolderFollowsTheConvention) {
#if defined(__linux__)
  const char* before = std::getenv("XDG_CACHE_HOME");
  const std::string kept = before ? before : "";
  setenv("XDG_CACHE_HOME", "/somewhere", 1);
  EXPECT_EQ(cache_folder(), "/somewhere");
  setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_NE(cache_folder(), "relative");
  before ? setenv("XDG_CACHE_HOME", kept.c_str(), 1) : unsetenv("XDG_CACHE_HOME");
#endif
}

}  // namespace
}  // namespace sluice
