// Making an environment, and taking hold of its directory.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "buffer/data_file.h"
#include "db/env_impl.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"

namespace aether::db {
namespace {

constexpr const char* kLockName = "LOCK";

std::string parent_of(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const size_t slash = trimmed.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : trimmed.substr(0, slash);
}

/// What is fixed when an environment is made: of one that is there, the directory decides.
Result<void> check_creation_options(const EnvOptions& options) {
  const auto bad = [](const std::string& what) { return Error(Code::invalid_argument, what); };
  const uint32_t page = options.page_bytes;
  if (page < 4 * KiB || page > 64 * KiB || (page & (page - 1)) != 0) {
    return bad("page_bytes must be 4096, 8192, 16384, 32768 or 65536, not " + std::to_string(page));
  }
  if (options.log_streams > wal::kMaxStreams) {
    return bad("log_streams must be at most " + std::to_string(wal::kMaxStreams) + ", not " +
               std::to_string(options.log_streams));
  }
  const uint64_t segment = options.log_segment_bytes;
  if (segment < 64 * uint64_t{page} || segment > 1 * GiB || (segment & (segment - 1)) != 0) {
    return bad("log_segment_bytes must be a power of two, from 64 pages to 1 GiB, not " +
               std::to_string(segment));
  }
  if (options.log_bytes_max < 4 * segment) {
    return bad("log_bytes_max must hold at least four segments (" + std::to_string(4 * segment) +
               "), not " + std::to_string(options.log_bytes_max));
  }
  AETHER_TRY(txn::VersionStore::check({.directory = {}, .bytes_max = options.version_bytes_max}));
  return buffer::BufferPool::check({.pool_bytes = options.pool_bytes, .page_bytes = page});
}

/// Names that a creation which was interrupted may have left.
bool is_ours(const std::string& name) {
  return name == kLockName || name == "data" || name == "log" || name == "doublewrite" ||
         name == "tags" || name == "CONTROL.new";
}

}  // namespace

/// The directory is there, and is an environment or may become one.
Result<void> EnvImpl::prepare_home() {
  if (home_.empty() || home_.find('\0') != std::string::npos) {
    return Error(Code::invalid_argument,
                 "the environment's directory has an empty name, or a zero byte in it");
  }
  AETHER_TRY_ASSIGN(const bool there, os_.exists(home_));
  if (!there) {
    if (!options_.create || options_.read_only) {
      return Error(Code::not_found, home_ + ": no such directory");
    }
    AETHER_TRY(check_creation_options(options_));
    Result<void> made = os_.create_directory(home_);
    // Another process may have made it since: then the lock decides who has it.
    if (made || made.error().code() != Code::exists) return made;
  }
  Result<std::vector<std::string>> names = os_.list(home_);
  if (!names) {
    if (names.error().code() == Code::invalid_argument) {
      return Error(Code::invalid_argument, home_ + " is not a directory");
    }
    return std::move(names).error();
  }
  const bool is_environment = std::find(names->begin(), names->end(), recovery::kControlName) !=
                              names->end();
  if (is_environment) return {};
  for (const std::string& name : *names) {
    if (!is_ours(name)) {
      return Error(Code::not_found,
                   home_ + " is not an Aether environment: it has no CONTROL, but holds '" + name +
                       "'; name another directory");
    }
  }
  if (!options_.create || options_.read_only) {
    return Error(Code::not_found, home_ + " is not an Aether environment: it has no CONTROL");
  }
  return check_creation_options(options_);
}

/// One process at a time; the holder's pid stands in the file for those who come second.
Result<void> EnvImpl::lock_home() {
  const std::string path = home_ + "/" + kLockName;
  Result<std::unique_ptr<os::File>> file = os_.open(path, {.write = !options_.read_only,
                                                           .create = !options_.read_only,
                                                           .exclusive = false,
                                                           .direct = false});
  if (!file && options_.read_only && file.error().code() == Code::not_found) {
    return Error(Code::unsupported,
                 path +
                     " is missing, without which nobody can be kept from writing "
                     "meanwhile: open the environment once for writing");
  }
  AETHER_TRY_ASSIGN(lock_file_, std::move(file));
  AETHER_TRY_ASSIGN(const bool locked, lock_file_->try_lock());
  char text[32] = {};
  if (!locked) {
    AETHER_TRY_ASSIGN(const uint64_t got, lock_file_->read_at(0, text, sizeof text - 1));
    const std::string pid(
        text, std::find_if(text, text + got, [](char c) { return c < '0' || c > '9'; }));
    lock_file_.reset();
    return Error(Code::busy, home_ + ": the environment is open in " +
                                 (pid.empty() ? std::string("another process") : "process " + pid) +
                                 "; only one process at a time may have it open");
  }
  if (options_.read_only) return {};
  const std::string pid = std::to_string(os_.process_id()) + "\n";
  std::copy(pid.begin(), pid.end(), text);
  // Only for people to read: a full disk does not keep an environment from opening.
  static_cast<void>(lock_file_->truncate(0).has_value() &&
                    lock_file_->write_at(0, text, pid.size()).has_value());
  return {};
}

/// A creation that was interrupted may go on, in its own leftovers; an environment that has lost its CONTROL must not be
/// made anew. What tells them apart is made when CONTROL is durable.
Result<void> EnvImpl::check_not_lost() {
  AETHER_TRY_ASSIGN(bool lost, os_.exists(home_ + "/doublewrite"));
  const Result<std::vector<std::string>> segments = os_.list(home_ + "/log");
  if (!segments && segments.error().code() != Code::not_found) return segments.error().clone();
  if (segments) lost = lost || !segments->empty();
  if (!lost) return {};
  return Error(Code::corruption, home_ +
                                     ": CONTROL is missing, the rest of an environment is "
                                     "there: restore CONTROL, or all of it, from a backup");
}

/// The directory's own name: whoever made it, this process, one that was killed since, or the user, it may be in the
/// system's cache only, and would take every commit with it.
Result<void> EnvImpl::sync_name_of_home() {
  Result<void> synced = os_.sync_directory(parent_of(home_));
  // A directory that an administrator has made, in one that this user may not read: then its name is his to sync.
  if (!synced && synced.error().os_errno() == EACCES) return {};
  return synced;
}

/// Everything is durable before CONTROL appears under its name: with that the environment exists.
Result<void> EnvImpl::create_files() {
  recovery::ControlState state;
  state.environment_id = os_.random();
  state.page_bytes = options_.page_bytes;
  state.streams = options_.log_streams != 0
                      ? options_.log_streams
                      : std::clamp<uint32_t>(os_.core_count(), 1, wal::kMaxStreams);
  state.segment_bytes = options_.log_segment_bytes;
  state.redo_position = state.segment_bytes;
  state.start_position = state.segment_bytes;
  state.known_durable = state.segment_bytes;
  state.epoch_begin = state.segment_bytes;
  state.clean = true;
  state.tags_sequence = 1;
  for (uint32_t i = 0; i < wal::kMaxStreams; ++i) state.lsn.at[i] = kFirstLsn;

  AETHER_TRY(check_not_lost());
  AETHER_TRY(sync_name_of_home());
  // Made anew: of what an interrupted creation has left the names may not be durable, nor become so.
  for (const char* name : {"/CONTROL.new", "/data", "/tags", "/log"})
    AETHER_TRY(remove_if_there(home_ + name));
  AETHER_TRY(os_.create_directory(home_ + "/log"));
  AETHER_TRY(os_.sync_directory(home_ + "/log"));
  AETHER_TRY_ASSIGN(auto data, buffer::DataFile::create(home_ + "/data", state.page_bytes,
                                                        state.environment_id, os_));
  AETHER_TRY(write_first_pages(*data));
  AETHER_TRY(buffer::PageTags::create(home_ + "/tags", state.environment_id, os_));
  AETHER_TRY(os_.sync_directory(home_));
  return recovery::Control::create(home_, state, os_);
}

/// The first space map and the empty catalogue.
Result<void> EnvImpl::write_first_pages(buffer::DataFile& data) {
  const uint32_t page_bytes = data.page_bytes();
  buffer::AlignedBuffer pages(uint64_t{2} * page_bytes);
  page::SpaceMapPage map(pages.data(), page_bytes);
  map.format(PageId{1});
  AETHER_TRY(map.set(static_cast<uint32_t>(raw(kCatalogueRoot)), 1));
  page::seal(pages.data(), page_bytes, data.environment_id());
  page::SlottedPage root(pages.data() + page_bytes, page_bytes);
  root.format(kCatalogueRoot, kCatalogueStore, 0, std::nullopt, std::nullopt);
  page::seal(root.bytes(), page_bytes, data.environment_id());
  AETHER_TRY(data.write(PageId{1}, pages.data(), 2));
  return data.sync();
}

}  // namespace aether::db
