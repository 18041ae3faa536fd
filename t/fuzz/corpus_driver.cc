// Runs a fuzz target over its corpus when there is no libFuzzer: NAME_fuzz takes every file of t/fuzz/corpus/NAME, and
// of every file the first half and a copy with some bytes turned, so that "make check" sees a little more than last
// time.
//
// With arguments it takes those files instead, as libFuzzer does to repeat a finding.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kCopies = 20;

void Run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void RunAround(const std::string& bytes, std::mt19937& random) {
  Run(bytes);
  Run(bytes.substr(0, bytes.size() / 2));
  for (int copy = 0; copy < kCopies && !bytes.empty(); ++copy) {
    std::string turned = bytes;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      turned[random() % turned.size()] = static_cast<char>(random());
    }
    Run(turned);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> paths(argv + 1, argv + argc);
  if (paths.empty()) {
    const char* const src = std::getenv("HOLDFAST_SRC");
    std::string name = std::filesystem::path(argv[0]).filename();
    name.erase(std::min(name.rfind("_fuzz"), name.size()));
    const std::filesystem::path corpus = std::filesystem::path(src != nullptr ? src : ".") / "t/fuzz/corpus" / name;
    if (!std::filesystem::is_directory(corpus)) {
      std::fprintf(stderr, "no corpus in %s: set HOLDFAST_SRC to the source tree\n", corpus.c_str());
      return 1;
    }
    for (const auto& entry : std::filesystem::directory_iterator(corpus)) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
  }
  std::mt19937 random(20260301);  // the same every time: a finding must be repeatable
  for (const std::filesystem::path& path : paths) RunAround(Contents(path), random);
  std::printf("%zu files\n", paths.size());
  return paths.empty() ? 1 : 0;
}
