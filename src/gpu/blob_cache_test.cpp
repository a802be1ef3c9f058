// Blobs on disk: whole or absent.
#include "gpu/blob_cache.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

namespace sluice::gpu {
namespace {

namespace fs = std::filesystem;

Blob blob_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class BlobCaches : public testing::Test {
 protected:
  BlobCaches()
      : folder_(fs::temp_directory_path() / ("sluice_blobs_" + std::to_string(std::rand()))), cache_(folder_) {}
  ~BlobCaches() override { fs::remove_all(folder_); }

  fs::path folder_;
  BlobCache cache_;
  const Blob key_ = blob_of("key"), blob_ = blob_of(std::string(5000, 'x') + "end");
};

TEST_F(BlobCaches, KeepsWhatIsStored) {
  EXPECT_EQ(cache_.load(key_), std::nullopt);
  cache_.store(key_, blob_);
  EXPECT_EQ(cache_.load(key_), blob_);
  EXPECT_EQ(BlobCache(folder_).load(key_), blob_);
  EXPECT_EQ(cache_.load(blob_of("kez")), std::nullopt);
  cache_.store(key_, blob_of("other"));
  EXPECT_EQ(cache_.load(key_), blob_of("other"));
}

TEST_F(BlobCaches, DamagedFilesAreAbsent) {
  cache_.store(key_, blob_);
  const fs::path file = cache_.file_of(key_);
  const auto size = fs::file_size(file);
  for (const uintmax_t at : {uintmax_t{0}, uintmax_t{9}, uintmax_t{20}, uintmax_t{33}, size - 1}) {
    cache_.store(key_, blob_);
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put('!');
    stream.close();
    EXPECT_EQ(cache_.load(key_), std::nullopt) << at;
  }
  for (const uintmax_t left : {uintmax_t{0}, uintmax_t{31}, uintmax_t{34}, size - 1}) {
    cache_.store(key_, blob_);
    fs::resize_file(file, left);
    EXPECT_EQ(cache_.load(key_), std::nullopt) << left;
  }
}

TEST_F(BlobCaches, AnotherKeysFileIsAbsent) {
  cache_.store(key_, blob_);
  const Blob other = blob_of("kex");
  fs::copy_file(cache_.file_of(key_), cache_.file_of(other));
  EXPECT_EQ(cache_.load(other), std::nullopt);
}

TEST_F(BlobCaches, TwoCallsSeeOneBlob) {
  cache_.store(key_, blob_);
  ASSERT_EQ(cache_.load_in_two_calls(key_, {}), blob_.size());
  cache_.store(key_, blob_of("shorter"));  // another run's, in between
  Blob out(blob_.size());
  EXPECT_EQ(cache_.load_in_two_calls(key_, out), blob_.size());
  EXPECT_EQ(out, blob_);
  EXPECT_EQ(cache_.load_in_two_calls(key_, {}), 7u);
  EXPECT_EQ(cache_.load_in_two_calls(blob_of("none"), {}), 0u);
}

TEST_F(BlobCaches, ThreadsMayShareAFolder) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const BlobCache mine(folder_);
      for (int i = 0; i < 50; ++i) {
        mine.store(key_, blob_);
        const auto loaded = mine.load(key_);
        EXPECT_TRUE(!loaded || *loaded == blob_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache_.load(key_), blob_);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(BlobCaches, AFolderThatCannotBeMadeIsNoError) {
  const BlobCache cache("/proc/no/such/folder");
  cache.store(key_, blob_);
  EXPECT_EQ(cache.load(key_), std::nullopt);
}

}  // namespace
}  // namespace sluice::gpu
