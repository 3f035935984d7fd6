// A small environment on the simulated disk that holds every kind of page and of file, in several states; and what its
// rows are, for whoever damages it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "aether/batch.h"
#include "aether/env.h"
#include "base/assert.h"
#include "sim/sim_os.h"

namespace aether::small {

inline constexpr const char* kHome = "/env";

enum class State : uint8_t {
  closed,  ///< In order: nothing to recover.
  crashed,  ///< After a checkpoint; the log holds committed rows, and an open transaction to be undone.
  in_doubt,  ///< And a prepared one.
  reopened,  ///< Closed in order, opened again, written to; then the crash: no checkpoint in this life.
};
inline constexpr uint32_t kStates = 4;

using Rows = std::map<std::string, std::string>;

struct SmallEnv {
  std::unique_ptr<sim::SimOs> os;    ///< Nothing is open; take a `copy` to damage.
  std::map<std::string, Rows> rows;  ///< By store: what every sound opening answers.
  std::map<std::string, Rows>
      rows_before_last;  ///< Before the last commit, alone in the last block of the log.
};

/// The options it was made with, and is to be opened with.
inline EnvOptions options() {
  return {.pool_bytes = 512 * KiB,
          .page_bytes = 4 * KiB,
          .log_streams = 2,
          .log_segment_bytes = 256 * KiB,
          .log_bytes_max = 1 * MiB,
          .io_mode = IoMode::threads,
          .background_threads = false};
}

inline std::string key_of(int i) { return "key" + std::to_string(1000 + i); }

class Maker {
 public:
  explicit Maker(SmallEnv& to) : made_(to) { open(); }

  void open() { env_ = std::move(DbEnv::open(kHome, options(), *made_.os)).value(); }
  void close() {
    AETHER_ASSERT(env_->close());
    env_.reset();
  }
  void put(const std::string& store, const std::string& key, const std::string& value) {
    AETHER_ASSERT(env_->open_store(store).value().put(key, value));
    made_.rows[store][key] = value;
  }
  void remove(const std::string& store, const std::string& key) {
    AETHER_ASSERT(env_->open_store(store).value().remove(key));
    made_.rows[store].erase(key);
  }

  /// Leaves, an inner root, long keys, values over several pages, ghosts, a dropped store; a checkpoint.
  void fill() {
    WriteBatch
        batch;  // One block of the log, not a hundred: each byte of it has its turn in tests.
    const auto add = [&](const std::string& key, const std::string& value) {
      batch.put(env_->open_store("rows").value(), key, value);
      made_.rows["rows"][key] = value;
    };
    for (int i = 0; i < 60; ++i) add(key_of(i), std::string(100 + static_cast<size_t>(i), 'v'));
    add(std::string(900, 'k'), "of a long key");
    add("", "of the empty key");
    AETHER_ASSERT(env_->write(batch));
    put("large", "value", std::string(13000, 'L'));
    put("large", "other", std::string(6000, 'O'));
    put("dropped", "a", "b");
    AETHER_ASSERT(env_->drop_store("dropped"));
    made_.rows.erase("dropped");
    for (int i = 0; i < 60; i += 17) remove("rows", key_of(i));
    AETHER_ASSERT(env_->checkpoint());
  }
  /// Changes of each kind, a split, and a store made.
  void change() {
    const KvStore rows = env_->open_store("rows").value();
    WriteBatch batch;
    for (int i = 0; i < 30; ++i) {
      const std::string key = key_of(i) + "b";
      batch.put(rows, key, std::string(90, 'w'));
      made_.rows["rows"][key] = std::string(90, 'w');
    }
    AETHER_ASSERT(env_->write(batch));
    for (int i = 1; i < 12; i += 5) put("rows", key_of(i), "changed");
    remove("rows", key_of(3));
    put("large", "other", std::string(5000, 'P'));
    put("late", "a", "made after the checkpoint");
  }
  /// The power goes, with a transaction open whose records are on disk, and in doubt another one.
  void lose_power(bool in_doubt) {
    std::unique_ptr<sim::SimOs> after;
    {
      KvStore rows = env_->open_store("rows").value();
      Transaction open = env_->begin().value();
      AETHER_ASSERT(rows.put(open, "loser", "not committed"));
      AETHER_ASSERT(rows.put(open, "loser2", std::string(300, 'n')));
      AETHER_ASSERT(rows.remove(open, key_of(10)));
      if (in_doubt) {
        Transaction prepared = env_->begin().value();
        AETHER_ASSERT(rows.put(prepared, "doubt", "prepared"));
        AETHER_ASSERT(rows.lock(prepared, "locked", LockMode::exclusive));
        AETHER_ASSERT(prepared.prepare("gid"));
      }
      put("rows", "next to last", "acknowledged");
      made_.rows_before_last = made_.rows;
      put("rows", "last", "acknowledged");
      after = made_.os->crash({.policy = sim::CrashPolicy::lost});
    }
    env_.reset();
    made_.os = std::move(after);
  }

 private:
  SmallEnv& made_;
  std::unique_ptr<DbEnv> env_;
};

/// The same one every time; another environment for another seed.
inline SmallEnv make(State state, uint64_t seed = 7) {
  SmallEnv made;
  made.os = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = seed});
  Maker maker(made);
  maker.fill();
  if (state == State::closed || state == State::reopened) {
    maker.change();
    maker.close();
    if (state == State::closed) {
      made.os = made.os->copy();
      made.rows_before_last = made.rows;
      return made;
    }
    maker.open();
    maker.put("rows", "second life", "acknowledged");
  } else {
    maker.change();
  }
  maker.lose_power(state == State::in_doubt);
  return made;
}

}  // namespace aether::small
