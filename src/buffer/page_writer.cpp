#include "buffer/page_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/reached.h"
#include "base/trace.h"
#include "buffer/guard.h"
#include "buffer/page_images.h"
#include "buffer/swip.h"
#include "buffer/unswizzle.h"
#include "page/page_header.h"
#include "page/slotted_page.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kMagic = 0x3142'5744'4854'4541;  // "AETHDWB1"
constexpr uint64_t kHeaderBytes = 4096;
constexpr uint64_t kBatchBytes = 512 * KiB;
constexpr uint32_t kQueueDepth = 32;

/// The first block of the double-write file. `checksum` covers the rest of the header and, through
/// `pages_checksum`, the checksums of all pages of the batch.
struct AreaHeader {
  uint64_t checksum = 0;
  uint64_t magic = kMagic;
  uint64_t environment_id = 0;
  uint64_t sequence = 0;
  uint32_t page_bytes = 0;
  uint32_t count = 0;
  uint64_t pages_checksum = 0;
  LogPosition log_durable = 0;
};
static_assert(sizeof(AreaHeader) == 56);

uint64_t header_checksum(const AreaHeader& header) noexcept {
  return base::checksum(reinterpret_cast<const std::byte*>(&header) + sizeof header.checksum,
                        sizeof header - sizeof header.checksum, header.environment_id);
}

uint64_t pages_checksum(const std::byte* pages, uint32_t count, uint32_t page_bytes) noexcept {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t one = base::load<uint64_t>(pages + uint64_t{i} * page_bytes);
    sum = base::checksum(&one, sizeof one, sum);
  }
  return sum;
}

}  // namespace

Result<AreaReport> restore_torn_pages(const std::string& path, DataFile& data, os::Os& os) {
  Result<std::unique_ptr<os::File>> file = os.open(
      path, {.write = false, .create = false, .exclusive = false, .direct = true});
  if (!file) {
    if (file.error().code() == Code::not_found) return AreaReport{};
    return std::move(file).error();
  }
  AlignedBuffer block(kHeaderBytes);
  AETHER_TRY_ASSIGN(const uint64_t got, (*file)->read_at(0, block.data(), kHeaderBytes));
  const AreaHeader header = base::load<AreaHeader>(block.data());
  const uint32_t page_bytes = data.page_bytes();
  // A torn header means that the batch never reached the data file: nothing to restore.
  if (got < kHeaderBytes || header.magic != kMagic ||
      header.environment_id != data.environment_id() ||
      header.checksum != header_checksum(header) || header.page_bytes != page_bytes ||
      header.count > (64 * MiB) / page_bytes) {
    return AreaReport{};
  }
  // The header says so also if the copies are torn: it was made when the log was durable.
  AreaReport report{.pages_restored = 0, .log_durable = header.log_durable};
  AlignedBuffer pages(uint64_t{header.count} * page_bytes);
  AETHER_TRY_ASSIGN(const uint64_t bytes,
                    (*file)->read_at(kHeaderBytes, pages.data(), pages.size()));
  if (bytes < pages.size() ||
      pages_checksum(pages.data(), header.count, page_bytes) != header.pages_checksum) {
    AETHER_REACHED("buffer.torn_area_not_used");
    return report;
  }
  bool written = false;
  AlignedBuffer current(page_bytes);
  for (uint32_t i = 0; i < header.count; ++i) {
    const std::byte* copy = pages.data() + uint64_t{i} * page_bytes;
    const PageId id = reinterpret_cast<const page::PageHeader*>(copy)->page_id;
    // A torn area: the batch never reached the data file.
    if (!data.may_hold(id) || !page::check(copy, page_bytes, data.environment_id(), id)) break;
    AETHER_TRY(data.read_raw(id, current.data()));
    const bool is_whole = page::check(current.data(), page_bytes, data.environment_id(), id)
                              .has_value();
    if (is_whole && std::memcmp(current.data(), copy, page_bytes) != 0) {
      AETHER_REACHED("buffer.area_behind_its_page");
      continue;  // Another version.
    }
    // Also what is read as the copy: that may be the system's memory, after a sync that failed. The area is written over
    // from here on.
    AETHER_TRY(data.write(id, copy, 1));
    if (!is_whole) AETHER_REACHED("buffer.torn_page_restored");
    report.pages_restored += is_whole ? 0 : 1;
    written = true;
  }
  if (written) AETHER_TRY(data.sync());
  return report;
}

