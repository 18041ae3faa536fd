// check.h - our own bugs stop the program: CHECK is always on, DCHECK only where checks are built in (--enable-checks,
// debug, sanitizers).
//
// Both print file, line and the condition to stderr and abort. Never use them for what a client or the world can cause.

#ifndef HOLDFAST_BASE_CHECK_H_
#define HOLDFAST_BASE_CHECK_H_

namespace holdfast::base {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace holdfast::base

#define CHECK(condition)                                                    \
  (__builtin_expect(static_cast<bool>(condition), 1) ? static_cast<void>(0) \
                                                     : ::holdfast::base::CheckFailed(__FILE__, __LINE__, #condition))

#ifndef NDEBUG
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#endif

#endif  // HOLDFAST_BASE_CHECK_H_
