// Verification: of the file, while nobody writes; else of pages and trees, each part under its latches
// (docs/decisions/0017-online-verify.md).
#include <algorithm>
#include <optional>
#include <utility>

#include "db/env_impl.h"
#include "db/page_look.h"
#include "db/verify.h"
#include "index/btree/cursor.h"
#include "index/btree/overflow.h"

namespace aether::db {
namespace {

constexpr size_t kProblemsMax = 1000;

/// Pages and trees of an environment that others write to.
class OnlineVerifier final : public PageLook::Visitor {
 public:
  using Step = FunctionRef<Result<void>(uint64_t done, uint64_t total)>;

  OnlineVerifier(EnvImpl& env, Step step) : env_(env), step_(step) {}

  Result<VerifyReport> run() {
    buffer::SpaceManager& space = env_.services().space;
    report_.complete = false;
    total_ = 2 *
             (space.page_count() - space.free_count());  // Once from the disk, once in its tree.
    AETHER_TRY(look_at_pages());
    AETHER_TRY(look_at_tree(env_.catalogue(), "catalogue", nullptr));
    AETHER_TRY_ASSIGN(const std::vector<std::string> names, env_.list_stores());
    for (const std::string& name : names) AETHER_TRY(look_at_store(name));
    report_.pages_free = space.free_count();
    if (more_problems_ > 0) {
      report_.problems.push_back(
          {0, "", "and " + std::to_string(more_problems_) + " more problems"});
    }
    return std::move(report_);
  }

  // Of the pages on disk.
  Result<void> passed(uint64_t pages) override {
    report_.pages_checked += pages;
    return step(pages);
  }
  void whole(PageId) override {}
  void repaired(PageId) override {}
  void damaged(PageId id, std::string why) override { problem(raw(id), std::move(why)); }

 private:
  /// A value outside its leaf, as its row said.
  struct OutsideValue {
    PageId leaf = kNoPage;
    std::string key, payload;
    page::OverflowReference reference;
  };

  Result<void> step(uint64_t pages) {
    done_ += pages;
    return step_(done_, std::max(done_, total_));
  }
  void problem(uint64_t page, std::string message) {
    if (report_.problems.size() < kProblemsMax) {
      report_.problems.push_back({page, store_, std::move(message)});
    } else {
      ++more_problems_;
    }
  }

  Result<void> look_at_pages() {
    PageLook look(env_, false);
    const uint64_t groups = env_.services().space.group_count();
    for (uint64_t group = 0; group < groups; ++group)
      AETHER_TRY(look.look_at_group(group, PageLook::kRunPagesMax, *this));
    return {};
  }

  Result<void> look_at_store(const std::string& name) {
    const Result<StoreImpl*> store = env_.open_store(name, {.create = false});
    if (store) {
      AETHER_TRY(look_at_tree((*store)->tree(), name, *store));
      return (*store)->lsm() != nullptr ? look_at_runs(name, **store) : Result<void>();
    }
    const Code code = store.error().code();
    if (code == Code::not_found) return {};  // Dropped meanwhile.
    if (code != Code::corruption && code != Code::io_error) return store.error().clone();
    store_ = name;
    problem(0, std::string(store.error().message()));
    return {};
  }

  Result<void> look_at_runs(const std::string& name, StoreImpl& store) {
    Result<void> checked;
    AETHER_TRY(env_.while_it_stays(store, [&]() -> Result<void> {
      checked = store.lsm()->upkeep().check(true);
      return {};
    }));
    if (checked) return {};
    const Code code = checked.error().code();
    if (code != Code::corruption && code != Code::io_error) return checked;
    store_ = name;
    problem(0, std::string(checked.error().message()));
    store_.clear();
    return {};
  }

