// The load of a process whose C library fails (preload_shim.c): two threads, each with rows of its own, in transactions of
// several rows over two stores; and the account that its parent keeps of what it has said on a pipe.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aether/aether.hpp"
#include "support/stamped_value.h"

namespace aether::preload {

using testing_support::scramble;
using testing_support::stamped_value;

inline constexpr uint64_t kWriters = 2;
inline constexpr uint64_t kGroups = 6;  ///< Of a writer; a transaction writes the rows of one.
inline constexpr uint64_t kRowsOfGroup = 4;
inline constexpr uint64_t kTransactions = 24;  ///< Of a writer, in one life of the process.

inline EnvOptions options() {
  EnvOptions options;
  options.pool_bytes = 512 * KiB;
  options.log_streams = 2;
  options.log_segment_bytes = 256 * KiB;
  options.log_bytes_max = 1 * MiB;
  options.io_mode = IoMode::threads;
  options.live = false;
  return options;
}

/// What a writer says of a transaction: it is about to commit it, and then how that ended.
enum class Word : char {
  tried = 't',
  acknowledged = 'a',
  refused = 'r',     ///< An error after which nothing of it may show.
  unknown = 'u',     ///< `failed`: it may be there, whole, or not.
  wrong_read = 'w',  ///< A read has shown what it should not have.
  error = 'e',       ///< The environment could not be opened, or something else went wrong.
  finished = 'f',    ///< The load came to its end, without any error.
};

struct Message {
  Word word = Word::error;
  uint8_t writer = 0;
  uint8_t group = 0;
  uint64_t stamp = 0;
};

inline void say(int pipe, const Message& message) {
  if (::write(pipe, &message, sizeof message) != sizeof message) ::_exit(9);
}

inline std::string key_of(uint64_t writer, uint64_t group, uint64_t row) {
  return std::to_string(scramble(group * 8 + row) % 100) + "/" + std::to_string(writer) + "/" +
         std::to_string(group) + "/" + std::to_string(row);
}
/// Every seventh transaction removes its rows.
inline bool is_removal(uint64_t stamp) { return stamp == 0 || scramble(stamp) % 7 == 0; }
inline size_t bytes_of(uint64_t stamp, uint64_t row) {
  return scramble(stamp) % 10 == 0 && row == 0 ? 9000 + stamp % 5000 : 200 + stamp % 900;
}

/// Rows of one group, all of one stamp. Nothing: they are not, or cannot be read.
inline std::optional<uint64_t> stamp_of_group(const std::vector<KvStore>& stores, uint64_t writer,
                                              uint64_t group, std::string& wrong) {
  std::optional<uint64_t> all;
  for (uint64_t row = 0; row < kRowsOfGroup; ++row) {
    const std::string key = key_of(writer, group, row);
    const Result<std::string> value = stores[row % stores.size()].get(key);
    uint64_t stamp = 0;
    if (value) {
      const std::optional<uint64_t> found = testing_support::stamp_of(key, *value);
      if (!found) {
        wrong = key + " is damaged";
        return std::nullopt;
      }
      stamp = *found;
    } else if (value.error().code() != Code::not_found) {
      wrong = key + ": " + std::string(value.error().message());
      return std::nullopt;
    }
    if (all && *all != stamp) {
      wrong = key + " holds " + std::to_string(stamp) + ", others of its transaction " +
              std::to_string(*all);
      return std::nullopt;
    }
    all = stamp;
  }
  return all;
}

class Writer {
 public:
  Writer(DbEnv& env, std::vector<KvStore> stores, uint64_t number, uint64_t seed, int pipe)
      : env_(env),
        stores_(std::move(stores)),
        number_(number),
        random_(scramble(seed * kWriters + number)),
        pipe_(pipe) {}

  /// False: the environment has failed, or something went wrong.
  bool run() {
    bool fine = true;
    for (uint64_t i = 0; i < kTransactions; ++i) {
      if (number_ == 0 && i % 10 == 9) fine = env_.checkpoint().has_value() && fine;
      const Word word = transaction(seed_of_stamp_ += kWriters);
      if (word == Word::unknown) return false;
      fine = fine && (word == Word::acknowledged || word == Word::tried);
    }
    return fine;
  }
  void begin_stamps(uint64_t from) { seed_of_stamp_ = from + number_; }

 private:
  Result<void> fill(Transaction& txn, uint64_t group, uint64_t stamp) {
    for (uint64_t row = 0; row < kRowsOfGroup; ++row) {
      const std::string key = key_of(number_, group, row);
      KvStore& store = stores_[row % stores_.size()];
      if (is_removal(stamp)) {
        const Result<void> gone = store.remove(txn, key);
        if (!gone && gone.error().code() != Code::not_found) return gone.error().clone();
      } else {
        AETHER_TRY(store.put(txn, key, stamped_value(key, stamp, bytes_of(stamp, row))));
      }
    }
    return {};
  }

