// DPDK's AF_PACKET driver has the kernel put IPv4 fragments together before it shares frames out to
// the queues (PACKET_FANOUT_FLAG_DEFRAG), and cuts off what is then longer than its frames. No
// argument of the driver changes that, so the linker leads its call here (--wrap, see the
// Makefile): fragments come as they were on the wire, and admission puts them together, as it does
// with every other driver.
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cstring>

extern "C" {

int __real_setsockopt(int socket, int level, int name, const void* value, socklen_t size);
int __wrap_setsockopt(int socket, int level, int name, const void* value, socklen_t size);

int __wrap_setsockopt(int socket, int level, int name, const void* value, socklen_t size) {
  // The group's number, the mode and the flags: the older form of the option.
  int fanout = 0;
  if (level != SOL_PACKET || name != PACKET_FANOUT || size != sizeof fanout) {
    return __real_setsockopt(socket, level, name, value, size);
  }
  std::memcpy(&fanout, value, sizeof fanout);
  fanout &= ~(PACKET_FANOUT_FLAG_DEFRAG << 16);
  return __real_setsockopt(socket, level, name, &fanout, sizeof fanout);
}

}  // extern "C"