PageWriter::PageWriter(std::unique_ptr<os::File> file, std::unique_ptr<os::IoQueue> queue,
                       DataFile& data, wal::Log& log, uint32_t batch_pages)
    : file_(std::move(file)),
      queue_(std::move(queue)),
      data_(data),
      log_(log),
      batch_pages_(batch_pages),
      area_(kHeaderBytes + uint64_t{batch_pages} * data.page_bytes()) {
  copies_.reserve(batch_pages);
  requests_.reserve(batch_pages);
  pointers_.reserve(batch_pages);
  done_.reserve(batch_pages);
}

Result<std::unique_ptr<PageWriter>> PageWriter::open(const std::string& double_write_path,
                                                     DataFile& data, wal::Log& log, IoMode io_mode,
                                                     os::Os& os) {
  AETHER_TRY_ASSIGN(auto file,
                    os.open(double_write_path,
                            {.write = true, .create = true, .exclusive = false, .direct = true}));
  const uint32_t batch_pages = std::max<uint32_t>(
      8, static_cast<uint32_t>(kBatchBytes / data.page_bytes()));
  AETHER_TRY_ASSIGN(const uint64_t size, file->size());
  const uint64_t bytes = kHeaderBytes + uint64_t{batch_pages} * data.page_bytes();
  if (size < bytes) AETHER_TRY(file->allocate(0, bytes));
  AETHER_TRY_ASSIGN(auto queue, os.make_io_queue(kQueueDepth, io_mode));
  return std::unique_ptr<PageWriter>(
      new PageWriter(std::move(file), std::move(queue), data, log, batch_pages));
}

std::unique_ptr<PageWriter> PageWriter::detached(DataFile& data, wal::Log& log) {
  auto writer = std::unique_ptr<PageWriter>(new PageWriter(nullptr, nullptr, data, log, 1));
  writer->failed_ = true;
  return writer;
}

Result<void> PageWriter::write(std::span<const Target> targets) {
  os::LockGuard lock(mutex_);
  while (!targets.empty()) {
    const size_t count = std::min<size_t>(targets.size(), batch_pages_);
    AETHER_TRY(write_batch(targets.first(count)));
    targets = targets.subspan(count);
  }
  return {};
}

Result<void> PageWriter::replace_damaged(PageId id, const std::byte* page, Gsn at_least) {
  os::LockGuard lock(mutex_);
  std::byte* const to = area_.data() + kHeaderBytes;
  AETHER_TRY(data_.read_raw(id, to));
  const bool whole = data_.check(id, to).has_value();
  if (whole && base::load<page::PageHeader>(to).gsn >= at_least) return {};
  std::memcpy(to, page, data_.page_bytes());
  Copy copy;
  copy.id = id;
  copy.bytes = to;
  std::vector<Copy> copies{copy};
  AETHER_REACHED("buffer.damaged_page_replaced");
  return write_copies(copies);
}

/// A dirty one stays dirty: whoever writes it next need not know.
Result<bool> PageWriter::write_again(const Target& target, PageId id) {
  os::LockGuard lock(mutex_);
  std::vector<Copy>& copies = copies_;
  copies.clear();
  Copy copy;
  wal::LsnVector vector;
  if (!copy_page(target, area_.data() + kHeaderBytes, copy, vector, Wanted::any)) return false;
  if (copy.id != id) return false;
  AETHER_TRY(log_.wait_durable(vector));
  copies.push_back(copy);
  AETHER_TRY(write_copies(copies));
  return true;
}

