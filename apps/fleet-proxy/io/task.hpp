// Coroutines of the data plane: Task<T> runs when it is awaited, and goes on in whatever wakes it. One thread.
//
// g++ 12 destroys a braced aggregate or a capturing lambda twice when it is written inside a co_await expression: name
// the value first. Coroutines that outlive their caller's frame take their parameters by value.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace fleet::proxy {

// Coroutine frames come and go with every request; those freed are kept for the next.
void* take_frame(std::size_t size);
void give_frame(void* frame, std::size_t size) noexcept;

namespace task_detail {

struct PromiseBase {
  std::coroutine_handle<> awaiting = nullptr;
  std::exception_ptr thrown;

  static void* operator new(std::size_t size) { return take_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { give_frame(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept {
    struct Final {
      bool await_ready() noexcept { return false; }
      // Null while whoever awaits is still inside its await_suspend, and will see for itself.
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) noexcept {
        return awaiting ? awaiting : std::noop_coroutine();
      }
      void await_resume() noexcept {}
      std::coroutine_handle<> awaiting;
    };
    return Final{awaiting};
  }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};
template <>
struct Promise<void> : PromiseBase {
  void return_void() noexcept {}
};

}  // namespace task_detail

// Awaited at most once. Destroying one that is suspended destroys what it awaits with it.
template <class T = void>
class [[nodiscard]] Task {
 public:
  struct promise_type : task_detail::Promise<T> {
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
  };

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  // Runs it at once; most tasks end without having waited, and then whoever awaits is not suspended at all.
  bool await_suspend(std::coroutine_handle<> awaiting) {
    frame_.resume();
    if (frame_.done()) return false;
    frame_.promise().awaiting = awaiting;
    return true;
  }
  T await_resume() {
    auto& promise = frame_.promise();
    if (promise.thrown) std::rethrow_exception(promise.thrown);
    if constexpr (!std::is_void_v<T>) return std::move(*promise.value);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

namespace task_detail {
struct Detached {
  struct promise_type {
    static void* operator new(std::size_t size) { return take_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { give_frame(frame, size); }
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};
}  // namespace task_detail

// Runs `task` now, until it first waits, and to its end by itself; then done(what it threw, or null).
template <class Done>
task_detail::Detached spawn(Task<> task, Done done) {
  std::exception_ptr thrown;
  try {
    co_await task;
  } catch (...) {
    thrown = std::current_exception();
  }
  done(thrown);
}

}  // namespace fleet::proxy