  /// `store` null: the catalogue, which stays.
  Result<void> look_at_tree(index::BTree& tree, const std::string& name, StoreImpl* store) {
    store_ = name;
    buffer::ScanRing ring;
    std::optional<std::string> key = std::string();
    while (key) {
      std::string from = *std::exchange(key, std::nullopt);
      const auto look = [&]() -> Result<void> {
        AETHER_TRY_ASSIGN(key, look_at_leaf(tree, from, ring));
        return {};
      };
      if (store == nullptr) {
        AETHER_TRY(look());
      } else {
        AETHER_TRY_ASSIGN(const bool stays, env_.while_it_stays(*store, look));
        if (!stays) break;
      }
      if (key && *key <= from) {  // Fences that lead back: reported where they are.
        break;
      }
      AETHER_TRY(step(1));
    }
    store_.clear();
    return {};
  }

  /// Where the next leaf begins; nothing: there is none.
  Result<std::optional<std::string>> look_at_leaf(index::BTree& tree, const std::string& key,
                                                  buffer::ScanRing& ring) {
    std::vector<OutsideValue> values;
    const auto visit = [&](PageId id, const page::SlottedPage& leaf) {
      for (uint32_t slot = 0; slot < leaf.count(); ++slot) {
        const RowLook row = look_at_row(
            leaf, slot, [&](std::string what) { problem(raw(id), std::move(what)); });
        report_.keys += row.is_key ? 1 : 0;
        if (!row.value) continue;
        OutsideValue& value = values.emplace_back();
        value.leaf = id;
        leaf.key(slot, value.key);
        value.payload = leaf.payload(slot);
        value.reference = *row.value;
      }
    };
    AETHER_TRY_ASSIGN(index::BTree::LeafLook found, tree.look_at_leaf(key, ring, visit));
    if (found.bad_page != kNoPage) problem(raw(found.bad_page), std::move(found.problem));
    for (const OutsideValue& value : values) AETHER_TRY(look_at_value(tree, value));
    return std::move(found.next);
  }

  /// The row still leads to it afterwards: then it was there all the time, for its pages are given back only when the row has
  /// been written; and what was found is no illusion.
  Result<void> look_at_value(index::BTree& tree, const OutsideValue& value) {
    PageId free_page = kNoPage;
    const auto visit = [&](PageId id) -> Result<void> {
      if (!env_.services().space.is_allocated(id)) free_page = id;
      return {};
    };
    const Result<void> read = index::check_overflow(env_.services(), value.reference, visit);
    if (read && free_page == kNoPage) return {};
    if (!read && read.error().code() != Code::corruption && read.error().code() != Code::io_error)
      return read.error().clone();
    AETHER_TRY_ASSIGN(const std::string now, tree.newest_payload(value.key));
    if (now != value.payload) return {};
    if (!read) {
      problem(value.reference.first_page, "the value that begins here, of a row in page " +
                                              std::to_string(raw(value.leaf)) + ": " +
                                              std::string(read.error().message()));
    } else {
      problem(raw(free_page),
              "in use, but free in the space map: the next allocation would overwrite it");
    }
    return {};
  }

