#include "buffer/change.h"

#include <algorithm>

#include "base/assert.h"

namespace aether::buffer {

Result<void> log_change(wal::Log& log, LogContext& context, const ChangeKind& kind,
                        std::span<const PageRef> pages, std::span<wal::PartSpec> parts,
                        std::span<const std::string_view> undo) {
  AETHER_ASSERT(pages.size() == parts.size());
  const LogPosition position = log.append_position();
  Gsn gsn = std::max(context.gsn, first_gsn(log.epoch()));
  for (size_t i = 0; i < pages.size(); ++i) {
    const PageRef& page = pages[i];
    AETHER_ASSERT(page.frame->latch.is_locked());
    gsn = std::max(gsn, page.header().gsn);
    context.lsn_vector.raise(page.frame->lsn_vector);
    parts[i].header.page_id = raw(page.header().page_id);
    if (parts[i].header.gsn_before != wal::kFormatGsn)
      parts[i].header.gsn_before = page.header().gsn;
    mark_dirty(*page.frame, position);
  }
  ++gsn;

  const wal::LsnVector durable = log.durable();
  const bool is_clr = kind.type == wal::RecordType::clr;
  const wal::RecordSpec spec{.type = kind.type,
                             .flags = kind.flags,
                             .txn = context.txn,
                             .link = is_clr ? kind.link : context.last_lsn,
                             .gsn = gsn,
                             .vector = &context.lsn_vector,
                             .durable = &durable,
                             .home_stream = context.stream,
                             .parts = parts,
                             .undo = undo};
  AETHER_TRY_ASSIGN(const wal::Reservation record, log.append(context.stream, spec));

  context.lsn_vector.raise(context.stream, record.end());
  context.last_lsn = record.begin;
  context.gsn = gsn;
  for (const PageRef& page : pages) {
    page.header().gsn = gsn;
    page.frame->lsn_vector.raise(context.lsn_vector);
  }
  return {};
}

}  // namespace aether::buffer
