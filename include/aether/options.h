/// Options: what a user may decide, each with its unit, default, and who would set it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aether {

/// Keys and values: any bytes, any length within the limits below. Borrowed for the call, never kept.
using Bytes = std::string_view;

inline constexpr uint64_t KiB = uint64_t{1} << 10;
inline constexpr uint64_t MiB = uint64_t{1} << 20;
inline constexpr uint64_t GiB = uint64_t{1} << 30;

/// The largest value in bytes. The longest key is a quarter of the environment's page.
inline constexpr uint64_t kMaxValueBytes = 1 * GiB;

/// What a commit waits for.
enum class Durability : uint8_t {
  /// Default. The commit returns when its log record is on disk; one fdatasync may serve many commits.
  group,
  /// As `group`, and the commit demands its flush at once instead of joining the one being gathered.
  sync,
  /// The commit returns at once. A crash may lose the last `EnvOptions::flush_interval_ms` of such
  /// commits, never an earlier one, and never leaves half of one.
  none,
};

/// What a transaction sees of others, and what it may overwrite. docs/ISOLATION.md has the anomalies of each.
enum class Isolation : uint8_t {
  /// Each read sees the newest committed row; a scan, one moment a page. A write meets `conflict` only where another
  /// transaction has changed the row and is still open.
  read_committed,
  /// Default. Every read sees the moment of `begin`, and the transaction's own writes. A write meets `conflict` also
  /// where another transaction has changed the row since then (first updater wins).
  snapshot,
  /// As `snapshot`, and transactions at this level behave as if they had run one after another: what one has read
  /// (rows, rows that were not there, ranges) is looked at again when it commits; where another transaction at
  /// this level has changed it, `commit` answers `conflict`. A read-only one reads a moment that needs no look.
  serializable,
};

/// What an explicit lock allows others (KvStore::lock).
enum class LockMode : uint8_t {
  shared,     ///< Others may lock it shared, and nobody may write it.
  exclusive,  ///< Nobody else may lock or write it.
};

/// How files are read and written.
enum class IoMode : uint8_t {
  automatic,  ///< io_uring where the kernel grants a ring, else `threads`.
  uring,      ///< io_uring; opening fails with `unsupported` where the kernel refuses.
  threads,    ///< pread and pwrite, batches spread over a few threads.
};

