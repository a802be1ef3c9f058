// A main() for fuzz targets where libFuzzer is not at hand: mutates seed files for some seconds, without coverage
// feedback. The inputs are the same in every run, so after a crash the same command with --keep leaves the guilty one
// in fuzz_input.bin.
//   import_fuzz [--seconds N] [--keep] SEED_FILES...
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Random = std::mt19937_64;
using Clock = std::chrono::steady_clock;

size_t below(Random& random, size_t limit) { return limit == 0 ? 0 : random() % limit; }

void flip(std::string& text, Random& random) {
  if (!text.empty()) text[below(random, text.size())] ^= static_cast<char>(1u << below(random, 8));
}

void overwrite(std::string& text, Random& random) {
  static constexpr unsigned char kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x12, 0x3a};
  if (!text.empty()) text[below(random, text.size())] = static_cast<char>(kTelling[below(random, std::size(kTelling))]);
}

void erase(std::string& text, Random& random) { text.erase(below(random, text.size()), 1 + below(random, 32)); }

void repeat(std::string& text, Random& random) {
  const std::string piece = text.substr(below(random, text.size()), 1 + below(random, 128));
  text.insert(below(random, text.size()), piece);
}

void cut(std::string& text, Random& random) { text.resize(below(random, text.size() + 1)); }

// A number of the file becomes an extreme one, as protobuf writes them.
void extreme(std::string& text, Random& random) {
  static constexpr std::string_view kNumbers[] = {"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
                                                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                                  "\x80\x80\x80\x80\x80\x20", "\xff\xff\xff\xff\x07"};
  if (!text.empty()) text.replace(below(random, text.size()), 1, kNumbers[below(random, std::size(kNumbers))]);
}

std::string mutate(const std::vector<std::string>& seeds, Random& random) {
  static constexpr void (*kMutations[])(std::string&, Random&) = {flip,    overwrite, erase,     repeat,
                                                                  extreme, flip,      overwrite, cut};
  std::string text = seeds[below(random, seeds.size())];
  const size_t count = 1 + below(random, 6);
  for (size_t i = 0; i < count; ++i) {
    // A cut file is mostly a refused one: keep it rare.
    const size_t last = random() % 16 == 0 ? std::size(kMutations) : std::size(kMutations) - 1;
    kMutations[below(random, last)](text, random);
  }
  return text;
}

void run(const std::string& text, bool keep) {
  if (keep) std::ofstream("fuzz_input.bin", std::ios::binary) << text;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

struct Options {
  double seconds = 10;
  bool keep = false;
  std::vector<std::string> seeds;  // contents
};

// False if a file cannot be read or none is given.
bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--seconds" && i + 1 < argc) {
      options.seconds = std::atof(argv[++i]);
    } else if (argument == "--keep") {
      options.keep = true;
    } else {
      std::ifstream file(argv[i], std::ios::binary);
      if (!file) std::fprintf(stderr, "cannot read %s\n", argv[i]);
      if (!file) return false;
      options.seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  if (options.seeds.empty()) std::fprintf(stderr, "usage: %s [--seconds N] [--keep] SEED_FILES...\n", argv[0]);
  return !options.seeds.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) return 1;
  for (const std::string& seed : options.seeds) run(seed, options.keep);
  Random random(1);
  uint64_t runs = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
  for (; Clock::now() < end; ++runs) run(mutate(options.seeds, random), options.keep);
  std::printf("%llu mutated inputs, none broke a rule\n", static_cast<unsigned long long>(runs));
  return 0;
}
