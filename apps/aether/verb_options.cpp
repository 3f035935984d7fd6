#include "apps/aether/verb_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "apps/aether/help.h"
#include "apps/aether/suggest.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

template <typename T>
using Words = std::map<std::string, T>;

const Words<Format> kFormats = {
    {"plain", Format::plain}, {"json", Format::json}, {"table", Format::table}};
const Words<When> kWhens = {
    {"auto", When::automatic}, {"always", When::always}, {"never", When::never}};
const Words<IoMode> kIoModes = {
    {"automatic", IoMode::automatic}, {"uring", IoMode::uring}, {"threads", IoMode::threads}};
const Words<IndexKind> kIndexKinds = {{"btree", IndexKind::btree},
                                      {"skiplist", IndexKind::skiplist},
                                      {"rax", IndexKind::rax},
                                      {"rax_paged", IndexKind::rax_paged},
                                      {"lsm", IndexKind::lsm}};
const Words<FileType> kInputTypes = {{"auto", FileType::automatic},
                                     {"db_dump", FileType::db_dump},
                                     {"tsv", FileType::tsv},
                                     {"jsonl", FileType::jsonl}};
const Words<FileType> kOutputTypes = {
    {"db_dump", FileType::db_dump}, {"tsv", FileType::tsv}, {"jsonl", FileType::jsonl}};
const Words<Existing> kExistings = {
    {"overwrite", Existing::overwrite}, {"keep", Existing::keep}, {"fail", Existing::fail}};
const Words<Distribution> kDistributions = {{"uniform", Distribution::uniform},
                                            {"zipf", Distribution::zipf}};
const Words<Durability> kDurabilities = {
    {"group", Durability::group}, {"sync", Durability::sync}, {"none", Durability::none}};

const Words<IndexKind> kNurseryKinds = {{"skiplist", IndexKind::skiplist}, {"rax", IndexKind::rax}};
const Words<MergePolicyKind> kMergePolicies = {{"hanoi", MergePolicyKind::hanoi},
                                               {"leveled", MergePolicyKind::leveled},
                                               {"tiered", MergePolicyKind::tiered},
                                               {"lazy_leveled", MergePolicyKind::lazy_leveled},
                                               {"adaptive", MergePolicyKind::adaptive}};
const Words<Compression> kCompressions = {
    {"none", Compression::none}, {"lz4", Compression::lz4}, {"zstd", Compression::zstd}};
const Words<RunFilter> kRunFilters = {{"none", RunFilter::none},
                                      {"bloom", RunFilter::bloom},
                                      {"ribbon", RunFilter::ribbon},
                                      {"surf", RunFilter::surf}};
/// An option that takes one of a few words.
template <typename T>
CLI::Option* add_choice(CLI::App& app, const std::string& name, T& to, const Words<T>& words,
                        const std::string& help) {
  std::string list;
  for (const auto& entry : words) list += (list.empty() ? "" : "|") + entry.first;
  const auto set = [&to, &words](const CLI::results_t& given) {
    const auto found = words.find(given.back());
    if (found != words.end()) to = found->second;
    return found != words.end();
  };
  const auto check = [&words, list](const std::string& given) {
    return words.count(given) != 0 ? std::string() : "expected " + list + ", found " + given;
  };
  return app.add_option(name, set, help)->type_name(list)->check(check)->expected(1);
}

/// Decimal digits and nothing else: CLI11 would take -1 for the greatest number.
std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What an option must check: a number from `least` up to `most`.
template <typename T>
CLI::Validator number_from(T least, T most = std::numeric_limits<T>::max()) {
  const auto check = [least, most](const std::string& given) {
    const std::optional<uint64_t> number = parse_number(given);
    const bool fits = number && *number >= least && *number <= most;
    const bool is_bounded = most != std::numeric_limits<T>::max();
    return fits ? std::string()
                : "expected a whole number from " + std::to_string(least) +
                      (is_bounded ? " to " + std::to_string(most) : "") + ", found " + given;
  };
  return CLI::Validator(check, "");
}

/// An option that takes a number; `To` is an integer or an optional one.
template <typename T, typename To>
CLI::Option* add_number(CLI::App& app, const std::string& name, To& to, T least,
                        const std::string& type, const std::string& help) {
  const auto set = [&to](const CLI::results_t& given) {
    const std::optional<uint64_t> number = parse_number(given.back());
    if (number) to = static_cast<T>(*number);
    return number.has_value();
  };
  return app.add_option(name, set, help)
      ->type_name(type)
      ->check(number_from<T>(least))
      ->expected(1);
}

