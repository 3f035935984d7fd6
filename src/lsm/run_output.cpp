#include "lsm/run_output.h"

#include <optional>
#include <utility>

#include "lsm/outside_values.h"
#include "lsm/policy/expired.h"
#include "lsm/tree_row.h"

namespace aether::lsm {

Result<std::unique_ptr<RunOutput>> RunOutput::create(index::Services& services, uint32_t stream,
                                                     StoreId store, uint64_t run_id,
                                                     const StoreConfiguration& configuration,
                                                     Share share) {
  std::unique_ptr<RunOutput> output(new RunOutput(services, run_id));
  RunOptions options = configuration.run;
  options.run_id = run_id;
  options.store = store;
  AETHER_TRY_ASSIGN(output->writer_, RunWriter::create(services, stream, options));
  if (configuration.has_filter) {
    FilterOptions filter = configuration.filter;
    filter.bits_per_key = bits_of_share(filter.bits_per_key, share.bytes, share.of_bytes);
    output->filter_ = FilterBuilder::create(filter);
  }
  return output;
}

Result<void> RunOutput::add(const Entry& entry) {
  AETHER_TRY(writer_->add(entry));
  if (entry.expiry_ms != 0) note_expiry(entry);
  if (filter_ != nullptr && entry.kind != EntryKind::range_tombstone)
    filter_->add(entry.key, filter_hash(entry.key));
  return {};
}

/// With what it gives back outside of the run.
void RunOutput::note_expiry(const Entry& entry) {
  const std::optional<page::OverflowReference> outside = owned_value(entry);
  expiry_.add(entry.expiry_ms,
              entry.key.size() + entry.value.size() + (outside ? outside->value_bytes : 0));
}

Result<void> RunOutput::leave_out_value_apart(const Entry& entry) {
  const std::optional<page::OverflowReference> value = owned_value(entry);
  if (!value) return {};
  left_out_.push_back(*value);
  left_out_extents_ += index::extents_of(*value);
  return {};
}

Result<void> RunOutput::free_left_out(txn::TransactionContext& txn) {
  for (const page::OverflowReference& value : left_out_)
    AETHER_TRY(free_outside(services_, txn, value));
  return {};
}

Result<RunOutput::Finished> RunOutput::finish(txn::TransactionContext& txn) {
  if (filter_ != nullptr) {
    std::string bytes = filter_->finish();
    if (!bytes.empty()) AETHER_TRY(writer_->add_section(kFilterSection, std::move(bytes)));
  }
  if (!expiry_.empty()) AETHER_TRY(writer_->add_section(kExpirySection, expiry_.encode()));
  Finished result;
  AETHER_TRY_ASSIGN(const RunReference reference, writer_->finish(txn));
  const RunSummary& summary = writer_->summary();
  result.described.run = {.id = run_id_,
                          .bytes = summary.entry_bytes,
                          .entries = summary.entries,
                          .tombstones = summary.tombstones,
                          .newest_writer = summary.newest_writer,
                          .smallest_key = summary.smallest_key,
                          .largest_key = summary.largest_key,
                          .rewrite_at_ms = rewrite_at_ms(expiry_, summary.entry_bytes)};
  result.described.reference = reference.encode();
  result.described.earliest_expiry_ms = summary.earliest_expiry_ms;
  AETHER_TRY_ASSIGN(result.part, OpenRun::open(services_, result.described));
  result.part->run().prepare_reads();
  return result;
}

}  // namespace aether::lsm
