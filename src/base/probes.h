/// Probes: places where a tracer may look into a running program (USDT). docs/TRACING.md lists them.
///
///   AETHER_PROBE(page_read, raw(id));
///
/// Compiled in where <sys/sdt.h> is found (Debian package systemtap-sdt-dev), else nothing. One that nobody traces is a nop,
/// and what its arguments cost: pass what is at hand. One to six integers or pointers.
///
/// Source    The notes of SystemTap's sys/sdt.h, which perf, bpftrace and gdb read.
#pragma once

#if defined(__has_include) && !defined(AETHER_SIM)
#if __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC 1  // For STAP_PROBEV.
#include <sys/sdt.h>
#endif
#endif

#if defined(STAP_PROBEV)
#define AETHER_PROBE(name, ...) STAP_PROBEV(aether, name, __VA_ARGS__)
#else
#define AETHER_PROBE(...) static_cast<void>(0)
#endif