/// 4096, 64KiB, 64K, 1g: powers of 1024. Empty: not a size.
std::optional<uint64_t> parse_size(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<uint64_t> number = parse_number(text.substr(0, digits));
  if (!number) return std::nullopt;
  std::string unit(text.substr(digits));
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string_view letters = "kmgt";
  const size_t power = unit.empty() ? std::string_view::npos : letters.find(unit[0]);
  if (power == std::string_view::npos) {
    return unit.empty() || unit == "b" ? number : std::nullopt;
  }
  const std::string rest = unit.substr(1);
  if (!rest.empty() && rest != "b" && rest != "ib") return std::nullopt;
  const uint64_t factor = uint64_t{1} << (10 * (power + 1));
  if (*number > UINT64_MAX / factor) return std::nullopt;
  return *number * factor;
}

template <typename T>
CLI::Option* add_size(CLI::App& app, const std::string& name, T& to, const std::string& help) {
  const auto set = [&to](const CLI::results_t& given) {
    const std::optional<uint64_t> size = parse_size(given.back());
    if (size) to = static_cast<T>(*size);
    return size.has_value();
  };
  const auto check = [](const std::string& given) {
    const std::optional<uint64_t> size = parse_size(given);
    const bool fits = size && *size <= std::numeric_limits<T>::max();
    return fits ? std::string() : "expected a size as 4096, 64KiB or 2G, found " + given;
  };
  return app.add_option(name, set, help)->type_name("SIZE")->check(check)->expected(1);
}

void add_page_bytes(CLI::App& app, uint32_t& to) {
  add_size(app, "--page-bytes", to,
           "Page size, where this makes the environment: 4KiB-64KiB (4KiB)");
}

/// What a merge policy is told beside its name.
void add_policy_numbers(CLI::App& app, LsmOptions& o, const std::string& group) {
  const auto add = [&](const char* name, uint32_t& to, const char* help) {
    add_number<uint32_t>(app, name, to, 0, "N", help)->group(group);
  };
  add("--size-ratio", o.size_ratio, "How much larger each level is, 2-64 (4; leveled: 2)");
  add("--runs-per-level", o.runs_per_level, "lazy_leveled: runs a level (size ratio - 1)");
  add("--runs-at-bottom", o.runs_at_bottom, "lazy_leveled: runs of the last level (1)");
  add("--runs-max", o.runs_max, "hanoi: never more runs at rest, 2-32 (no bound)");
  add_size(app, "--expected-size", o.expected_bytes,
           "hanoi with --runs-max: what the store will hold (unknown)")
      ->group(group);
}

/// Of a store of kind lsm; of no other, which the parser looks at (kLsmGroup).
void add_lsm(CLI::App& app, LsmOptions& o) {
  add_size(app, "--nursery", o.nursery_bytes, "lsm: memory that writes go to (64MiB)")
      ->group(kLsmGroup);
  add_choice(app, "--nursery-index", o.nursery, kNurseryKinds, "lsm: what it is made of (skiplist)")
      ->group(kLsmGroup);
  add_choice(app, "--merge-policy", o.policy, kMergePolicies,
             "lsm: which runs are merged, and when (tiered)")
      ->group(kLsmGroup);
  add_policy_numbers(app, o, kLsmGroup);
  add_choice(app, "--compression", o.compression, kCompressions, "lsm: of blocks (lz4)")
      ->group(kLsmGroup);
  app.add_option("--zstd-level", o.zstd_level, "lsm, zstd: -7 to 19 (3)")
      ->type_name("N")
      ->group(kLsmGroup);
  add_size(app, "--dictionary", o.dictionary_bytes,
           "lsm, zstd: train a dictionary for each run (none)")
      ->group(kLsmGroup);
  add_size(app, "--block", o.block_bytes, "lsm: what is compressed as one, 4KiB-64KiB (16KiB)")
      ->group(kLsmGroup);
  add_size(app, "--inline-value", o.inline_value_bytes,
           "lsm: larger values lie outside of runs, 128 bytes-32KiB (4KiB)")
      ->group(kLsmGroup);
  add_choice(app, "--filter", o.filter, kRunFilters, "lsm: what spares reads of runs (bloom)")
      ->group(kLsmGroup);
  app.add_option("--filter-bits", o.filter_bits, "lsm: bits a key of bloom and ribbon, 1-40 (10)")
      ->type_name("N")
      ->group(kLsmGroup);
}

