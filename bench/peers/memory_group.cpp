#include "memory_group.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace aether::bench {
namespace {

std::string text_of(const std::string& name) {
  std::ifstream file(name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// These files are the kernel's: they take a value by one write, and are never made.
bool write_value(const std::string& name, const std::string& value) {
  const int fd = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, value.data(), value.size()) ==
                       static_cast<ssize_t>(value.size());
  ::close(fd);
  return written;
}

}  // namespace

std::vector<std::string> memory_group_places(const std::string& mounts, const std::string& own) {
  std::string path;
  std::istringstream groups(own);
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::/", 0) == 0) path = line.substr(3);
  }
  std::vector<std::string> places;
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string device;
    std::string dir;
    std::string type;
    if (!(fields >> device >> dir >> type) || type != "cgroup2") continue;
    for (std::string below = path; below.size() > 1; below.resize(below.rfind('/'))) {
      places.push_back(dir);
      places.back() += below;
    }
    places.push_back(dir);
  }
  return places;
}

bool lends_memory(const std::string& dir) {
  std::istringstream lent(text_of(dir + "/cgroup.subtree_control"));
  for (std::string controller; lent >> controller;) {
    if (controller == "memory") return true;
  }
  return false;
}

Result<MemoryGroup> MemoryGroup::make(uint64_t bytes) {
  std::string why = "no control group (version 2) above this process lends its memory controller";
  for (const std::string& place :
       memory_group_places(text_of("/proc/self/mounts"), text_of("/proc/self/cgroup"))) {
    if (!lends_memory(place)) continue;
    std::string dir = place + "/aether-peers-" + std::to_string(::getpid());
    if (::mkdir(dir.c_str(), 0755) != 0) {
      why = "cannot make " + dir + ": " + std::strerror(errno);
      continue;
    }
    MemoryGroup group(std::move(dir));
    if (write_value(group.dir_ + "/memory.max", std::to_string(bytes))) {
      // Not there without swap.
      static_cast<void>(write_value(group.dir_ + "/memory.swap.max", "0"));
      return group;
    }
    why = "cannot set " + group.dir_ + "/memory.max: " + std::strerror(errno);
  }
  return Error(Code::unsupported, why);
}

MemoryGroup::~MemoryGroup() {
  // An empty group that stays costs nothing, and there is nobody to tell.
  if (!dir_.empty()) static_cast<void>(::rmdir(dir_.c_str()));
}

Result<void> MemoryGroup::enter() const {
  if (write_value(dir_ + "/cgroup.procs", "0")) return {};
  return Error(Code::io_error,
               "cannot enter the control group " + dir_ + ": " + std::strerror(errno), errno);
}

}  // namespace aether::bench
