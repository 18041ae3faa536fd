#include "trace_files.h"

#include <stdio.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <unordered_map>

namespace holdfast::bench {
namespace {

using base::Result;
using base::Status;

Status Failed(std::string message) { return {base::ErrorKind::kSystem, std::move(message)}; }

enum class Format : uint8_t { kBigEndian32, kBigEndian64, kOracleGeneral, kRanges };

struct File {
  std::string_view name;
  std::string_view file;
  std::string_view unpack;  // program and flags that write the unpacked file to stdout
  Format format;
};

constexpr std::array kFiles = {
    File{"orm-busy", "orm-busy.trace.xz", "xz -dc", Format::kBigEndian32},
    File{"web07", "web07.trace.xz", "xz -dc", Format::kBigEndian32},
    File{"scarab-recs", "scarab-recs.trace.xz", "xz -dc", Format::kBigEndian64},
    File{"corda-vault", "trace_vaultservice.gz", "gzip -dc", Format::kBigEndian64},
    File{"cp-io", "cloudPhysicsIO.oracleGeneral.bin", "cat", Format::kOracleGeneral},
    File{"arc-OLTP", "OLTP.lis.zst", "zstd -dc", Format::kRanges},
};

constexpr auto kNames = [] {
  std::array<std::string_view, kFiles.size()> names;
  for (size_t i = 0; i < kFiles.size(); ++i) names[i] = kFiles[i].name;
  return names;
}();

Result<std::string> ReadAll(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), [](FILE*) { return 0; });
  if (pipe == nullptr) return Failed("cannot run " + command);
  std::string bytes;
  char block[65536];
  while (const size_t n = fread(block, 1, sizeof block, pipe.get())) bytes.append(block, n);
  if (pclose(pipe.get()) != 0) return Failed(command + " failed: is the file there, and the program installed?");
  return bytes;
}

template <class Number>
Number BigEndian(const char* at) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) number = static_cast<Number>(number << 8 | static_cast<uint8_t>(at[i]));
  return number;
}

// Calls see(key) for each request.
void ForEachKey(Format format, const std::string& bytes, const std::function<void(uint64_t)>& see) {
  switch (format) {
    case Format::kBigEndian32:
      for (size_t at = 0; at + 4 <= bytes.size(); at += 4) see(BigEndian<uint32_t>(&bytes[at]));
      return;
    case Format::kBigEndian64:
      for (size_t at = 0; at + 8 <= bytes.size(); at += 8) see(BigEndian<uint64_t>(&bytes[at]));
      return;
    case Format::kOracleGeneral: {  // little-endian: u32 time, u64 key, u32 size, i64 next
      constexpr size_t kRecordBytes = 24;
      for (size_t at = 0; at + kRecordBytes <= bytes.size(); at += kRecordBytes) {
        uint64_t key;
        std::memcpy(&key, &bytes[at + 4], sizeof key);
        see(key);
      }
      return;
    }
    case Format::kRanges: {  // lines "start count ...": keys start to start + count - 1
      std::istringstream lines(bytes);
      for (std::string line; std::getline(lines, line);) {
        char* end = nullptr;
        const uint64_t start = std::strtoull(line.c_str(), &end, 10);
        const uint64_t count = std::strtoull(end, nullptr, 10);
        for (uint64_t i = 0; i < count; ++i) see(start + i);
      }
      return;
    }
  }
}

}  // namespace

std::span<const std::string_view> TraceNames() { return kNames; }

Result<Trace> ReadTrace(const std::string& folder, std::string_view name) {
  for (const File& file : kFiles) {
    if (file.name != name) continue;
    const auto bytes = ReadAll(std::string(file.unpack) + " '" + folder + "/" + std::string(file.file) + "'");
    if (!bytes.ok()) return bytes.status();
    Trace trace{.name = std::string(name), .keys = {}};
    std::unordered_map<uint64_t, uint32_t> numbers;
    ForEachKey(file.format, bytes.value(), [&](uint64_t key) {
      const auto [entry, is_new] = numbers.try_emplace(key, trace.unique);
      trace.unique += is_new ? 1 : 0;
      trace.keys.push_back(entry->second);
    });
    return trace;
  }
  return Failed("no trace is called " + std::string(name));
}

Result<std::vector<KnownMissRatios>> ReadKnownMissRatios(const std::string& folder) {
  const std::string path = folder + "/miss_ratios.tsv";
  std::ifstream file(path);
  if (!file) return Failed("cannot read " + path + ": name the folder of the traces with --traces");
  const auto words_of = [](const std::string& line) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; std::getline(stream, word, '\t');) words.push_back(word);
    return words;
  };
  std::string line;
  std::getline(file, line);
  std::unordered_map<std::string, size_t> column;
  const std::vector<std::string> head = words_of(line);
  for (size_t i = 0; i < head.size(); ++i) column[head[i]] = i;
  for (const char* name : {"trace", "cache_fraction", "memcached-slru", "OPT"}) {
    if (!column.contains(name)) return Failed(path + " has no column " + name);
  }
  std::vector<KnownMissRatios> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < head.size()) continue;
    rows.push_back({words[column["trace"]], std::strtod(words[column["cache_fraction"]].c_str(), nullptr),
                    std::strtod(words[column["memcached-slru"]].c_str(), nullptr),
                    std::strtod(words[column["OPT"]].c_str(), nullptr)});
  }
  return rows;
}

}  // namespace holdfast::bench