void add_creation(CLI::App& app, StoreOptions& store, uint32_t& page_bytes) {
  add_choice(app, "--index", store.index, kIndexKinds,
             "Kind of index, where this makes the store (btree)");
  add_size(app, "--memory-max", store.memory_bytes_max,
           "Of a store in memory, skiplist or rax: it holds no more (1GiB)");
  add_lsm(app, store.lsm);
  add_page_bytes(app, page_bytes);
}

void add_store(CLI::App& app, std::string& to) {
  app.add_option("--store,-s", to, "The store (main)")->type_name("NAME");
}

void add_global(CLI::App& app, GlobalOptions& o) {
  app.add_option("--home", o.home, "The environment's directory (or AETHER_HOME)")
      ->envname("AETHER_HOME")
      ->type_name("DIR");
  CLI::Option* format = add_choice(app, "--format", o.format, kFormats,
                                   "Form of the output (plain)");
  app.add_flag_callback(
         "--json", [&o] { o.format = Format::json; }, "The same as --format json")
      ->excludes(format);
  app.add_flag("--quiet,-q", o.quiet, "No notes and no progress");
  app.add_flag("--read-only", o.read_only, "Change nothing: refuse where recovery would be needed");
  add_choice(app, "--color", o.color, kWhens, "Colours (auto: on a terminal, without NO_COLOR)");
  add_choice(app, "--progress", o.progress, kWhens,
             "Progress (auto: standard error is a terminal)");
  add_size(app, "--pool", o.pool_bytes, "Memory for pages (256MiB)");
  app.add_option("--archive", o.archive, "Where the log is archived before it is let go (nowhere)")
      ->type_name("DIR");
  add_choice(app, "--io", o.io_mode, kIoModes, "How files are read and written (automatic)");
}

void add_load(CLI::App& app, LoadOptions& o) {
  app.add_option("--store,-s", o.store, "The store (as the file names it, else main)")
      ->type_name("NAME");
  app.add_option("--input,-i,file", o.input, "The file; - is standard input (-)")
      ->type_name("FILE");
  add_choice(app, "--type", o.type, kInputTypes, "Form of the file (auto: by its beginning)");
  add_number<uint64_t>(app, "--batch", o.batch, 1, "N", "Rows a transaction (1000)");
  CLI::Option* atomic = app.add_flag("--atomic", o.atomic, "All rows in one transaction, or none");
  add_number<uint64_t>(app, "--skip", o.skip, 0, "N",
                       "Leave out the first N rows, to go on after a failure")
      ->excludes(atomic);
  CLI::Option* existing = add_choice(app, "--existing", o.existing, kExistings,
                                     "For keys that are there (overwrite)");
  app.add_flag_callback(
         "--no-overwrite", [&o] { o.existing = Existing::keep; }, "The same as --existing keep")
      ->excludes(existing);
  add_choice(app, "--durability", o.durability, kDurabilities, "What commits wait for (group)");
  app.add_option("--key-columns", o.text.key_columns, "TSV: columns of the key, from 1 (1)")
      ->delimiter(',')
      ->check(number_from<uint32_t>(1))
      ->type_name("N,...");
  app.add_option("--key-separator", o.text.key_separator, "TSV: between columns of a key (a tab)")
      ->type_name("TEXT");
  app.add_flag("--whole-line", o.text.whole_line, "TSV: the value is the line, key included");
  app.add_flag("--heading", o.text.heading, "TSV: the first line is no row");
  app.add_option("--key-field", o.text.key_field,
                 "JSON lines: this member is the key, the line the value")
      ->type_name("NAME");
  add_creation(app, o.creation, o.page_bytes);
}

void add_dump(CLI::App& app, DumpOptions& o) {
  add_store(app, o.store);
  app.add_flag("--all", o.all, "Every store, each under its name")->excludes("--store");
  app.add_option("--output,-o", o.output, "The file; - is standard output (-)")->type_name("FILE");
  add_choice(app, "--type", o.type, kOutputTypes, "Form of the file (db_dump)");
  app.add_flag("--print,-p", o.print, "db_dump: printable bytes as they are");
}

void add_key(CLI::App& app, KeyOptions& o) {
  app.add_option("key", o.key, "The key")->required()->type_name("KEY");
  app.add_flag("--hex", o.hex, "Keys and values are hexadecimal");
}

void add_range(CLI::App& app, RangeOptions& o, CLI::Option* instead) {
  CLI::Option* const options[] = {
      app.add_option("--from", o.from, "First key")->type_name("KEY"),
      app.add_option("--to", o.to, "First key that is left out")->type_name("KEY"),
      app.add_option("--prefix", o.prefix, "Only keys that begin so")->type_name("KEY")};
  if (instead == nullptr) return;
  for (CLI::Option* const option : options) option->excludes(instead);
}

