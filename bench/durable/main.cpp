/// aether-durable: how long a durable write takes on this disk, by each way that the system has for it.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "peers/json.h"
#include "peers/numbers.h"
#include "peers/process.h"
#include "peers/work_dir.h"
#include "way.h"

namespace aether::bench::durable {
namespace {

struct Arguments {
  std::vector<uint32_t> kib = {4, 16, 64};
  double seconds = 0.2;
  unsigned repeat = 2;
  std::string format = "table";
  std::string dir = "/tmp";
};

void declare(CLI::App& app, Arguments& args) {
  app.add_option("--kib", args.kib, "Sizes of a write in KiB, multiples of 4; a list")
      ->delimiter(',')
      ->check(CLI::Range(4, 1024))
      ->check([](const std::string& text) {
        return std::strtoul(text.c_str(), nullptr, 10) % 4 == 0 ? "" : "a multiple of 4 is wanted";
      })
      ->capture_default_str();
  app.add_option("--seconds", args.seconds, "How long one way is timed, each time")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  app.add_option("--repeat", args.repeat, "Rounds over all ways; their figures are put together")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--format", args.format, "table, or json: an object a way")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--dir", args.dir, "Where the file goes; 32 MiB")->capture_default_str();
}

struct Cell {
  Way way;
  Histogram ns;
  std::string error;
};

std::vector<Cell> all_ways(const std::vector<uint32_t>& sizes_kib) {
  std::vector<Cell> cells;
  for (const uint32_t kib : sizes_kib)
    for (const Layout layout : {Layout::growing, Layout::allocated, Layout::written})
      for (const bool direct : {false, true})
        for (const Call call :
             {Call::fsync, Call::fdatasync, Call::o_dsync, Call::rwf_dsync, Call::uring})
          cells.push_back({.way = {call, layout, direct, kib * 1024}, .ns = {}, .error = {}});
  return cells;
}

/// Each round begins elsewhere: what the disk does in the background does not meet the same way twice.
void run_all(std::vector<Cell>& cells, const Arguments& args, const WorkDir& work) {
  for (unsigned round = 0; round < args.repeat; ++round) {
    for (size_t i = 0; i < cells.size(); ++i) {
      Cell& cell = cells[(i + round * 7) % cells.size()];
      if (!cell.error.empty()) continue;
      const Result<Histogram> ns = time_way(cell.way, work.path("file"), args.seconds);
      if (ns) {
        cell.ns.merge(*ns);
      } else {
        cell.error = ns.error().message();
      }
    }
  }
}

double us(const Cell& cell, double quantile) { return cell.ns.quantile(quantile) / 1e3; }

void print_json(const Cell& cell) {
  JsonObject object;
  object.set("bytes", static_cast<double>(cell.way.bytes));
  object.set("file", std::string(word_of(cell.way.layout)));
  object.set("cache", std::string(cell.way.direct ? "direct" : "buffered"));
  object.set("call", std::string(word_of(cell.way.call)));
  if (cell.error.empty()) {
    object.set("count", static_cast<double>(cell.ns.count()));
    object.set("p50_us", us(cell, 0.5));
    object.set("p90_us", us(cell, 0.9));
    object.set("p99_us", us(cell, 0.99));
    object.set("p99_9_us", us(cell, 0.999));
    object.set("max_us", static_cast<double>(cell.ns.max()) / 1e3);
  } else {
    object.set("error", cell.error);
  }
  std::printf("%s\n", object.to_string().c_str());
}

void print_table(const std::vector<Cell>& cells) {
  std::printf(
      "%s\n\nMicroseconds (m: ms) of one durable write after the other.\n\n"
      "| KiB | file | cache | call | writes | p50 | p90 | p99 | p99.9 | max |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n",
      machine_line().c_str());
  for (const Cell& cell : cells) {
    std::printf("| %u | %s | %s | %s | ", cell.way.bytes / 1024, word_of(cell.way.layout),
                cell.way.direct ? "direct" : "buffered", word_of(cell.way.call));
    if (!cell.error.empty()) {
      std::printf("%s |\n", cell.error.c_str());
      continue;
    }
    std::printf("%llu | %s | %s | %s | %s | %s |\n",
                static_cast<unsigned long long>(cell.ns.count()), micros(us(cell, 0.5)).c_str(),
                micros(us(cell, 0.9)).c_str(), micros(us(cell, 0.99)).c_str(),
                micros(us(cell, 0.999)).c_str(),
                micros(static_cast<double>(cell.ns.max()) / 1e3).c_str());
  }
}

/// For each size the way with the least median.
void print_best(const std::vector<Cell>& cells) {
  std::printf("\n");
  for (size_t i = 0; i < cells.size();) {
    const Cell* best = nullptr;
    const uint32_t bytes = cells[i].way.bytes;
    for (; i < cells.size() && cells[i].way.bytes == bytes; ++i) {
      if (cells[i].ns.count() == 0) continue;
      if (best == nullptr || us(cells[i], 0.5) < us(*best, 0.5)) best = &cells[i];
    }
    if (best == nullptr) continue;
    std::printf("%u KiB: %s, %s, %s: %s us\n", bytes / 1024, word_of(best->way.call),
                best->way.direct ? "direct" : "buffered", word_of(best->way.layout),
                micros(us(*best, 0.5)).c_str());
  }
}

int run(const Arguments& args) {
  Result<WorkDir> work = WorkDir::make(args.dir, "aether-durable");
  if (!work) {
    std::fprintf(stderr, "aether-durable: %s\n", std::string(work.error().message()).c_str());
    return 1;
  }
  std::vector<Cell> cells = all_ways(args.kib);
  std::fprintf(stderr, "%zu ways, some %.0f s\n", cells.size(),
               static_cast<double>(cells.size()) * args.repeat * (args.seconds + 0.05));
  run_all(cells, args, *work);
  if (args.format == "json") {
    for (const Cell& cell : cells) print_json(cell);
  } else {
    print_table(cells);
    print_best(cells);
  }
  return 0;
}

}  // namespace
}  // namespace aether::bench::durable

int main(int argc, char** argv) {
  CLI::App app("Times the ways to make a write durable on the disk of --dir.", "aether-durable");
  aether::bench::durable::Arguments args;
  aether::bench::durable::declare(app, args);
  CLI11_PARSE(app, argc, argv);
  return aether::bench::durable::run(args);
}
