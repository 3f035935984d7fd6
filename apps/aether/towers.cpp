#include "apps/aether/towers.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "apps/aether/text.h"

namespace aether::cli {
namespace {

constexpr size_t kPegWidthMax = 24;
constexpr size_t kPegWidthMin = 9;
constexpr size_t kRowsMin = 4;
constexpr size_t kRowsMax = 20;

struct Disc {
  uint64_t bytes = 0;
  bool is_merging = false;
};

struct Peg {
  std::string name;
  std::vector<Disc> discs;  ///< The newest first: on top.
  uint64_t bytes = 0;
};

uint64_t number_of(const JsonFields& fields, const char* name) {
  return std::strtoull(fields.text(name).c_str(), nullptr, 10);
}

Result<std::vector<Peg>> pegs_of(const JsonFields& store) {
  std::vector<Peg> pegs(2);
  pegs[0].name = "memory";
  pegs[0].bytes = number_of(store, "nursery_bytes");
  // Generations that are full and wait to be written out lie on the one that is filled.
  for (uint64_t waits = std::min<uint64_t>(number_of(store, "sealed_generations"), kRowsMax);
       waits > 0; --waits) {
    pegs[0].discs.push_back({pegs[0].bytes, true});
  }
  pegs[0].discs.push_back({pegs[0].bytes, false});
  for (const std::string_view element : store.elements("sorted_runs")) {
    AETHER_TRY_ASSIGN(const JsonFields run, JsonFields::read(element));
    const uint64_t level = std::min<uint64_t>(number_of(run, "level"), 64);
    pegs.resize(std::max<size_t>(pegs.size(), level + 2));
    Peg& peg = pegs[level + 1];
    peg.discs.push_back({number_of(run, "bytes"), run.text("merging") == "true"});
    peg.bytes += peg.discs.back().bytes;
  }
  for (size_t level = 0; level + 1 < pegs.size(); ++level) {
    pegs[level + 1].name = "level " + std::to_string(level);
  }
  return pegs;
}

/// Twice the size is two columns more.
std::string disc_text(const Disc& disc, uint64_t largest, size_t width) {
  size_t length = width;
  for (uint64_t bytes = disc.bytes; bytes < largest && length > 2; bytes *= 2) {
    length -= 2;
    if (bytes == 0) break;
  }
  return std::string(std::max<size_t>(length, 1), disc.is_merging ? '~' : '=');
}

void append_centered(std::string& line, const std::string& text, size_t width) {
  const std::string shown = fitted(text, width);
  const size_t columns = display_width(shown);
  const size_t before = (width - columns) / 2;
  line.append(before, ' ').append(shown).append(width - columns - before, ' ');
}

/// What would not fit on a peg is left out below the newest.
void append_row(std::string& text, const std::vector<Peg>& pegs, size_t row, size_t rows,
                size_t width, uint64_t largest) {
  std::string line;
  for (const Peg& peg : pegs) {
    const size_t empty = rows - std::min(rows, peg.discs.size());
    append_centered(line, row < empty ? "|" : disc_text(peg.discs[row - empty], largest, width - 2),
                    width);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  text.append(line).append("\n");
}

void append_figures(std::string& text, const JsonFields& store, const TowerRates& rates) {
  text.append(escaped(store.bytes("name"))).append(": ").append(store.text("policy"));
  text.append(", put ").append(human_bytes(static_cast<uint64_t>(rates.put_bytes)));
  text.append("/s, runs written ");
  text.append(human_bytes(static_cast<uint64_t>(rates.written_bytes)));
  text.append("/s, merges owe ").append(human_bytes(number_of(store, "merge_debt_bytes")));
  text.append("\namplification: write ");
  text.append(human_number(store.number("write_amplification"))).append(", read ");
  text.append(human_number(store.number("read_amplification"))).append(" runs a get, space ");
  text.append(human_number(store.number("space_amplification_max"))).append(" at most; ");
  text.append(with_commas(number_of(store, "flushes"))).append(" flushes, ");
  text.append(with_commas(number_of(store, "merges"))).append(" merges\n\n");
}

}  // namespace

Result<std::string> towers_of(const JsonFields& store, const TowerRates& rates, size_t width) {
  std::string text;
  if (store.text("index") != "lsm") return text;
  AETHER_TRY_ASSIGN(const std::vector<Peg> pegs, pegs_of(store));
  append_figures(text, store, rates);
  const size_t peg_width = std::clamp(width / pegs.size(), kPegWidthMin, kPegWidthMax);
  size_t rows = kRowsMin;
  uint64_t largest = 1;
  for (const Peg& peg : pegs) {
    rows = std::clamp(peg.discs.size() + 1, rows, kRowsMax);
    for (const Disc& disc : peg.discs) largest = std::max(largest, disc.bytes);
  }
  for (size_t row = 0; row < rows; ++row) append_row(text, pegs, row, rows, peg_width, largest);
  std::string names;
  std::string sizes;
  for (const Peg& peg : pegs) {
    append_centered(names, peg.name, peg_width);
    append_centered(sizes, human_bytes(peg.bytes), peg_width);
  }
  text.append(std::string(peg_width * pegs.size(), '-')).append("\n");
  text.append(names).append("\n").append(sizes).append("\n");
  return text;
}

}  // namespace aether::cli