void add_rows(CLI::App& get, CLI::App& put, CLI::App& del, Options& o) {
  add_store(get, o.get.store);
  add_key(get, o.get);
  get.add_flag("--raw", o.get.raw, "The bytes of the value, and nothing else")
      ->excludes(get.add_flag("--expires", o.get.expires, "When the row expires, not its value"));
  add_store(put, o.put.store);
  add_key(put, o.put);
  put.add_option("value", o.put.value, "The value; - reads standard input")->type_name("VALUE");
  put.add_option("--value-file", o.put.value_file, "The value is this file")->type_name("FILE");
  put.add_flag("--no-overwrite", o.put.no_overwrite, "Fail if the key is there");
  CLI::Option* const expires = put.add_option("--expires", o.put.expires,
                                              "The row is gone from this moment on, UTC: "
                                              "'2026-11-29 09:59:00', or @SECONDS")
                                   ->type_name("TIME");
  add_number<uint64_t>(put, "--ttl", o.put.ttl_seconds, 1, "SECONDS",
                       "The row is gone after so many seconds")
      ->excludes(expires);
  add_creation(put, o.put.creation, o.put.page_bytes);
  add_store(del, o.del.store);
  CLI::Option* key = del.add_option("key", o.del.key, "The key; or a range")->type_name("KEY");
  add_range(del, o.del, key);
  del.add_flag("--hex", o.del.hex, "Keys are hexadecimal");
}

void add_scan(CLI::App& app, ScanOptions& o) {
  add_store(app, o.store);
  add_range(app, o, nullptr);
  app.add_flag("--reverse", o.reverse, "From the greatest key down");
  add_number<uint64_t>(app, "--limit", o.limit, 0, "N", "At most N rows");
  app.add_flag("--keys-only", o.keys_only, "No values");
  app.add_flag("--count", o.count, "Only how many rows");
  app.add_flag("--hex", o.hex, "Keys and values are hexadecimal");
}

void add_backups(CLI::App& backup, CLI::App& restore, CLI::App& archive, Options& o) {
  backup.add_option("directory", o.backup.directories, "The new backup's directory; or backups")
      ->required()
      ->type_name("DIR...");
  backup.add_option("--parent", o.backup.parent, "Only what has changed since this backup")
      ->type_name("DIR");
  add_size(backup, "--rate", o.backup.rate,
           "At most so many bytes a second, read and written (any)");
  CLI::Option* verify = backup.add_flag("--verify", o.backup.verify,
                                        "Check backups that are there, every byte");
  backup.add_flag("--list", o.backup.list, "Say what backups are there")->excludes(verify);
  restore.add_option("backup", o.restore.backups, "A full backup and its incremental ones")
      ->required()
      ->type_name("DIR...");
  restore
      .add_option("--until-time", o.restore.until_time,
                  "As of this moment, UTC: '2026-11-29 09:59:00', or @SECONDS since 1970")
      ->type_name("TIME");
  add_number<uint64_t>(restore, "--until-position", o.restore.until_position, 1, "POSITION",
                       "To this position of the log");
  restore.add_option("--until-lsn", o.restore.until_lsn, "To these LSNs: STREAM:LSN,...")
      ->type_name("LSNS");
  archive.add_option("directory", o.archive.directory, "The archive")->required()->type_name("DIR");
  archive.add_flag("--verify", o.archive.verify, "Check every byte");
  archive.add_flag("--copy", o.archive.copy, "First copy what --home's log has more");
  archive
      .add_option("--prune-before", o.archive.prune_before,
                  "Remove what this backup, and later ones, do not need")
      ->type_name("BACKUP");
  add_number<uint64_t>(archive, "--prune-position", o.archive.prune_position, 1, "POSITION",
                       "Remove files that end at or below this position");
}

void add_printlog(CLI::App& app, PrintlogOptions& o) {
  add_number<uint64_t>(app, "--from", o.from, 0, "POSITION", "From this position");
  add_number<uint64_t>(app, "--to", o.to, 0, "POSITION", "To before this position");
  add_number<uint64_t>(app, "--txn", o.txn, 0, "ID", "Only of this transaction");
  add_number<uint64_t>(app, "--page", o.page, 0, "ID", "Only what changes this page");
  add_number<uint32_t>(app, "--stream", o.stream, 0, "N", "Only of this stream");
  app.add_option("--type", o.type, "Only of this type")->type_name("TYPE");
  add_number<uint64_t>(app, "--limit", o.limit, 0, "N", "At most N records");
}