Result<void> PageWriter::write_batch(std::span<const Target> targets) {
  std::vector<Copy>& copies = copies_;
  copies.clear();
  wal::LsnVector vector;
  std::byte* to = area_.data() + kHeaderBytes;
  for (const Target& target : targets) {
    Copy copy;
    if (!copy_page(target, to, copy, vector, Wanted::dirty)) continue;
    // A batch may name a page twice: a clock hand that went round, or a page that was freed and began another life in
    // a second frame. Two writes to one place have no order, so the newer copy takes the older one's.
    const auto same = std::find_if(copies.begin(), copies.end(),
                                   [&](const Copy& other) { return other.id == copy.id; });
    if (same != copies.end()) {
      AETHER_REACHED("buffer.page_twice_in_a_batch");
      std::memcpy(same->bytes, to, data_.page_bytes());
      copy.bytes = same->bytes;
      *same = copy;
      continue;
    }
    copies.push_back(copy);
    to += data_.page_bytes();
  }
  if (copies.empty()) return {};
  // The write-ahead rule: no page before the log that explains it, in every stream.
  if (!AETHER_PLANTED("buffer.page_before_log")) AETHER_TRY(log_.wait_durable(vector));
  for ([[maybe_unused]] const Copy& copy : copies)
    AETHER_TRACE_EVENT("page", {{"page", raw(copy.id)}, {"gsn", copy.gsn}});
  AETHER_TRY(write_copies(copies));
  AETHER_TRACE_EVENT("written", {});
  for (const Copy& copy : copies) mark_clean(copy);
  return {};
}

Result<void> PageWriter::write_copies(std::vector<Copy>& copies) {
  if (failed()) {
    return Error(Code::failed,
                 "an earlier write to the data file failed: open the environment again");
  }
  // No page is at its place without its tag: what a tag needs is there before.
  for (const Copy& copy : copies) AETHER_TRY(data_.prepare_to_note(copy.id, 1));
  if (!AETHER_PLANTED("buffer.skip_double_write")) AETHER_TRY(fail(write_area(copies)));
  AETHER_TRACE_EVENT("area", {});
  AETHER_TRY(fail(write_places(copies)));
  // Before anybody may find them clean, let go of them and read them again.
  for (const Copy& copy : copies) AETHER_TRY(fail(note(copy)));
  pages_written_.fetch_add(copies.size(), std::memory_order_relaxed);
  return {};
}

/// A page that was freed since it was copied may have been taken for another life, of which nothing is known yet: this copy
/// tells nothing of that one.
Result<void> PageWriter::note(const Copy& copy) {
  Frame* const frame = copy.target.frame;
  if (frame == nullptr) return data_.note_replaced(copy.id, copy.bytes);
  const SharedGuard guard = SharedGuard::lock(*frame);
  const bool is_given_up = frame->page_id.load(std::memory_order_relaxed) != copy.id;
  if (is_given_up && !AETHER_PLANTED("buffer.note_former_life")) return {};
  return data_.note_written(copy.id, copy.bytes, 1);
}

bool PageWriter::copy_page(const Target& target, std::byte* to, Copy& copy, wal::LsnVector& vector,
                           Wanted wanted) {
  const SharedGuard guard = SharedGuard::lock(*target.frame);
  const FrameState state = target.frame->state.load(std::memory_order_relaxed);
  if (state != FrameState::hot && state != FrameState::cool) return false;
  const bool is_dirty = target.frame->dirty_position.load(std::memory_order_relaxed) != 0;
  if (!is_dirty && wanted == Wanted::dirty) return false;
  copy.target = target;
  copy.id = target.frame->page_id.load(std::memory_order_relaxed);
  copy.position = log_.append_position();
  copy.bytes = to;
  std::memcpy(to, target.page, data_.page_bytes());
  unswizzle(page::SlottedPage(to, data_.page_bytes()));
  const auto* header = reinterpret_cast<const page::PageHeader*>(to);
  AETHER_ASSERT(header->page_id == copy.id);
  copy.gsn = header->gsn;
  vector.raise(target.frame->lsn_vector);
  page::seal(to, data_.page_bytes(), data_.environment_id());
  return true;
}

Result<void> PageWriter::write_area(std::vector<Copy>& copies) {
  auto* header = new (area_.data()) AreaHeader();
  header->environment_id = data_.environment_id();
  header->sequence = ++sequence_;
  header->page_bytes = data_.page_bytes();
  header->count = static_cast<uint32_t>(copies.size());
  header->log_durable = log_.append_position();
  header->pages_checksum = pages_checksum(area_.data() + kHeaderBytes, header->count,
                                          data_.page_bytes());
  header->checksum = header_checksum(*header);
  AETHER_TRY(file_->write_at(0, area_.data(), kHeaderBytes + copies.size() * data_.page_bytes()));
  return AETHER_PLANTED("buffer.skip_double_write_sync") ? Result<void>() : file_->sync();
}

