#include "engine.h"

namespace aether::bench {

// Defined by the adapter files; CMake sets the definition where the library is there.
#if defined(AETHER_PEERS_HAVE_AETHER)
EngineKind aether_kind();
EngineKind aether_serializable_kind();
EngineKind aether_lsm_kind();
EngineKind aether_lsm_surf_kind();
EngineKind aether_lsm_leveled_kind();
EngineKind aether_skiplist_kind();
EngineKind aether_rax_kind();
EngineKind aether_rax_paged_kind();
#endif
#if defined(AETHER_PEERS_HAVE_LMDB)
EngineKind lmdb_kind();
#endif
#if defined(AETHER_PEERS_HAVE_ROCKSDB)
EngineKind rocksdb_kind();
EngineKind rocksdb_bufferedwal_kind();
EngineKind rocksdb_occ_kind();
EngineKind rocksdb_universal_kind();
#endif
#if defined(AETHER_PEERS_HAVE_WIREDTIGER)
EngineKind wiredtiger_kind();
#endif
#if defined(AETHER_PEERS_HAVE_LEVELDB)
EngineKind leveldb_kind();
#endif
#if defined(AETHER_PEERS_HAVE_BDB)
EngineKind bdb_kind();
#endif
#if defined(AETHER_PEERS_HAVE_SQLITE)
EngineKind sqlite_kind();
#endif

const std::vector<EngineKind>& engine_kinds() {
  static const std::vector<EngineKind> kinds = [] {
    std::vector<EngineKind> all;
#if defined(AETHER_PEERS_HAVE_AETHER)
    all.push_back(aether_kind());
    all.push_back(aether_serializable_kind());
    all.push_back(aether_lsm_kind());
    all.push_back(aether_lsm_surf_kind());
    all.push_back(aether_lsm_leveled_kind());
    all.push_back(aether_skiplist_kind());
    all.push_back(aether_rax_kind());
    all.push_back(aether_rax_paged_kind());
#endif
#if defined(AETHER_PEERS_HAVE_LMDB)
    all.push_back(lmdb_kind());
#endif
#if defined(AETHER_PEERS_HAVE_ROCKSDB)
    all.push_back(rocksdb_kind());
    all.push_back(rocksdb_bufferedwal_kind());
    all.push_back(rocksdb_occ_kind());
    all.push_back(rocksdb_universal_kind());
#endif
#if defined(AETHER_PEERS_HAVE_WIREDTIGER)
    all.push_back(wiredtiger_kind());
#endif
#if defined(AETHER_PEERS_HAVE_LEVELDB)
    all.push_back(leveldb_kind());
#endif
#if defined(AETHER_PEERS_HAVE_BDB)
    all.push_back(bdb_kind());
#endif
#if defined(AETHER_PEERS_HAVE_SQLITE)
    all.push_back(sqlite_kind());
#endif
    return all;
  }();
  return kinds;
}

const EngineKind* find_engine(const std::string& name) {
  for (const EngineKind& kind : engine_kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace aether::bench