void add_inspect(CLI::App& app, InspectOptions& o) {
  CLI::Option* page = add_number<uint64_t>(app, "page", o.page, 0, "PAGE",
                                           "The page's number, from 0");
  CLI::Option* store = app.add_option("--store,-s", o.store, "A store instead: its levels and runs")
                           ->type_name("NAME")
                           ->excludes(page);
  app.add_flag("--count", o.count,
               "Walk through its rows: how many, and what space each byte takes")
      ->needs(store);
}

void add_top(CLI::App& app, TopOptions& o) {
  app.add_option("--store,-s", o.store, "One store of kind lsm (all of them)")->type_name("NAME");
  add_number<uint64_t>(app, "--every-ms", o.every_ms, 20, "N", "Between two pictures (500)")
      ->check(number_from<uint64_t>(20, 3'600'000));
  add_number<uint64_t>(app, "--count", o.count, 1, "N",
                       "So many pictures (until it is closed, or Ctrl-C)")
      ->check(number_from<uint64_t>(1));
}

void add_policy(CLI::App& app, PolicyVerbOptions& o) {
  add_store(app, o.store);
  add_choice(app, "policy", o.policy.policy, kMergePolicies, "The policy from now on")->required();
  add_policy_numbers(app, o.policy, "Options");
}

void add_bench(CLI::App& app, BenchOptions& o) {
  app.add_option("--dir", o.directory, "Where its directory is made, and removed again (--home)")
      ->type_name("DIR");
  add_number<uint64_t>(app, "--records", o.records, 1, "N", "Rows (1000000)");
  add_size(app, "--value-bytes", o.value_bytes, "Bytes of a value (100)");
  add_number<uint32_t>(app, "--threads", o.threads, 1, "N", "Threads that read and write (2)")
      ->check(number_from<uint32_t>(1, 1024));
  add_number<uint32_t>(app, "--read-percent", o.read_percent, 0, "N",
                       "So many of 100 operations read, the others replace a value (50)")
      ->check(number_from<uint32_t>(0, 100));
  add_choice(app, "--distribution", o.distribution, kDistributions,
             "Which rows: all alike, or some far more often (uniform)");
  add_choice(app, "--durability", o.durability, kDurabilities, "What writes wait for (group)");
  add_number<uint64_t>(app, "--seconds", o.seconds, 1, "N", "How long (10)")
      ->check(number_from<uint64_t>(1, 86'400));
}

void add_recover(CLI::App& recover, RecoverOptions& o) {
  CLI::Option* dry_run = recover.add_flag("--dry-run", o.dry_run, "Only say whether it is needed");
  CLI::Option* until = recover
                           .add_option("--until", o.until,
                                       "Back to this moment, UTC, as restore --until-time takes it")
                           ->type_name("TIME")
                           ->excludes(dry_run);
  recover.add_option("--from", o.from, "With --until: a full backup and its incremental ones")
      ->needs(until)
      ->type_name("BACKUP...");
}

}  // namespace

void add_verb_options(CLI::App& app, const std::map<Verb, CLI::App*>& verbs, Options& o) {
  add_global(app, o.global);
  add_load(*verbs.at(Verb::load), o.load);
  add_dump(*verbs.at(Verb::dump), o.dump);
  add_rows(*verbs.at(Verb::get), *verbs.at(Verb::put), *verbs.at(Verb::del), o);
  add_scan(*verbs.at(Verb::scan), o.scan);
  CLI::App& verify = *verbs.at(Verb::verify);
  CLI::Option* repair = verify.add_flag(
      "--repair", o.verify.repair, "Make damaged pages again from backups and the archived log");
  verify
      .add_flag("--online", o.verify.online,
                "By the process that has the environment open, while it goes on")
      ->excludes(repair);
  verify.add_option("--from", o.verify.from, "A backup, or a directory of backups")
      ->needs(repair)
      ->type_name("DIR");
  add_recover(*verbs.at(Verb::recover), o.recover);
  add_backups(*verbs.at(Verb::backup), *verbs.at(Verb::restore), *verbs.at(Verb::archive), o);
  add_printlog(*verbs.at(Verb::printlog), o.printlog);
  add_inspect(*verbs.at(Verb::inspect), o.inspect);
  add_top(*verbs.at(Verb::top), o.top);
  add_policy(*verbs.at(Verb::policy), o.policy);
  add_bench(*verbs.at(Verb::bench), o.bench);
  add_number<uint64_t>(*verbs.at(Verb::tune), "--seconds", o.tune.seconds, 1, "N",
                       "How long to watch a process that has it open (5)")
      ->check(number_from<uint64_t>(1, 86'400));
}

}  // namespace aether::cli
