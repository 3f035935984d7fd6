#include "index/btree/services.h"

#include <utility>

#include "base/no_memory.h"

namespace aether::index {

Result<NewPage> NewPage::take(Services& services, const buffer::LogContext& context) {
  AETHER_TRY_ASSIGN(const buffer::PageRange range, services.space.reserve(1, context));
  base::Unless unreserved([&] { services.space.unreserve(range); });
  AETHER_TRY_ASSIGN(buffer::Frame* const frame, services.pool.allocate_frame());
  unreserved.dismiss();
  return NewPage(services, range, frame);
}

NewPage::NewPage(NewPage&& other) noexcept
    : services_(other.services_),
      range_(other.range_),
      frame_(std::exchange(other.frame_, nullptr)),
      latched_(other.latched_) {}

NewPage::~NewPage() {
  if (frame_ == nullptr) return;
  if (latched_) frame_->latch.unlock();
  services_->pool.cancel_frame(*frame_);
  services_->space.unreserve(range_);
}

buffer::Frame& NewPage::latch() noexcept {
  frame_->latch.lock();
  latched_ = true;
  return *frame_;
}

void NewPage::keep(buffer::Frame* parent) noexcept {
  services_->pool.adopt(*frame_, range_.first, parent);
  if (!services_->pool.node(*frame_).is_leaf()) services_->pool.adopt_children(*frame_);
  frame_->latch.unlock();
  frame_ = nullptr;
}

}  // namespace aether::index
