/// A reference to a callable, two words wide, for callbacks that do not outlive the call.
///
/// Ownership   Borrows the callable: valid while the callable lives. Never store one.
/// Cost        One indirect call; never allocates.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace aether {

template <typename Signature>
class FunctionRef;

template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  // The constraint excludes FunctionRef itself; clang-tidy 14 does not see it.
  // NOLINTBEGIN(bugprone-forwarding-reference-overload)
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
             std::is_invocable_r_v<R, F&, Args...>)
  FunctionRef(F&& callable)
  noexcept  // NOLINT(google-explicit-constructor): stands in for the callable
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  // NOLINTEND(bugprone-forwarding-reference-overload)

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace aether
