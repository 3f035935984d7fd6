// Runs a target without libFuzzer: its seeds, its regressions, and mutations of both, the same ones every time.
//
//   replay_<target> [MUTATIONS [SEED]]     all of it
//   replay_<target> FILE...                inputs as they are; a name that ends with .hex: as text
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "fuzz/support/mutator.h"
#include "fuzz/support/regressions.h"
#include "fuzz/support/target.h"

namespace aether::fuzz {
namespace {

// What is being run, for the file that a finding leaves.
std::string now_running;

void run(const std::string& input) {
  now_running = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

extern "C" void save_and_die(int) {
  std::ofstream("finding.bin", std::ios::binary) << now_running;
  std::fprintf(stderr, "the input is in finding.bin\n");
  std::_Exit(1);
}

int replay(uint64_t mutations, uint64_t seed) {
  std::vector<std::string> corpus = seeds();
  const size_t seed_count = corpus.size();
  for (Regression& regression : read_regressions(FUZZ_REGRESSIONS)) {
    std::fprintf(stderr, "%s\n", regression.name.c_str());
    corpus.push_back(std::move(regression.bytes));
  }
  for (const std::string& input : corpus) run(input);
  Mutator mutator(corpus, seed);
  for (uint64_t i = 0; i < mutations; ++i) run(mutator.next());
  std::printf("%zu seeds, %zu regressions, %llu mutations of seed %llu: nothing found\n",
              seed_count, corpus.size() - seed_count, static_cast<unsigned long long>(mutations),
              static_cast<unsigned long long>(seed));
  return 0;
}

}  // namespace
}  // namespace aether::fuzz

int main(int argc, char** argv) {
  using namespace aether::fuzz;
  std::signal(SIGABRT, save_and_die);
  std::signal(SIGSEGV, save_and_die);
  char* end = nullptr;
  const uint64_t mutations = argc > 1 ? std::strtoull(argv[1], &end, 10) : FUZZ_MUTATIONS;
  if (argc <= 1 || (end != argv[1] && *end == '\0'))
    return replay(mutations, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    if (path.ends_with(".hex")) {
      run(read_hex_file(path));
    } else {
      run(read_file(argv[i]));
    }
  }
  std::printf("%d inputs: nothing found\n", argc - 1);
  return 0;
}
