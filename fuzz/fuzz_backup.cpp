// MANIFEST and page_list: any bytes, their checksums made right or not. What decodes is encoded to the same bytes, and the list
// gives entries that ascend and have a place, or says what is wrong.
#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"
#include "recovery/backup_format.h"

namespace aether::fuzz {
namespace {

using namespace recovery;

constexpr uint64_t kMagic = 0x3150'4b42'4854'4541;  // docs/formats/backup.md

Manifest sample(bool incremental) {
  Manifest manifest;
  manifest.backup_id = 77;
  if (incremental) {
    manifest.kind = BackupKind::incremental;
    manifest.ancestors = {75, 76};
  }
  ControlState& control = manifest.control;
  control.environment_id = 0x1122334455667788;
  control.page_bytes = 4096;
  control.streams = 2;
  control.segment_bytes = 64 * KiB;
  control.redo_position = control.start_position = 3 * 64 * KiB;
  control.epoch_begin = 3 * 64 * KiB;
  control.epoch = 3;
  if (incremental) control.fences.push_back({2, 128 * KiB, 136 * KiB, {}});
  manifest.capacity_pages = 256;
  manifest.list_entries = 3;
  manifest.pages_held = 2;
  manifest.end = 4 * 64 * KiB;
  return manifest;
}

std::string list_of(const Manifest& manifest) {
  std::string bytes;
  for (uint64_t i = 1; i <= manifest.list_entries; ++i) {
    const PageListEntry entry{i * 2, i, i, i == 1 ? 0 : manifest.ancestors.size() << 48 | (i - 2)};
    bytes.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  return bytes;
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const bool incremental : {false, true}) {
    const Manifest manifest = sample(incremental);
    for (const unsigned form : {0u, 3u})
      all.push_back(InputWriter()
                        .byte(form)
                        .sized(encode_manifest(manifest))
                        .sized(list_of(manifest))
                        .bytes());
  }
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const uint8_t form = input.byte();
  std::string bytes(input.sized());
  const std::string_view list = input.sized();
  if ((form & 1) != 0 && bytes.size() >= 16) {
    base::store(bytes.data() + 8, kMagic);
    base::store(bytes.data(), base::checksum(bytes.data() + 8, bytes.size() - 8, kMagic));
  }
  Result<recovery::Manifest> manifest = recovery::decode_manifest(bytes, "MANIFEST");
  if (!manifest) return 0;
  FUZZ_REQUIRE(recovery::encode_manifest(*manifest) == bytes);
  static_cast<void>(recovery::log_extents(manifest->control));
  static MemoryOs os;
  os.files["b/page_list"].assign(list);
  if ((form & 2) != 0) {
    manifest->list_entries = list.size() / sizeof(recovery::PageListEntry);
    manifest->list_checksum = base::checksum(list.data(), list.size(), 0);
  }
  const auto reader = recovery::PageListReader::open("b", *manifest, os);
  if (!reader) return 0;
  uint64_t last = 0;
  for (;;) {
    const auto entry = (*reader)->next();
    if (!entry || *entry == nullptr) break;
    FUZZ_REQUIRE((*entry)->page_id > last && (*entry)->generation() <= manifest->ancestors.size());
    last = (*entry)->page_id;
  }
  return 0;
}
