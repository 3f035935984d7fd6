// CONTROL: any 32 KiB, each slot with its checksum made right or not. What is read is what recovery can use: the log
// reader takes or refuses its extents, and writing it back gives the same state.
#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"
#include "recovery/control.h"
#include "wal/segment.h"

namespace aether::fuzz {
namespace {

using namespace recovery;

constexpr const char* kHome = "/env";
constexpr const char* kPath = "/env/CONTROL";
constexpr uint64_t kSlotBytes = 16 * KiB;
constexpr uint64_t kMagic = 0x314c'5443'4854'4541;  // docs/formats/control.md

void seal_slot(std::string& file, uint64_t slot) {
  char* at = file.data() + slot * kSlotBytes;
  base::store(at + 8, kMagic);
  base::store(at, base::checksum(at + 8, kSlotBytes - 8, kMagic));
}

ControlState sample() {
  ControlState state;
  state.environment_id = 0x1122334455667788;
  state.page_bytes = 4096;
  state.streams = 2;
  state.segment_bytes = 64 * KiB;
  state.redo_position = state.start_position = state.known_durable = 64 * KiB;
  state.epoch_begin = 3 * 64 * KiB;
  state.epoch = 3;
  state.fences.push_back({1, 64 * KiB, 68 * KiB, {}});
  state.fences.push_back({2, 128 * KiB, 136 * KiB, {}});
  return state;
}

bool same(const ControlState& a, const ControlState& b) {
  return a.environment_id == b.environment_id && a.page_bytes == b.page_bytes &&
         a.streams == b.streams && a.segment_bytes == b.segment_bytes &&
         a.redo_position == b.redo_position && a.start_position == b.start_position &&
         a.known_durable == b.known_durable && a.next_txn == b.next_txn && a.clean == b.clean &&
         a.epoch == b.epoch && a.epoch_begin == b.epoch_begin && a.lsn == b.lsn &&
         a.fences.size() == b.fences.size();
}

}  // namespace

std::vector<std::string> seeds() {
  MemoryOs os;
  std::vector<std::string> all;
  FUZZ_REQUIRE(Control::create(kHome, sample(), os));
  for (const unsigned seal : {3u, 0u}) {
    const std::string& file = os.files[kPath];
    all.push_back(InputWriter()
                      .byte(seal)
                      .sized(file.substr(0, 400))
                      .sized(file.substr(kSlotBytes, 400))
                      .bytes());
    FUZZ_REQUIRE((*Control::open(kHome, true, os))->write(sample()));
  }
  all.push_back(InputWriter().byte(3 | 4).sized(os.files[kPath].substr(0, 400)).bytes());
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const uint8_t form = input.byte();
  static MemoryOs os;
  std::string& file = os.files[kPath];
  file.assign(2 * kSlotBytes, '\0');
  for (uint64_t slot = 0; slot < 2; ++slot) {
    const std::string_view bytes = input.sized().substr(0, kSlotBytes);
    std::memcpy(file.data() + slot * kSlotBytes, bytes.data(), bytes.size());
    if ((form >> slot & 1) != 0) seal_slot(file, slot);
  }
  if ((form & 4) != 0) file.resize(input.take<uint16_t>());
  const Result<std::unique_ptr<Control>> control = Control::open(kHome, true, os);
  if (!control) return 0;
  const ControlState state = (*control)->state();
  const wal::LogReaderOptions options{.directory = "/env/log",
                                      .environment_id = state.environment_id,
                                      .streams = state.streams,
                                      .segment_bytes = state.segment_bytes,
                                      .known_durable = state.known_durable};
  const auto reader = wal::LogReader::open(options, log_extents(state), os);
  if (reader) static_cast<void>((*reader)->next().has_value());
  FUZZ_REQUIRE((*control)->write(state));
  const Result<std::unique_ptr<Control>> again = Control::open(kHome, false, os);
  FUZZ_REQUIRE(again && same((*again)->state(), state));
  return 0;
}