  EnvImpl& env_;
  Step step_;
  VerifyReport report_;
  std::string store_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  uint64_t more_problems_ = 0;
};

}  // namespace

EnvImpl::Stillness EnvImpl::stillness() const {
  uint64_t dirty = pool_->dirty_count();
  for (const buffer::PageWriter::Target& map : space_->map_pages())
    dirty += map.frame->dirty_position.load(std::memory_order_seq_cst) != 0 ? 1 : 0;
  return {.log_bytes = log_->stats().bytes_appended,
          .pages_written = writer_->pages_written(),
          .pages_dirty = dirty};
}

Result<VerifyReport> EnvImpl::verify(
    FunctionRef<Result<void>(uint64_t done, uint64_t total)> step) {
  AETHER_TRY(check_open());
  if (!options_.read_only) AETHER_TRY(checkpoint());
  const Stillness before = options_.read_only ? Stillness() : stillness();
  const auto is_still = [&] { return options_.read_only || stillness() == before; };
  if (before.pages_dirty == 0) {
    Result<void> ended;
    Result<VerifyReport> report = verify_still([&](uint64_t done, uint64_t total) {
      ended = step(done, total);
      return ended && is_still();
    });
    AETHER_TRY(std::move(ended));
    if (is_still()) return report;
  }
  return verify_online(step);
}

Result<VerifyReport> EnvImpl::verify_still(FunctionRef<bool(uint64_t, uint64_t)> progress) {
  VerifyTargets targets{.roots = {{"catalogue", kCatalogueStore, kCatalogueRoot}},
                        .values = prepared_.freed_values()};
  index::BTreeCursor cursor(*catalogue_, nullptr);
  Result<bool> more = cursor.first();
  for (; more && *more; more = cursor.next()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    CatalogueEntry entry;
    if (value.size() != sizeof entry && value.size() != sizeof(TableEntry)) continue;
    std::copy(value.begin(), value.begin() + sizeof entry, reinterpret_cast<char*>(&entry));
    targets.roots.push_back({.name = std::string(cursor.key()),
                             .store = entry.id,
                             .root = PageId{entry.root_page},
                             .is_manifest = entry.index == IndexKind::lsm});
  }
  if (!more) return std::move(more).error();
  for (TreeRoot& root : targets.roots) {
    if (!root.is_manifest) continue;
    root.values = [this, &root](TreeRoot::VisitValue visit) {
      return visit_values(root.name, root.store, root.root, visit);
    };
  }
  AETHER_TRY_ASSIGN(VerifyReport report, verify_file(*data_, targets, progress));
  for (const TreeRoot& root : targets.roots) {
    if (!root.is_manifest || root.name.starts_with('\0')) continue;
    const Result<StoreImpl*> store = open_store(root.name, {.create = false});
    Result<void> checked = store ? (*store)->lsm()->upkeep().check(false)
                                 : Result<void>(store.error().clone());
    if (!checked) report.problems.push_back({0, root.name, std::string(checked.error().message())});
  }
  return report;
}

/// Those of its runs, and of rows that are in memory only.
Result<void> EnvImpl::visit_values(
    const std::string& name, StoreId id, PageId root,
    FunctionRef<Result<void>(const page::OverflowReference& value)> visit) {
  if (name.starts_with('\0')) {  // It is being dropped.
    buffer::Frame* frame = nullptr;
    {
      os::LockGuard lock(stores_mutex_);
      for (const auto& dropped : dropped_stores_) {
        if (dropped->id() == id) frame = &dropped->tree().root();
      }
    }
    if (frame == nullptr) {
      AETHER_TRY_ASSIGN(frame, pool_->load_pinned(root));
    }
    index::BTree rows(*services_, id, *frame);
    return lsm::Upkeep::visit_values(*services_, rows, visit);
  }
  AETHER_TRY_ASSIGN(StoreImpl * store, open_store(name, {.create = false}));
  AETHER_TRY(lsm::Upkeep::visit_values(*services_, store->tree(), visit));
  return store->lsm()->tree().visit_own_values(
      [&](const page::OverflowReference& value) { static_cast<void>(visit(value).has_value()); });
}

Result<VerifyReport> EnvImpl::verify_online(
    FunctionRef<Result<void>(uint64_t done, uint64_t total)> step) {
  AETHER_TRY(check_open());
  // What cannot be redone is damage, and shows.
  Result<void> redone = drain_redo();
  if (!redone && redone.error().code() != Code::corruption) return std::move(redone).error();
  return OnlineVerifier(*this, step).run();
}

Result<bool> EnvImpl::while_it_stays(StoreImpl& store, FunctionRef<Result<void>()> visit) {
  os::LockGuard ddl(ddl_mutex_);
  if (!store.check()) return false;
  AETHER_TRY(visit());
  return true;
}

}  // namespace aether::db
