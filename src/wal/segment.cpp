#include "wal/segment.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "aether/options.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"

namespace aether::wal {
namespace {

constexpr size_t kNameDigits = 16;
constexpr std::string_view kNameEnding = ".log";
constexpr uint64_t kFillBytes = 1 * MiB;  // Of one step: about a millisecond of writing.
constexpr uint64_t kChecksumBytes = sizeof SegmentHeader{}.checksum;

uint64_t header_checksum(const void* header, uint64_t environment_id) noexcept {
  return base::checksum(static_cast<const std::byte*>(header) + kChecksumBytes,
                        kSegmentHeaderBytes - kChecksumBytes, environment_id);
}

// False if `name` is not a segment's.
bool parse_name(std::string_view name, uint64_t& number) noexcept {
  if (name.size() != kNameDigits + kNameEnding.size() || !name.ends_with(kNameEnding)) return false;
  number = 0;
  for (const char digit : name.substr(0, kNameDigits)) {
    const bool decimal = digit >= '0' && digit <= '9';
    const bool letter = digit >= 'a' && digit <= 'f';
    if (!decimal && !letter) return false;
    number = number << 4 | static_cast<uint64_t>(decimal ? digit - '0' : digit - 'a' + 10);
  }
  return true;
}

// Gone is gone, whoever removed it.
Result<void> remove_if_there(os::Os& os, const std::string& path) {
  Result<void> removed = os.remove(path);
  if (!removed && removed.error().code() == Code::not_found) return {};
  return removed;
}

}  // namespace

std::string segment_name(uint64_t segment) {
  std::string name(kNameDigits, '0');
  for (size_t i = kNameDigits; segment != 0; segment >>= 4)
    name[--i] = "0123456789abcdef"[segment & 15];
  return name.append(kNameEnding);
}

Result<std::vector<uint64_t>> list_segments(const std::string& directory, os::Os& os) {
  AETHER_TRY_ASSIGN(const std::vector<std::string> names, os.list(directory));
  std::vector<uint64_t> numbers;
  for (const std::string& name : names) {
    uint64_t number = 0;
    if (parse_name(name, number)) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void write_segment_header(SegmentHeader header, std::byte* to) noexcept {
  base::store(to, header);
  base::store(to, header_checksum(to, header.environment_id));
}

bool read_segment_header(std::string_view bytes, SegmentHeader& header) noexcept {
  if (bytes.size() < kSegmentHeaderBytes) return false;
  header = base::load<SegmentHeader>(bytes.data());
  return header.magic == kSegmentMagic &&
         header.checksum == header_checksum(bytes.data(), header.environment_id);
}

Result<std::unique_ptr<SegmentFiles>> SegmentFiles::open(const SegmentOptions& options,
                                                         uint64_t first, os::Os& os) {
  std::unique_ptr<SegmentFiles> files(new SegmentFiles(options, os));
  AETHER_TRY_ASSIGN(const std::vector<uint64_t> numbers, list_segments(options.directory, os));
  const auto leftover = std::lower_bound(numbers.begin(), numbers.end(), first);
  {
    os::LockGuard lock(files->mutex_);
    files->in_use_.insert(numbers.begin(), leftover);
  }
  AETHER_TRY(files->discard_leftovers({leftover, numbers.end()}));
  return files;
}

Result<void> SegmentFiles::discard_leftovers(const std::vector<uint64_t>& leftovers) {
  os::LockGuard lock(mutex_);
  for (const uint64_t number : leftovers) {
    if (spares_.size() < kSparesMax) {
      spares_.insert(number);
    } else {
      AETHER_TRY(remove_if_there(os_, path_of(number)));
    }
  }
  return {};
}

std::string SegmentFiles::path_of(uint64_t number) const {
  return options_.directory + "/" + segment_name(number);
}

Result<std::unique_ptr<os::File>> SegmentFiles::take(uint64_t number) {
  os::LockGuard lock(mutex_);
  for (bool more = true; more;) {
    AETHER_TRY_ASSIGN(more, step(number));
  }
  // What is prepared can be had without memory.
  in_use_.merge(preparation_->place);
  std::unique_ptr<os::File> file = std::move(preparation_->file);
  preparation_.reset();
  last_taken_ = number;
  return file;
}

Result<bool> SegmentFiles::prepare_step(uint64_t number) {
  os::LockGuard lock(mutex_);
  if (number <= last_taken_) return false;  // Somebody took it since the caller looked.
  return step(number);
}

// One step; after an error nothing of the preparation is left, so that a later try starts anew.
Result<bool> SegmentFiles::step(uint64_t number) {
  AETHER_ASSERT(preparation_ == nullptr || preparation_->number == number);
  if (preparation_ == nullptr) {
    Result<void> started = base::or_no_memory(
        [&]() AETHER_NO_THREAD_SAFETY { return start(number); });
    if (!started) {
      abandon(number);
      return std::move(started).error();
    }
    return !preparation_->done;
  }

  Preparation& now = *preparation_;
  if (now.done) return false;
  Result<void> stepped;
  if (now.filled < options_.segment_bytes) {
    const uint64_t bytes = std::min(kFillBytes, options_.segment_bytes - now.filled);
    stepped = base::or_no_memory(
        [&] { return now.file->write_at(now.filled, now.zeros.data(), bytes); });
    now.filled += bytes;
  } else {
    now.zeros = AlignedBuffer();
    stepped = base::or_no_memory([&]() -> Result<void> {
      AETHER_TRY(write_header(*now.file, number));
      if (AETHER_PLANTED("wal.skip_directory_sync")) return {};
      return os_.sync_directory(options_.directory);
    });
    now.done = true;
    created_.fetch_add(1, std::memory_order_relaxed);
  }
  if (!stepped) {
    abandon(number);
    return std::move(stepped).error();
  }
  return !preparation_->done;
}

Result<void> SegmentFiles::start(uint64_t number) {
  preparation_ = std::make_unique<Preparation>();
  preparation_->number = number;
  preparation_->place.insert(number);
  AETHER_TRY_ASSIGN(const bool recycled, try_recycle(number));
  if (!recycled) AETHER_TRY(create(number));
  return {};
}

// Name first, header second: a crash in between leaves a file whose header names another segment, which
// the reader does not enter and the next open takes as a spare.
Result<bool> SegmentFiles::try_recycle(uint64_t number) {
  while (!spares_.empty()) {
    // A file that already has the name must not be in the way of another one's rename.
    const auto same = spares_.find(number);
    const uint64_t spare = same != spares_.end() ? number : *spares_.begin();
    spares_.erase(spare);

    AETHER_TRY_ASSIGN(std::unique_ptr<os::File> file,
                      os_.open(path_of(spare), {.write = true, .direct = true}));
    AETHER_TRY_ASSIGN(const uint64_t bytes, file->size());
    if (bytes != options_.segment_bytes) {
      AETHER_REACHED("wal.spare_segment_of_another_size");
      // Cut short by a crash, or another size was configured.
      AETHER_TRY(remove_if_there(os_, path_of(spare)));
      continue;
    }
    if (spare == number) {
      AETHER_REACHED("wal.spare_segment_has_the_name");
    } else {
      // Opened anew below: path() shall be the new name, which error messages print.
      AETHER_TRY(file->close());
      AETHER_TRY(os_.rename(path_of(spare), path_of(number)));
      AETHER_TRY_ASSIGN(file, os_.open(path_of(number), {.write = true, .direct = true}));
    }
    if (!AETHER_PLANTED("wal.recycle_without_directory_sync"))
      AETHER_TRY(os_.sync_directory(options_.directory));
    if (!AETHER_PLANTED("wal.recycle_without_header")) AETHER_TRY(write_header(*file, number));
    preparation_->file = std::move(file);
    preparation_->done = true;
    AETHER_REACHED("wal.segment_recycled");
    recycled_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

Result<void> SegmentFiles::create(uint64_t number) {
  if (options_.fill) {
    AETHER_TRY_ASSIGN(preparation_->zeros, AlignedBuffer::make(kFillBytes));
  } else {
    preparation_->filled = options_.segment_bytes;
  }
  const std::string path = path_of(number);
  constexpr os::OpenFlags kNew{.write = true, .create = true, .exclusive = true, .direct = true};
  Result<std::unique_ptr<os::File>> file = os_.open(path, kNew);
  if (!file && file.error().code() == Code::exists) {
    AETHER_REACHED("wal.leftover_segment_replaced");
    // What an attempt before has left, and could not remove.
    AETHER_TRY(remove_if_there(os_, path));
    file = os_.open(path, kNew);
  }
  AETHER_TRY_ASSIGN(preparation_->file, std::move(file));
  return preparation_->file->allocate(0, options_.segment_bytes);
}

Result<void> SegmentFiles::write_header(os::File& file, uint64_t number) {
  AETHER_TRY_ASSIGN(const AlignedBuffer buffer, AlignedBuffer::make(kSegmentHeaderBytes));
  write_segment_header({.epoch = options_.epoch,
                        .environment_id = options_.environment_id,
                        .segment = number,
                        .segment_bytes = options_.segment_bytes},
                       buffer.data());
  AETHER_TRY(file.write_at(0, buffer.data(), kSegmentHeaderBytes));
  return file.sync();
}

void SegmentFiles::abandon(uint64_t number) noexcept {
  if (preparation_ == nullptr) return;
  AETHER_REACHED("wal.segment_preparation_failed");
  preparation_.reset();
  // If even this fails, the next try finds the file, and removes it.
  static_cast<void>(base::or_no_memory([&] { return os_.remove(path_of(number)); }).has_value());
}

Result<void> SegmentFiles::release_before(uint64_t number) {
  std::set<uint64_t> removed;
  {
    os::LockGuard lock(mutex_);
    while (!in_use_.empty() && *in_use_.begin() < number) {
      std::set<uint64_t>& to = spares_.size() < kSparesMax ? spares_ : removed;
      to.insert(in_use_.extract(in_use_.begin()));
    }
  }
  const bool removes = !removed.empty();
  // Unlocked: removing a large file takes long, and a flush step may need its next segment meanwhile.
  Result<void> result;
  while (!removed.empty()) {
    Result<void> gone = base::or_no_memory(
        [&] { return remove_if_there(os_, path_of(*removed.begin())); });
    if (gone) {
      removed.erase(removed.begin());
      continue;
    }
    if (result) result = std::move(gone);
    os::LockGuard lock(mutex_);
    in_use_.insert(removed.extract(removed.begin()));
  }
  if (result && removes) result = os_.sync_directory(options_.directory);
  return result;
}

}  // namespace aether::wal
