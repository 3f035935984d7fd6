/// What the command line asked for: plain structs, one a verb, filled by parse_command_line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aether/options.h"

namespace aether::cli {

enum class Format : uint8_t { plain, json, table };
enum class When : uint8_t { automatic, always, never };
/// How the rows of a file are written down; docs/formats/exchange.md.
enum class FileType : uint8_t { automatic, db_dump, tsv, jsonl };
/// What `load` does with a key that the store has already. Unspecified: overwrites it, but does not
/// choose among several values of one key in a dump with duplicates=1.
enum class Existing : uint8_t { unspecified, overwrite, keep, fail };

inline constexpr const char* kDefaultStore = "main";

struct GlobalOptions {
  std::string home;
  Format format = Format::plain;
  bool quiet = false;
  bool read_only = false;  ///< Never change a byte: refuse instead of recovering.
  When color = When::automatic;
  When progress = When::automatic;
  uint64_t pool_bytes = 256 * MiB;
  std::string archive;  ///< EnvOptions::archive_directory.
  IoMode io_mode = IoMode::automatic;
};

struct KeyOptions {
  std::string key;
  bool hex = false;  ///< Key and value are hexadecimal, on the command line and in the output.
};

struct GetOptions : KeyOptions {
  std::string store = kDefaultStore;
  bool raw = false;
  bool expires = false;  ///< Say when, and not what.
};

struct PutOptions : KeyOptions {
  std::string store = kDefaultStore;
  StoreOptions creation;
  std::optional<std::string> value;  ///< "-" = standard input.
  std::string value_file;
  bool no_overwrite = false;
  std::string expires;       ///< A moment; empty: none.
  uint64_t ttl_seconds = 0;  ///< 0: none.
  uint32_t page_bytes = 4096;
};

struct RangeOptions {
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::optional<std::string> prefix;
  bool hex = false;
};

/// A key, or a range.
struct DelOptions : RangeOptions {
  std::string store = kDefaultStore;
  std::optional<std::string> key;
};

struct ScanOptions : RangeOptions {
  std::string store = kDefaultStore;
  bool reverse = false;
  bool keys_only = false;
  bool count = false;
  uint64_t limit = UINT64_MAX;
};

/// How `load` takes lines apart. Columns count from 1.
struct TextOptions {
  std::vector<uint32_t> key_columns = {1};  ///< TSV.
  std::string key_separator = "\t";         ///< TSV: between the columns of a key.
  bool whole_line = false;  ///< TSV: the value is the line, not what the key leaves.
  bool heading = false;     ///< TSV: the first line names the columns.
  std::string key_field;    ///< JSON lines: empty = objects of "key" and "value".
};

struct LoadOptions {
  std::optional<std::string> store;  ///< None: as the file names it, else kDefaultStore.
  StoreOptions creation;
  std::string input = "-";
  FileType type = FileType::automatic;
  TextOptions text;
  Existing existing = Existing::unspecified;
  uint64_t batch = 1000;
  uint64_t skip = 0;
  bool atomic = false;
  Durability durability = Durability::group;
  uint32_t page_bytes = 4096;
};

struct DumpOptions {
  std::string store = kDefaultStore;
  bool all = false;
  std::string output = "-";
  FileType type = FileType::db_dump;
  bool print = false;  ///< db_dump: format=print.
};

struct StatOptions {};

struct TopOptions {
  std::optional<std::string> store;  ///< Of kind lsm; none: all of them.
  uint64_t every_ms = 500;
  uint64_t count = UINT64_MAX;  ///< Pictures.
};

struct DeadlockOptions {};

struct VerifyOptions {
  bool repair = false;
  bool online = false;  ///< By the process that has the environment open.
  std::string from;     ///< EnvOptions::repair_from.
};

struct CheckpointOptions {};

struct RecoverOptions {
  bool dry_run = false;
  std::string until;              ///< A moment; empty: recovery after a crash.
  std::vector<std::string> from;  ///< With `until`: a full backup and its incremental ones.
};

struct BackupVerbOptions {
  std::vector<std::string>
      directories;  ///< The new one; with verify or list: those that are there.
  std::string parent;
  uint64_t rate = 0;  ///< Bytes a second; 0: no bound.
  bool verify = false;
  bool list = false;
};

struct RestoreVerbOptions {
  std::vector<std::string> backups;
  std::string until_time;
  std::optional<uint64_t> until_position;
  std::string until_lsn;
};

struct ArchiveVerbOptions {
  std::string directory;
  bool verify = false;
  bool copy = false;
  std::string prune_before;
  std::optional<uint64_t> prune_position;
};

struct PrintlogOptions {
  uint64_t from = 0;
  uint64_t to = UINT64_MAX;
  std::optional<uint64_t> txn;
  std::optional<uint64_t> page;
  std::optional<uint32_t> stream;
  std::string type;
  uint64_t limit = UINT64_MAX;
};

struct InspectOptions {
  std::optional<uint64_t> page;
  std::optional<std::string> store;  ///< In place of a page.
  bool count = false;                ///< Walk through all rows of the store.
};

struct PolicyVerbOptions {
  std::string store = kDefaultStore;
  LsmOptions policy;
};

/// How often each row of a bench is wanted.
enum class Distribution : uint8_t { uniform, zipf };

struct BenchOptions {
  std::string directory;  ///< Where its own directory is made; empty: in --home.
  uint64_t records = 1'000'000;
  uint64_t value_bytes = 100;
  uint32_t threads = 2;
  uint32_t read_percent = 50;
  Distribution distribution = Distribution::uniform;
  Durability durability = Durability::group;
  uint64_t seconds = 10;
};

struct TuneOptions {
  uint64_t seconds = 5;  ///< How long it watches.
};

enum class Verb : uint8_t {
  load,
  dump,
  get,
  put,
  del,
  scan,
  stat,
  top,
  deadlock,
  verify,
  checkpoint,
  recover,
  backup,
  restore,
  archive,
  printlog,
  inspect,
  policy,
  bench,
  tune,
};

struct Options {
  GlobalOptions global;
  Verb verb = Verb::stat;
  LoadOptions load;
  DumpOptions dump;
  GetOptions get;
  PutOptions put;
  DelOptions del;
  ScanOptions scan;
  StatOptions stat;
  TopOptions top;
  DeadlockOptions deadlock;
  VerifyOptions verify;
  CheckpointOptions checkpoint;
  RecoverOptions recover;
  BackupVerbOptions backup;
  RestoreVerbOptions restore;
  ArchiveVerbOptions archive;
  PrintlogOptions printlog;
  InspectOptions inspect;
  PolicyVerbOptions policy;
  BenchOptions bench;
  TuneOptions tune;
};

}  // namespace aether::cli
