// Whole environments from hostile hands: a small one, closed, crashed or in doubt, with any bytes of any file changed and
// the checksums that cover them made right, or not. Opening, verifying, reading and writing it ends, in bounded memory,
// with errors or answers; and where no checksum was made right, a wrong answer is a finding.
#include <array>

#include "fuzz/support/exercise.h"
#include "fuzz/support/input.h"
#include "fuzz/support/repair.h"
#include "fuzz/support/target.h"

namespace aether::fuzz {
namespace {

std::string edit(unsigned kind, unsigned unit, unsigned at, std::string_view bytes, bool repair) {
  return InputWriter()
      .byte(kind | (repair ? 4u : 0u))
      .byte(unit)
      .put(static_cast<uint16_t>(at))
      .shortly_sized(bytes)
      .bytes();
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (unsigned state = 0; state < small::kStates; ++state) {
    const std::string begin = InputWriter().byte(state).bytes();
    all.push_back(begin);
    for (const bool repair : {true, false}) {
      for (unsigned page = 0; page < 24; ++page)
        all.push_back(begin +
                      edit(0, page, 40 + page * 7, std::string(1 + page % 4, '\1'), repair));
      for (unsigned block = 0; block < 40; block += 3)
        all.push_back(begin +
                      edit(1, block, 48 + block * 11, std::string(1 + block % 3, '\2'), repair));
      for (unsigned field = 0; field < 24; ++field)
        all.push_back(begin +
                      edit(2, field, 16 + field * 8, std::string(1 + field % 4, '\3'), repair) +
                      edit(2, field + 1, 16 + field * 8, std::string(1 + field % 4, '\3'), repair));
      all.push_back(begin + edit(3, 0, 36, "\2", repair) + edit(3, 1, 8, "\3", repair));
    }
  }
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  static const std::array<small::SmallEnv, small::kStates> states = {
      small::make(small::State::closed), small::make(small::State::crashed),
      small::make(small::State::in_doubt), small::make(small::State::reopened)};
  Input input(data, size);
  const small::SmallEnv& chosen = states[input.byte() % small::kStates];
  const std::unique_ptr<sim::SimOs> os = chosen.os->copy();
  Editor editor(*os);
  bool repaired = false;
  bool log_touched = false;
  for (int edits = 0; edits < 16 && !input.empty(); ++edits) {
    const uint8_t what = input.byte();
    Edit edit;
    edit.kind = static_cast<FileKind>(what % 4);
    edit.repair = (what & 4) != 0;
    edit.unit = input.byte();
    edit.at = input.take<uint16_t>();
    edit.bytes = input.shortly_sized();
    if (edit.bytes.empty()) continue;
    editor.apply(edit);
    repaired = repaired || edit.repair;
    log_touched = log_touched || edit.kind == FileKind::log;
  }
  // The last block of a log cannot be told from a torn one: what the log may lose, tests/crash counts.
  const bool must_be_right = !repaired && !log_touched;
  exercise(*os, {.truth = must_be_right ? &chosen : nullptr, .drop_stores = size % 2 == 1});
  return 0;
}
