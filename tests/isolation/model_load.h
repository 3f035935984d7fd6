/// Random transactions on a ModelStore, recorded: many sessions side by side, one step at a time in a
/// random order, so that a seed gives the same history again.
///
/// Keys come from a small window that moves on, which keeps them contended and their lists short.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "isolation/model_store.h"

namespace aether::isolation {

struct LoadOptions {
  uint64_t seed = 1;
  uint64_t transactions = 1000;  ///< That begin; some of them abort.
  uint32_t sessions = 8;
  uint32_t operations_max = 8;
  Key window = 16;            ///< Keys in use at a time.
  uint32_t moves_after = 12;  ///< Transactions until the window moves on by one key.
  uint32_t scan_percent = 10;
  uint32_t abort_percent = 5;  ///< Of the transactions that could commit.
};

class ModelLoad {
 public:
  ModelLoad(ModelStore& store, Level level, const LoadOptions& options, History& history)
      : store_(store), level_(level), options_(options), random_(options.seed) {
    for (uint32_t i = 0; i < options.sessions; ++i) clients_.emplace_back(history.session());
  }

  void run() {
    uint64_t ended = 0;
    while (ended < options_.transactions) {
      Client& client = clients_[below(options_.sessions)];
      if (client.left == 0) {
        begin(client, 1 + below(options_.operations_max));
      } else if (!step(client)) {
        store_.abort(client.txn);
        client.session.aborted();
        client.left = 0;
        ++ended;
      } else if (--client.left == 0) {
        end(client);
        ++ended;
      }
    }
    for (Client& client : clients_) {
      if (client.left > 0) end(client);
    }
    read_everything();
  }

 private:
  struct Client {
    explicit Client(Session& s) : session(s) {}
    Session& session;
    ModelStore::Txn txn;
    uint32_t left = 0;  ///< Operations until it ends; 0: no transaction is open.
  };

  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  void begin(Client& client, uint32_t operations) {
    ++begun_;
    client.session.begin(level_);
    client.txn = store_.begin(level_);
    client.session.begun();
    client.left = operations;
  }

  /// False: a conflict.
  bool step(Client& client) {
    const Key base = static_cast<Key>(begun_ / options_.moves_after);
    const Key key = base + below(options_.window);
    if (below(100) < options_.scan_percent) {
      const Key last = key + below(4);
      client.session.scan(key, last, store_.scan(client.txn, key, last));
    } else if (below(2) == 0) {
      read(client, key);
    } else {
      const Value value = ++last_value_;
      if (!store_.write(client.txn, key, value)) return false;
      is_list_key(key) ? client.session.append(key, value) : client.session.write(key, value);
    }
    return true;
  }

  void read(Client& client, Key key) {
    if (is_list_key(key)) {
      client.session.read_list(key, store_.read_list(client.txn, key));
    } else {
      client.session.read(key, store_.read(client.txn, key));
    }
  }

  void end(Client& client) {
    client.left = 0;
    if (below(100) < options_.abort_percent) {
      store_.abort(client.txn);
      return client.session.aborted();
    }
    client.session.committing();
    store_.commit(client.txn) ? client.session.committed() : client.session.aborted();
  }

  // What nobody has read, nobody can order.
  void read_everything() {
    constexpr Key kAtATime = 64;
    const Key end_key = static_cast<Key>(begun_ / options_.moves_after) + options_.window;
    for (Key first = 0; first < end_key; first += kAtATime) {
      Client& client = clients_[0];
      begin(client, 0);
      for (Key key = first; key < first + kAtATime; ++key) read(client, key);
      client.session.committing();
      store_.commit(client.txn);
      client.session.committed();
    }
  }

  ModelStore& store_;
  const Level level_;
  const LoadOptions options_;
  std::mt19937_64 random_;
  std::vector<Client> clients_;
  uint64_t begun_ = 0;
  Value last_value_ = 0;
};

}  // namespace aether::isolation
