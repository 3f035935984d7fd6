// The log: appending, and the block that makes a commit durable.
#include <string>
#include <string_view>

#include "hotpaths/hot_path.h"
#include "os/os.h"
#include "wal/log.h"

namespace aether::hotpaths {
namespace {

/// A log of one stream, and records like that of a put: one part of 116 bytes, 100 bytes of undo.
class LogPath : public HotPath {
 protected:
  LogPath() {
    os::Os& os = os::production();
    must(os.create_directory(place_.path("log")));
    wal::LogOptions options;
    options.directory = place_.path("log");
    options.environment_id = 7;
    options.segment_bytes = 4 * MiB;
    options.background_thread = false;
    wal::LogStart start;
    for (Lsn& lsn : start.lsn.at) lsn = kFirstLsn;
    log_ = must(wal::Log::create(options, start, os));
    part_.header.manager = wal::ResourceManager::btree;
    part_.header.page_id = 9;
    part_.data = {&row_, 1};
  }
  void append() {
    wal::RecordSpec spec;
    spec.txn = ++txn_;
    spec.gsn = txn_;
    spec.parts = {&part_, 1};
    spec.undo = {&before_, 1};
    must(log_->append(0, spec));
  }
  // The ring is empty then, and old segments are used again.
  void prepare(uint64_t /*count*/) override {
    must(log_->flush());
    must(log_->release_before(log_->append_position()));
  }

 private:
  const std::string row_bytes_ = std::string(116, 'r');
  const std::string before_bytes_ = std::string(100, 'b');
  std::string_view row_ = row_bytes_;
  std::string_view before_ = before_bytes_;
  wal::PartSpec part_;
  uint64_t txn_ = 0;
  Place place_;

 protected:
  std::unique_ptr<wal::Log> log_;
};

class WalAppend final : public LogPath {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) append();
  }
};

class WalFlush final : public LogPath {
  void run(uint64_t count) override {
    for (uint64_t i = 0; i < count; ++i) {
      append();
      must(log_->flush());
    }
  }
};

// Both loops of wal_append together, some 3 MiB, fit into the ring: no flush is counted.
constexpr HotPathKind kPaths[] = {
    {"wal_append", "a record of 264 bytes appended to the log", 5'000, make_path<WalAppend>},
    {"wal_flush", "such a record, its block, written and synced", 300, make_path<WalFlush>},
};

}  // namespace

std::span<const HotPathKind> log_paths() { return kPaths; }

}  // namespace aether::hotpaths
