#include "buffer/change.h"

#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "base/planted.h"
#include "base/trace.h"

namespace aether::buffer {

#if defined(AETHER_TRACE)
namespace {

void trace_append(const wal::RecordSpec& spec, const wal::Reservation& record,
                  const wal::LsnVector& durable) {
  std::vector<uint64_t> pages, befores, vector;
  for (const wal::PartSpec& part : spec.parts) {
    pages.push_back(part.header.page_id);
    befores.push_back(part.header.gsn_before);
  }
  for (uint32_t s = 0; s < wal::kMaxStreams; ++s) {
    const bool is_listed = s != spec.home_stream && spec.vector->at[s] > durable.at[s];
    vector.push_back(is_listed ? spec.vector->at[s] : 0);
  }
  AETHER_TRACE_EVENT("append", {{"stream", record.stream},
                                {"lsn", record.begin},
                                {"end", record.end()},
                                {"txn", spec.txn},
                                {"type", static_cast<uint64_t>(spec.type)},
                                {"commits", static_cast<uint64_t>(spec.flags & wal::kFlagCommits)},
                                {"link", spec.link},
                                {"gsn", spec.gsn},
                                {"pages", pages},
                                {"befores", befores},
                                {"vec", vector}});
}

}  // namespace
#endif

namespace {

/// Borrows all.
wal::RecordSpec record_of(const LogContext& context, const ChangeKind& kind, Gsn gsn,
                          const wal::LsnVector& durable, uint32_t streams,
                          std::span<const wal::PartSpec> parts,
                          std::span<const std::string_view> undo) noexcept {
  const bool is_clr = kind.type == wal::RecordType::clr;
  return {.type = kind.type,
          .flags = kind.flags,
          .txn = context.txn,
          .link = is_clr ? kind.link : context.last_lsn,
          .gsn = gsn,
          .vector = &context.lsn_vector,
          .durable = &durable,
          .streams = streams,
          .home_stream = context.stream,
          .parts = parts,
          .undo = undo};
}

/// The record is the context's last now.
void take_in(LogContext& context, const wal::Reservation& record, Gsn gsn) noexcept {
  context.lsn_vector.raise(context.stream, record.end());
  context.last_lsn = record.begin;
  context.gsn = gsn;
}

}  // namespace

Result<void> log_change(wal::Log& log, LogContext& context, const ChangeKind& kind,
                        std::span<const PageRef> pages, std::span<wal::PartSpec> parts,
                        std::span<const std::string_view> undo) {
  AETHER_ASSERT(pages.size() == parts.size());
  const uint32_t streams = log.stream_count();
  const LogPosition position = log.append_position();
  os::sim_window();
  Gsn gsn = std::max(context.gsn, first_gsn(log.epoch()));
  for (size_t i = 0; i < pages.size(); ++i) {
    const PageRef& page = pages[i];
    AETHER_ASSERT(page.frame->latch.is_locked());
    gsn = std::max(gsn, page.header().gsn);
    if (!AETHER_PLANTED("buffer.drop_page_vector"))
      context.lsn_vector.raise(page.frame->lsn_vector, streams);
    parts[i].header.page_id = raw(page.header().page_id);
    if (parts[i].header.gsn_before != wal::kFormatGsn)
      parts[i].header.gsn_before = page.header().gsn;
    if (!AETHER_PLANTED("buffer.dirty_too_late")) mark_dirty(*page.frame, position);
  }
  ++gsn;

  wal::LsnVector durable;
  log.read_durable(durable);
  const wal::RecordSpec spec = record_of(context, kind, gsn, durable, streams, parts, undo);
  // Used where it lies: one wide load of the fields that `append` has just stored one by one would wait until they, and all
  // stores to the log before them, are in the cache. For the same reason the page's vector is not copied as a whole below.
  Result<wal::Reservation> record = log.append(context.stream, spec);
  if (!record) return std::move(record).error();

#if defined(AETHER_TRACE)
  trace_append(spec, *record, durable);
#endif
  take_in(context, *record, gsn);
  for (const PageRef& page : pages) {
    if (AETHER_PLANTED("buffer.dirty_too_late")) {
      os::sim_window();
      mark_dirty(*page.frame, log.append_position());
    }
    page.header().gsn = gsn;
    for (uint32_t stream = 0; stream < streams; ++stream)  // Its own is in there.
      page.frame->lsn_vector.at[stream] = context.lsn_vector.at[stream];
  }
  return {};
}

Result<void> log_row_change(wal::Log& log, LogContext& context, const ChangeKind& kind, Gsn gsn,
                            const wal::PartSpec& part, std::span<const std::string_view> undo) {
  wal::LsnVector durable;
  log.read_durable(durable);
  const wal::RecordSpec spec = record_of(context, kind, gsn, durable, log.stream_count(),
                                         {&part, 1}, undo);
  AETHER_TRY_ASSIGN(const wal::Reservation record, log.append(context.stream, spec));
  take_in(context, record, gsn);
  return {};
}

}  // namespace aether::buffer
