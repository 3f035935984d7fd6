// A small ext4 file system of its own, from a file through a loop device: it can be full, or read-only, without harm to
// the machine. The mount lives in a mount namespace of this process and goes with it, however it ends.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace aether::testing_support {

/// Mounts that this process makes are nobody else's. Call it before the first thread is started. Empty: it is so; else
/// why it cannot be had here (it needs root).
inline std::string own_mounts() {
  if (::unshare(CLONE_NEWNS) != 0)
    return std::string("no mount namespace of one's own (root is needed): ") + std::strerror(errno);
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return std::string("mounts cannot be made private: ") + std::strerror(errno);
  return "";
}

class LoopImage {
 public:
  LoopImage() = default;
  LoopImage(const LoopImage&) = delete;
  LoopImage& operator=(const LoopImage&) = delete;
  ~LoopImage() {
    if (!mounted_.empty()) ::umount2(mounted_.c_str(), MNT_DETACH);
  }

  /// The place where it is mounted comes into `directory`; the image lies in memory where there is a file system in
  /// memory, for the speed of its syncs, else there too. Empty, or why it cannot be had.
  std::string mount(const std::string& directory, uint64_t bytes) {
    const std::string in_memory = "/dev/shm/aether_image_" + std::to_string(::getpid());
    std::string why_not = mount_image(in_memory, directory + "/disk", bytes);
    ::unlink(in_memory.c_str());  // The loop device keeps it.
    if (!why_not.empty()) why_not = mount_image(directory + "/image", directory + "/disk", bytes);
    return why_not;
  }
  const std::string& path() const noexcept { return mounted_; }

  uint64_t free_bytes() const {
    struct statvfs info {};
    return ::statvfs(mounted_.c_str(), &info) == 0 ? uint64_t{info.f_bavail} * info.f_frsize : 0;
  }
  /// Takes space with a file of that name until only about `leave` bytes are free.
  void fill(const std::string& name, uint64_t leave) const {
    const int fd = ::open((mounted_ + "/" + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    off_t end = ::lseek(fd, 0, SEEK_END);
    for (uint64_t step = 8 << 20; step >= 4096; step /= 2) {
      while (free_bytes() >= leave + step && ::fallocate(fd, 0, end, static_cast<off_t>(step)) == 0)
        end += static_cast<off_t>(step);
    }
    ::close(fd);
  }
  void release(const std::string& name) const { std::filesystem::remove(mounted_ + "/" + name); }

 private:
  std::string mount_image(const std::string& image, const std::string& place, uint64_t bytes) {
    const int fd = ::open(image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const bool made = fd >= 0 && ::fallocate(fd, 0, 0, static_cast<off_t>(bytes)) == 0;
    if (fd >= 0) ::close(fd);
    std::filesystem::create_directory(place);
    if (!made) return image + " cannot be made";
    if (run("mkfs.ext4 -q -F -m 0 " + image) != 0) return "mkfs.ext4 is missing or failed";
    if (run("mount -o loop " + image + " " + place) != 0)
      return "mount -o loop is not possible here";
    mounted_ = place;
    return "";
  }
  static int run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str());
  }
  std::string mounted_;
};

}  // namespace aether::testing_support
