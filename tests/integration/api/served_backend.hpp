// The real API server in front of a fake backend, on a thread of its own. That thread alone uses Asio, which is built
// without any locking (BOOST_ASIO_DISABLE_THREADS): work comes to it through an eventfd.
#pragma once

#include <stdlib.h>
#include <sys/eventfd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "api/server.hpp"
#include "fake_backend.hpp"

namespace fleet::api {

class ServedBackend {
 public:
  explicit ServedBackend(Limits limits = {}) : server_(std::make_unique<Server>(io_, backend_, limits)) {
    std::string name = std::filesystem::temp_directory_path() / "fleet-api-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    take_work();
    thread_ = std::jthread([this] { io_.run(); });
  }
  ~ServedBackend() {
    on_its_thread([this] {
      server_.reset();
      io_.stop();
    });
    thread_.join();
    std::filesystem::remove_all(directory_);
  }

  std::string directory() const { return directory_; }
  std::string socket_path() const { return directory_ + "/fleetd.sock"; }

  // Everything that touches the backend or the server runs there.
  void on_its_thread(std::function<void()> work) {
    const auto task = std::make_shared<std::packaged_task<void()>>(std::move(work));
    {
      const std::lock_guard lock(mutex_);
      waiting_ = task;
    }
    ::eventfd_write(wake_.native_handle(), 1);
    task->get_future().wait();
  }
  void with_backend(const std::function<void(FakeBackend&)>& work) {
    on_its_thread([&] { work(backend_); });
  }
  Result<> open() {
    Result<> result;
    on_its_thread([&] { result = server_->open(socket_path()); });
    return result;
  }
  Result<> configure(const ApiConfig& config) {
    Result<> result;
    on_its_thread([&] { result = server_->configure(config); });
    return result;
  }
  std::optional<Endpoint> tcp() {
    std::optional<Endpoint> endpoint;
    on_its_thread([&] { endpoint = server_->tcp(); });
    return endpoint;
  }
  // As if fleetd ended; open() starts it again.
  void close() {
    on_its_thread([this] { server_->close(); });
  }

 private:
  void take_work() {
    wake_.async_wait(net::asio::posix::descriptor_base::wait_read, [this](boost::system::error_code) {
      eventfd_t count = 0;
      ::eventfd_read(wake_.native_handle(), &count);
      std::shared_ptr<std::packaged_task<void()>> task;
      {
        const std::lock_guard lock(mutex_);
        task = std::exchange(waiting_, nullptr);
      }
      take_work();
      if (task) (*task)();
    });
  }

  net::asio::io_context io_;
  net::asio::posix::basic_stream_descriptor<net::Executor> wake_{io_, ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex_;
  std::shared_ptr<std::packaged_task<void()>> waiting_;  // of the one thread that tests run on
  FakeBackend backend_{io_};
  std::unique_ptr<Server> server_;
  std::string directory_;
  std::jthread thread_;
};

}  // namespace fleet::api