  /// `tried`: it was aborted as planned.
  Word transaction(uint64_t stamp) {
    const auto group = static_cast<uint8_t>(random_() % kGroups);
    const auto writer = static_cast<uint8_t>(number_);
    const bool to_abort = random_() % 8 == 0;
    Result<Transaction> txn = env_.begin();
    Result<void> done = txn ? fill(*txn, group, stamp) : txn.error().clone();
    if (done && to_abort) {
      done = txn->abort();
      if (done) return Word::tried;
    } else if (done) {
      say(pipe_, {Word::tried, writer, group, stamp});
      done = txn->commit();
    }
    if (done) {
      say(pipe_, {Word::acknowledged, writer, group, stamp});
      return last_word(group, stamp);
    }
    const bool unknown = done.error().code() == Code::failed || has_failed();
    say(pipe_, {unknown ? Word::unknown : Word::refused, writer, group, stamp});
    return unknown ? Word::unknown : Word::refused;
  }

  /// What was acknowledged can be read, by whoever has it acknowledged.
  Word last_word(uint8_t group, uint64_t stamp) {
    std::string wrong;
    const std::optional<uint64_t> found = stamp_of_group(stores_, number_, group, wrong);
    const uint64_t expected = is_removal(stamp) ? 0 : stamp;
    if (found && *found != expected)
      say(pipe_, {Word::wrong_read, static_cast<uint8_t>(number_), group, *found});
    // A read that fails is an answer; a wrong one is not.
    return found || wrong.find("damaged") == std::string::npos ? Word::acknowledged : Word::error;
  }

  bool has_failed() { return env_.stats().state == "failed"; }

  DbEnv& env_;
  std::vector<KvStore> stores_;
  const uint64_t number_;
  std::mt19937_64 random_;
  const int pipe_;
  uint64_t seed_of_stamp_ = 0;
};

// --- what its parent knows -----------------------------------------------------------------------------

struct Group {
  uint64_t acknowledged = 0;
  std::vector<uint64_t> possible;  ///< Tried since, and not refused.
};

class Account {
 public:
  void hear(const Message& message) {
    switch (message.word) {
      case Word::tried: of(message).possible.push_back(message.stamp); break;
      case Word::acknowledged:
        of(message) = {message.stamp, {}};
        ++acknowledged_;
        break;
      case Word::refused: std::erase(of(message).possible, message.stamp); break;
      case Word::unknown: break;
      case Word::wrong_read:
        wrong_ += "a read has shown stamp " + std::to_string(message.stamp) + "\n";
        break;
      case Word::error: ++errors_; break;
      case Word::finished: finished_ = true; break;
    }
    if (message.word == Word::refused || message.word == Word::unknown) ++errors_;
  }
  /// Compares, and goes on from what is there. Empty: all is well.
  std::string compare(const std::vector<KvStore>& stores) {
    std::string wrong = std::move(wrong_);
    wrong_.clear();
    for (uint64_t writer = 0; writer < kWriters; ++writer) {
      for (uint64_t number = 0; number < kGroups; ++number) {
        Group& group = groups_[{writer, number}];
        std::string why;
        const std::optional<uint64_t> found = stamp_of_group(stores, writer, number, why);
        if (!found) {
          wrong += why + "\n";
          continue;
        }
        const auto shows = [&](uint64_t stamp) {
          return *found == (is_removal(stamp) ? 0 : stamp);
        };
        const bool fits = shows(group.acknowledged) ||
                          std::any_of(group.possible.begin(), group.possible.end(), shows);
        if (!fits) {
          wrong += "group " + std::to_string(number) + " of writer " + std::to_string(writer) +
                   " holds " + std::to_string(*found) + "; acknowledged was " +
                   std::to_string(group.acknowledged) + "\n";
        }
        group = {*found, {}};
      }
    }
    return wrong;
  }
  void begin_life() { finished_ = false, errors_ = 0; }
  bool finished() const { return finished_; }
  uint64_t errors() const { return errors_; }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  Group& of(const Message& message) { return groups_[{message.writer, message.group}]; }
  std::map<std::pair<uint64_t, uint64_t>, Group> groups_;
  std::string wrong_;
  uint64_t acknowledged_ = 0;
  uint64_t errors_ = 0;
  bool finished_ = false;
};

}  // namespace aether::preload