/// How an environment is opened. Fields marked "creation" are fixed when it is made; later opens take
/// them from the directory and ignore what is given here.
struct EnvOptions {
  /// Makes the environment if the directory holds none. Off: `not_found` instead.
  bool create = true;
  /// Opens without changing a byte. Fails with `unsupported` if the environment needs recovery.
  bool read_only = false;
  /// Memory for pages, headers included. At least 64 pages. The one number most users should set.
  uint64_t pool_bytes = 256 * MiB;
  /// Memory beside the pool for what does not lie in its pages, chiefly values too large for a leaf (a quarter of a page or
  /// so), which are read from the disk each time they are not in it. 0: an eighth of pool_bytes; 1: none. Larger where many
  /// such values are read again and again. It keeps values of up to 4 MiB by default, of up to a thirty-second if it is larger.
  uint64_t block_cache_bytes = 0;
  /// Creation. A power of two, 4-64 KiB. Larger pages suit values of several KiB.
  uint32_t page_bytes = 4 * KiB;
  /// Creation. Log streams, 1-8; 0 = one a core. More streams let more threads append side by side.
  uint32_t log_streams = 0;
  /// Creation. Size of one log segment: a power of two, from 64 pages to 1 GiB. Segments are preallocated
  /// and recycled.
  uint64_t log_segment_bytes = 64 * MiB;
  /// The log on disk is held near this bound by checkpoints; reopening after a crash replays at most
  /// this much. At least four segments; an environment whose segments are larger raises it to that.
  uint64_t log_bytes_max = 1 * GiB;
  /// How long reopening after a crash may take, in seconds; 0: as long as log_bytes_max of log takes. Bounds the log that
  /// recovery replays, within log_bytes_max: by the rate of the last recovery of this environment in this process, if it
  /// read at least 16 MiB, else by 32 MiB a second. An estimate, no promise: EnvStats::reopen_seconds says where it stands.
  double reopen_seconds_max = 0;
  /// After a crash the environment is open as soon as its log is read and what was not committed is taken back; the pages that
  /// the log changes are brought up to date when they are met, and by a background thread at once (without
  /// background_threads: before the next checkpoint). Until then up to 256 MiB, or pool_bytes, of log stay in memory. Off: all
  /// of it before the environment is open.
  bool redo_on_demand = true;
  /// What `commit` waits for unless the transaction says otherwise.
  Durability durability = Durability::group;
  /// With Durability::none: the longest time between a commit and its flush, in milliseconds. Kept by a
  /// background thread: without background_threads such commits wait for the next flush, or close.
  uint32_t flush_interval_ms = 20;
  /// A write for which its transaction would need more memory than this to roll back fails with
  /// `too_large`; the transaction stays as it was, to be aborted or committed.
  uint64_t transaction_bytes_max = 64 * MiB;
  /// Memory for older versions of rows that ended transactions have replaced and open snapshots still need. Beyond it
  /// they go to files in the environment's directory `versions`, and are read from there. At least 64 KiB. Larger for
  /// snapshots that read much of a store while others change it; `EnvStats::version_disk_searches` tells.
  uint64_t version_bytes_max = 64 * MiB;
  IoMode io_mode = IoMode::automatic;
  /// Checkpoints, eviction ahead of demand and log flushing run in background threads. Off: all of it
  /// happens inside the calls that need it; meant for simulation and for embedders without threads.
  bool background_threads = true;
  /// Other processes of this user may ask the open environment for its figures and locks (`aether stat`, `aether
  /// deadlock`), through a socket in its directory and a thread that serves it. Off also read-only and without
  /// background_threads.
  bool live = true;
  /// Where the log is copied before it is let go, for restoring to any point since a backup (docs/BACKUP.md). Empty: it is
  /// not. A directory of this environment alone, best on another disk; it is made if its parent is there. With it, large
  /// values and bulk loads are logged as well. If copying fails the log is kept, and grows; see `archive_log_bytes_max`.
  std::string archive_directory = {};
  /// A backup, or a directory of backups. A page that fails its check when it is read is made again from them and the archived
  /// log, if they reach. Empty: from the archive and the log alone, if there is an archive.
  std::string repair_from = {};
  /// How fast all that is on disk is read again and again, to find damage before it is needed: bytes a second, by a
  /// background thread; 0: not at all. What is damaged is made again if that can be done (as with `repair_from`, or from
  /// memory); EnvStats says what is not. Of 1 TB, 10 MB a second make a round in 28 hours.
  uint64_t scrub_bytes_per_second = 0;
  /// When the log has grown to this because the archive takes none, writes fail and say why. 0: four times log_bytes_max.
  uint64_t archive_log_bytes_max = 0;
};

/// How a transaction runs.
struct TxnOptions {
  /// Overrides EnvOptions::durability for this transaction, if env_durability is off.
  Durability durability = Durability::group;
  /// True: use EnvOptions::durability and ignore the field above.
  bool env_durability = true;
  Isolation isolation = Isolation::snapshot;
  /// How long a lock that it asks for, or a write of a row that another has locked, may wait: then `timed_out`. 0: not at
  /// all, `busy` instead. In milliseconds.
  uint32_t lock_timeout_ms = 10'000;
  /// Promises not to write; a write fails with `invalid_argument`. Such a transaction has no id and costs less.
  bool read_only = false;
};

/// What a store's rows are kept in. All kinds have the same calls, and take part in the same transactions.
enum class IndexKind : uint8_t {
  btree = 1,  ///< Pages on disk, those in use in memory: any size.
  skiplist =
      2,    ///< Memory: lock-free, for many threads at once. The log and an image on disk keep it.
  rax = 3,  ///< Memory: a radix tree, small where keys begin alike. Kept in the same way.
  lsm =
      4,  ///< Memory over sorted runs on disk, compressed: for more writes than a tree of pages takes, at any size.
  rax_paged =
      5,  ///< Pages, as btree; a radix tree: never balanced, a full page moves a subtree down and nothing above it.
};

