#include "micro/key_sets.h"

#include <stdio.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>

namespace aether::bench {
namespace {

constexpr uint64_t kSeed = 20261129;

// The first column of the cities: country, name and number, as "CH:Zug:2657908".
std::vector<std::string> dictionary(size_t count) {
  std::vector<std::string> words;
  FILE* const pipe = ::popen("xz -dc '" AETHER_SOURCE_DIR "/data/cities.tsv.xz'", "r");
  if (pipe == nullptr) return words;
  std::array<char, 4096> line{};
  while (words.size() < count && ::fgets(line.data(), line.size(), pipe) != nullptr) {
    const std::string text = line.data();
    words.push_back(text.substr(0, text.find('\t')));
  }
  ::pclose(pipe);
  if (words.empty()) {
    ::fprintf(stderr, "bench: xz gave nothing of data/cities.tsv.xz\n");
    std::exit(1);
  }
  return words;
}

std::string url(std::mt19937_64& random) {
  static constexpr std::array kWords = {"news",   "article", "user",    "profile", "images",
                                        "static", "blog",    "shop",    "product", "cart",
                                        "search", "tag",     "archive", "video",   "help",
                                        "about",  "index",   "page",    "list",    "item"};
  const auto word = [&] { return kWords[random() % kWords.size()]; };
  std::string text = random() % 4 == 0 ? "http://" : "https://";
  if (random() % 2 == 0) text += "www.";
  text += word();
  text += std::to_string(random() % 500);
  text += random() % 3 == 0 ? ".org" : ".com";
  for (uint64_t depth = 1 + random() % 4; depth > 0; --depth) {
    text += '/';
    text += word();
  }
  text += '/';
  text += std::to_string(random() % 10000000);
  if (random() % 3 == 0) {
    text += "?id=";
    text += std::to_string(random() % 100000);
  }
  return text;
}

}  // namespace

const char* to_string(KeySet set) noexcept {
  switch (set) {
    case KeySet::random: return "random";
    case KeySet::dictionary: return "dictionary";
    case KeySet::urls: return "urls";
    case KeySet::sequential: return "sequential";
  }
  return "unknown";
}

std::vector<std::string> make_keys(KeySet set, size_t count) {
  std::mt19937_64 random(kSeed);
  std::vector<std::string> keys;
  if (set == KeySet::dictionary) {
    keys = dictionary(count);
  } else {
    for (uint64_t i = 0; i < count; ++i) {
      if (set == KeySet::urls) {
        keys.push_back(url(random));
        continue;
      }
      std::string key;
      uint64_t words[2] = {random(), random()};
      if (set == KeySet::sequential) words[0] = __builtin_bswap64(i);
      key.assign(reinterpret_cast<const char*>(words), set == KeySet::sequential ? 8 : 16);
      keys.push_back(std::move(key));
    }
  }
  if (set == KeySet::sequential) return keys;
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::shuffle(keys.begin(), keys.end(), random);
  return keys;
}

}  // namespace aether::bench