Result<void> PageWriter::write_places(std::vector<Copy>& copies) {
  const uint32_t page_bytes = data_.page_bytes();
  std::sort(copies.begin(), copies.end(), [](const Copy& a, const Copy& b) { return a.id < b.id; });
  std::vector<os::IoRequest>& requests = requests_;  // Has room: addresses must not move.
  requests.clear();
  for (const Copy& copy : copies) {
    AETHER_PROBE(page_write, raw(copy.id), page_bytes);
    const uint64_t offset = raw(copy.id) * page_bytes;
    if (!requests.empty()) {
      os::IoRequest& last = requests.back();
      const bool contiguous = last.offset + last.size == offset &&
                              static_cast<std::byte*>(last.data) + last.size == copy.bytes;
      if (contiguous) {
        last.size += page_bytes;
        continue;
      }
    }
    os::IoRequest& request = requests.emplace_back();
    request.kind = os::IoRequest::Kind::write;
    request.file = &data_.file();
    request.offset = offset;
    request.data = copy.bytes;
    request.size = page_bytes;
  }
  pointers_.clear();
  for (os::IoRequest& request : requests) pointers_.push_back(&request);
  Result<void> written = queue_->submit(pointers_);
  // Also after a failure: the requests' memory must stay until none is under way.
  for (done_.clear(); queue_->in_flight() > 0;) {
    Result<void> completed = queue_->complete(queue_->in_flight(), done_);
    AETHER_ASSERT(completed.has_value());
  }
  AETHER_TRY(std::move(written));
  for (os::IoRequest& request : requests) AETHER_TRY(std::move(request.result));
  if (AETHER_PLANTED("buffer.skip_data_sync")) return {};
  return data_.sync();
}

void PageWriter::mark_clean(const Copy& copy) noexcept {
  Frame& frame = *copy.target.frame;
  const SharedGuard guard = SharedGuard::lock(frame);
  if (frame.page_id.load(std::memory_order_relaxed) != copy.id) return;  // Freed meanwhile.
  if (frame.dirty_position.load(std::memory_order_relaxed) == 0) return;
  const auto* header = reinterpret_cast<const page::PageHeader*>(copy.target.page);
  const bool is_same = header->gsn == copy.gsn || AETHER_PLANTED("buffer.clean_though_changed");
  frame.dirty_position.store(is_same ? 0 : copy.position, std::memory_order_relaxed);
  AETHER_TRACE_EVENT("clean", {{"page", raw(copy.id)}, {"whole", is_same ? 1u : 0u}});
}

// Under the mutex: who began to write its pages before has written them when this returns.
void PageWriter::log_images(bool value) {
  os::LockGuard lock(mutex_);
  if (value) {
    ++image_users_;
  } else {
    --image_users_;
  }
  log_.set_images_logged(image_users_ != 0);
}

Result<void> PageWriter::write_unreferenced(uint32_t stream, PageId first, const std::byte* pages,
                                            uint64_t count) {
  // The mutex: a batch that is under way may hold a copy of the pages' former life.
  os::LockGuard lock(mutex_);
  if (failed())
    return Error(Code::failed,
                 "an earlier write to the data file failed: open the environment again");
  if (image_users_ != 0)
    AETHER_TRY(log_page_images(log_, stream, pages, count, data_.page_bytes()));
  AETHER_TRY(data_.prepare_to_note(first, count));
  unsynced_.store(true);
  AETHER_TRY(fail(data_.write(first, pages, count)));
  return fail(data_.note_written(first, pages, count));
}

Result<void> PageWriter::sync_unreferenced() {
  // Cleared before the sync: what is written during it is for the next one.
  return unsynced_.exchange(false) ? sync() : Result<void>();
}

Result<void> PageWriter::read_settled(PageId id, void* page) {
  os::LockGuard lock(mutex_);
  return data_.read(id, page);
}

Result<void> PageWriter::sync() {
  if (failed())
    return Error(Code::failed,
                 "an earlier write to the data file failed: open the environment again");
  return fail(data_.sync());
}

Result<void> PageWriter::fail(Result<void> result) {
  if (!result) AETHER_REACHED("buffer.page_write_failed");
  if (!result) failed_.store(true, std::memory_order_release);
  return result;
}

}  // namespace aether::buffer
