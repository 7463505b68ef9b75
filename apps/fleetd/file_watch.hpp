// Says when files may have become others: written, replaced, or reached through another symlink, as certbot and Kubernetes
// swap them. Not every change is seen (of a mounted file, say), so look once in a while too.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/task.hpp"

namespace fleet {

// The folders in which a change of the entry of that name changes what an absolute path leads to: of the file itself and
// of each symlink on the way.
std::vector<std::pair<std::string, std::string>> places_of(const std::string& file);

class FileWatch {
 public:
  FileWatch(net::asio::io_context& io, std::function<void()> changed);

  // These from now on. Call it again after a change: a symlink may lead elsewhere since. False: not all can be watched.
  bool watch(const std::vector<std::string>& files);

 private:
  void wait();
  void take_events();

  net::asio::posix::basic_stream_descriptor<net::Executor> inotify_;
  std::function<void()> changed_;
  std::map<int, std::set<std::string>> watched_;  // by inotify's number of a folder: the names that matter in it
};

}  // namespace fleet
