#include "apps/aether/help.h"

#include <array>

#include "aether/version.h"

namespace aether::cli {
namespace {

constexpr std::array<VerbHelp, 20> kVerbs = {{
    {Verb::load, "load",
     "Load rows from a file: a database dump, tab-separated values, JSON lines.",
     "load --store cities --input cities.tsv\n"
     "load --store events --input events.tsv --index lsm --compression zstd --filter surf\n"
     "load --input dump.txt --type db_dump --atomic\n"
     "load --store people --key-field id < people.jsonl\n"},
    {Verb::dump, "dump", "Write rows out in a form that load and Berkeley DB's db_load read.",
     "dump --store cities > cities.dump\n"
     "dump --store cities --type jsonl --output cities.jsonl\n"},
    {Verb::get, "get", "Print the value of a key.", "get greeting\nget --hex 00ff\n"},
    {Verb::put, "put", "Store a value under a key.",
     "put greeting 'hello world'\nput photo - < photo.jpg\n"},
    {Verb::del, "del", "Remove a key, or all keys of a range.",
     "del greeting\ndel --prefix session:\ndel --from 2025 --to 2026 --store log\n"},
    {Verb::scan, "scan", "Print the rows of a range, in key order.",
     "scan --prefix DE: --limit 10\n"
     "scan --from a --to b --reverse --keys-only\n"
     "scan --count\n"},
    {Verb::stat, "stat", "Show figures of the environment and its stores.",
     "stat --format table\nstat --json\n"},
    {Verb::top, "top",
     "Draw the runs of stores as the towers of Hanoi, while another process works.",
     "top\ntop --store events --every-ms 200\ntop --count 1\n"},
    {Verb::deadlock, "deadlock",
     "Show locks, who waits for them, and the last deadlocks, while another process works.",
     "deadlock --format table\ndeadlock --json\n"},
    {Verb::verify, "verify", "Check every page: checksum, identity, order, reachability.",
     "verify\n"},
    {Verb::checkpoint, "checkpoint", "Write all changed pages, so that the log can be let go.",
     "checkpoint\n"},
    {Verb::recover, "recover",
     "Recover after a crash, or back to an earlier moment; say what was done.",
     "recover\nrecover --dry-run\n"
     "recover --until '2026-11-29 09:59:00' --from /backups/monday --archive /archive/box\n"},
    {Verb::backup, "backup", "Copy the environment, all of it or what has changed; check a copy.",
     "backup /backups/monday --archive /archive/box\n"
     "backup /backups/tuesday --parent /backups/monday --rate 50MiB\n"
     "backup --verify /backups/monday /backups/tuesday\n"},
    {Verb::restore, "restore",
     "Make a new environment of backups, as of any point that the log reaches.",
     "restore /backups/monday /backups/tuesday --archive /archive/box\n"
     "restore /backups/monday --archive /archive/box --until-time '2026-11-29 09:59:00'\n"},
    {Verb::archive, "archive", "Show, check, fill and prune an archive of the log.",
     "archive /archive/box\n"
     "archive /archive/box --verify\n"
     "archive /archive/box --copy\n"
     "archive /archive/box --prune-before /backups/monday\n"},
    {Verb::printlog, "printlog", "Print the records of the log.",
     "printlog --limit 20\nprintlog --txn 17 --format table\n"},
    {Verb::inspect, "inspect", "Print one page, decoded; or the levels and runs of a store.",
     "inspect 3\ninspect 3 --json\n"
     "inspect --store events --format table\ninspect --store events --count\n"},
    {Verb::policy, "policy", "Choose by which policy the runs of a store are merged from now on.",
     "policy leveled --store events\n"
     "policy hanoi --runs-max 6 --expected-size 20GiB --store events\n"},
    {Verb::bench, "bench",
     "Measure a mix of reads and writes on this disk, in a directory of its own.",
     "bench --records 10000000 --read-percent 95 --distribution zipf --format table\n"
     "bench --dir /mnt/fast --durability sync --threads 8 --json\n"},
    {Verb::tune, "tune", "Say what to change about an environment, and what that would gain.",
     "tune --format table\ntune --seconds 60 --json\n"},
}};

std::string indented(std::string_view lines, std::string_view before) {
  std::string text;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    text.append(before).append(lines.substr(0, end)).append("\n");
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  }
  return text;
}

std::string verb_list() {
  std::string text = "Verbs:\n";
  for (const VerbHelp& help : kVerbs) {
    std::string name = help.name;
    name.resize(12, ' ');
    text += "  " + name + help.summary + "\n";
  }
  return text;
}

constexpr const char* kUsage = "Usage: aether --home DIR VERB [--store NAME] ...\n";

}  // namespace

std::span<const VerbHelp> verb_helps() noexcept { return kVerbs; }

std::string short_help() {
  return std::string(kUsage) +
         "\n"
         "Examples:\n"
         "  aether --home /tmp/box put greeting 'hello world'\n"
         "  aether --home /tmp/box scan\n"
         "\n" +
         verb_list() + "\n`aether --help` says more, `aether VERB --help` all of one verb.\n";
}

std::string full_help_head() {
  return "aether: an embeddable ACID storage engine\n"
         "\n"
         "Examples:\n"
         "  aether --home /tmp/box put greeting 'hello world'\n"
         "  aether --home /tmp/box get greeting\n"
         "  aether --home /tmp/box load --store cities --input cities.tsv\n"
         "  aether --home /tmp/box scan --store cities --prefix IS: --limit 5 --format table\n"
         "  aether --home /tmp/box verify\n"
         "\n" +
         std::string(kUsage) + "\n" + verb_list();
}

std::string verb_help_head(const VerbHelp& help) {
  return std::string(help.summary) + "\n\nExamples:\n" +
         indented(help.examples, "  aether --home DIR ");
}

std::string version_text() {
  return std::string("aether ") + kVersion + " (environment format " +
         std::to_string(kFormatVersion) + ", dump format 3)\n";
}

}  // namespace aether::cli
