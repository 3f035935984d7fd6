#include "fuzz/support/mutator.h"

#include <algorithm>
#include <array>

namespace aether::fuzz {
namespace {

constexpr size_t kInputBytesMax = 64 * 1024;
/// Around the edges of lengths and counts.
constexpr std::array<uint64_t, 14> kInteresting = {
    0,      1,      2,          7,          8,         0x7f,         0xff,
    0x7fff, 0xffff, 0x7fffffff, 0xffffffff, INT64_MAX, ~uint64_t{0}, 4096};

}  // namespace

std::string Mutator::next() {
  std::string input = corpus_.empty() ? std::string() : corpus_[random_.below(corpus_.size())];
  for (uint64_t i = 1 + random_.below(8); i > 0; --i) change(input);
  if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
  return input;
}

void Mutator::change(std::string& input) {
  if (input.empty()) {
    input.push_back(static_cast<char>(random_.below(256)));
    return;
  }
  const size_t at = random_.below(input.size());
  switch (random_.below(8)) {
    case 0: input[at] = static_cast<char>(input[at] ^ 1 << random_.below(8)); return;
    case 1: input[at] = static_cast<char>(random_.below(256)); return;
    case 2: {  // A number, of 1 to 8 bytes.
      const uint64_t value = kInteresting[random_.below(kInteresting.size())];
      const size_t width = std::min(size_t{1} << random_.below(4), input.size() - at);
      std::copy_n(reinterpret_cast<const char*>(&value), width, input.data() + at);
      return;
    }
    case 3: input.erase(at, 1 + random_.below(16)); return;
    case 4:
      input.insert(place_in(input), 1 + random_.below(16), static_cast<char>(random_.below(256)));
      return;
    case 5: {  // A piece of itself, again.
      const std::string piece = input.substr(at, 1 + random_.below(64));
      input.insert(place_in(input), piece);
      return;
    }
    case 6: {  // A piece of another one.
      const std::string& other = corpus_[random_.below(corpus_.size())];
      if (other.empty()) return;
      const std::string piece = other.substr(random_.below(other.size()), 1 + random_.below(256));
      const size_t to = place_in(input);
      input.replace(to, std::min(piece.size(), input.size() - to), piece);
      return;
    }
    default: input[at] = static_cast<char>(input[at] + (random_.percent(50) ? 1 : -1)); return;
  }
}

}  // namespace aether::fuzz
