#include "store.h"

namespace aether::bench::tpcc {

// Defined by the adapter files; CMake sets the definition where the library is there.
#if defined(AETHER_PEERS_HAVE_AETHER)
void add_aether_kinds(std::vector<StoreKind>& kinds);
#endif
#if defined(AETHER_PEERS_HAVE_SQLITE)
void add_sqlite_kinds(std::vector<StoreKind>& kinds);
#endif
#if defined(AETHER_PEERS_HAVE_BDB)
void add_bdb_kinds(std::vector<StoreKind>& kinds);
#endif
#if defined(AETHER_PEERS_HAVE_WIREDTIGER)
void add_wiredtiger_kinds(std::vector<StoreKind>& kinds);
#endif

const char* table_name(size_t table) {
  static constexpr const char* kNames[kTables] = {
      "warehouse", "district", "customer",   "customer_name", "history",
      "new_order", "orders",   "order_line", "item",          "stock",
  };
  return kNames[table];
}

const char* to_word(Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::not_found: return "not found";
    case Status::exists: return "exists";
    case Status::conflict: return "conflict";
    case Status::deadlock: return "deadlock";
    case Status::timed_out: return "timed out";
    case Status::failed: return "failed";
  }
  return "unknown";
}

Status Connection::get_many(Table table, std::span<const Bytes> keys, bool for_update,
                            std::span<std::string> values) {
  for (size_t i = 0; i < keys.size(); ++i) {
    const Status status = for_update ? get_for_update(table, keys[i], values[i])
                                     : get(table, keys[i], values[i]);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

const std::vector<StoreKind>& store_kinds() {
  static const std::vector<StoreKind> kinds = [] {
    std::vector<StoreKind> all;
#if defined(AETHER_PEERS_HAVE_AETHER)
    add_aether_kinds(all);
#endif
#if defined(AETHER_PEERS_HAVE_SQLITE)
    add_sqlite_kinds(all);
#endif
#if defined(AETHER_PEERS_HAVE_BDB)
    add_bdb_kinds(all);
#endif
#if defined(AETHER_PEERS_HAVE_WIREDTIGER)
    add_wiredtiger_kinds(all);
#endif
    return all;
  }();
  return kinds;
}

const StoreKind* find_store(const std::string& name) {
  for (const StoreKind& kind : store_kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace aether::bench::tpcc