/// Which runs of a store of kind `lsm` are merged, and when. docs/LSM.md has what each costs.
enum class MergePolicyKind : uint8_t {
  hanoi = 1,         ///< Two runs of a size become one of twice the size.
  leveled = 2,       ///< One run a level, flushes gathered by four: fast reads, more writing.
  tiered = 3,        ///< Several runs of a size become one: least writing, most runs to look into.
  lazy_leveled = 4,  ///< Tiered above, leveled where most of the data lies.
  adaptive = 5,      ///< One of these, by the work that is seen.
};
enum class Compression : uint8_t { none = 0, lz4 = 1, zstd = 2 };
/// What tells that a run does not hold a key without reading it.
enum class RunFilter : uint8_t {
  none = 0,
  bloom = 1,   ///< Points: 10 bits a key, 1 % of the runs are read in vain.
  ribbon = 2,  ///< The same with 7 bits; slower to make.
  surf = 3,    ///< Points, ranges and prefixes.
};

/// Of a store of kind `lsm`.
struct LsmOptions {
  /// Memory that writes go to, until it is full and written out as a run; up to four times of it is taken where writes come faster
  /// than they are written out. 16 KiB - 4 GiB.
  uint64_t nursery_bytes = 64 * MiB;
  /// What it is made of: skiplist or rax.
  IndexKind nursery = IndexKind::skiplist;
  MergePolicyKind policy = MergePolicyKind::tiered;
  /// How much larger a level is than the one above it, 2-64. 0: 4, and for `leveled` 2.
  uint32_t size_ratio = 0;
  /// lazy_leveled: how many runs a level may have, and the last one. 0: size_ratio - 1, and 1.
  uint32_t runs_per_level = 0;
  uint32_t runs_at_bottom = 0;
  /// hanoi: at rest there are never more runs than this, 2-32. 0: as many as there are bits in size / nursery.
  uint32_t runs_max = 0;
  /// hanoi with runs_max: what the store will hold, if that is known. In bytes; 0: it is not.
  uint64_t expected_bytes = 0;
  Compression compression = Compression::lz4;
  int32_t zstd_level = 3;
  /// With zstd: a dictionary is trained for each run. At most 1 MiB; 0: none.
  uint32_t dictionary_bytes = 0;
  /// What is compressed, checked and cached as one. 4-64 KiB.
  uint32_t block_bytes = 16 * KiB;
  /// Larger values are written once, to pages of their own, uncompressed; log, nursery and runs hold where they lie, and merges move that
  /// alone. 128 bytes - 32 KiB.
  uint32_t inline_value_bytes = 4 * KiB;
  RunFilter filter = RunFilter::bloom;
  /// bloom and ribbon, 1-40.
  double filter_bits = 10;
};

/// How a store is opened.
struct StoreOptions {
  /// Makes the store if it is not there. Off: `not_found` instead.
  bool create = true;
  /// Creation. A store that is there keeps its own. One in memory is read whole when it is opened; its rows are at most
  /// about 64 KiB (half of a log record: an eighth of the log's segment, if that is less), and a checkpoint that has to let
  /// go of log it needs, or closing, writes all of it.
  IndexKind index = IndexKind::btree;
  /// Of a store in memory: writes that make it grow beyond this answer no_memory (removals and rollbacks do not). Rows,
  /// index and what waits to be freed; older versions are not in it. 0: as it was made, 1 GiB if that was not said. Another
  /// number counts from now on, until the environment is closed. At most 4 GiB.
  uint64_t memory_bytes_max = 0;
  /// Creation, of a store of kind `lsm`. Its values are as large as those of a B+ tree, at most.
  LsmOptions lsm = {};
};

}  // namespace aether
