# holdfast.m4 - the parts of configure.ac that need more than a line.

# HOLDFAST_NEED(NAME, MODULES, DEBIAN-PACKAGE)
# Looks for pkg-config MODULES and sets NAME_CFLAGS, NAME_LIBS and have_name. What is missing is remembered and reported by
# HOLDFAST_MISSING_STOP.
AC_DEFUN([HOLDFAST_NEED], [
  AS_VAR_PUSHDEF([have], [have_]m4_tolower([$1]))
  PKG_CHECK_MODULES([$1], [$2], [have=yes],
    [have="MISSING ($3)"
     missing_modules="$missing_modules
       m4_bpatsubst([$2], [ .*])  (Debian: $3)"
     missing_packages="$missing_packages $3"])
  AS_VAR_POPDEF([have])
])

# HOLDFAST_OPTIONAL(NAME, MODULES, DEBIAN-PACKAGE)
# The same for what we can do without; also sets the C++ macro and the automake conditional HAVE_NAME.
AC_DEFUN([HOLDFAST_OPTIONAL], [
  AS_VAR_PUSHDEF([have], [have_]m4_tolower([$1]))
  PKG_CHECK_MODULES([$1], [$2],
    [have=yes
     AC_DEFINE([HAVE_$1], [1], [Define if $2 was found.])],
    [have="no (Debian: $3)"])
  AM_CONDITIONAL([HAVE_$1], [test "$have" = yes])
  AS_VAR_POPDEF([have])
])

# HOLDFAST_MISSING_STOP
# Ends configure with all that HOLDFAST_NEED did not find.
AC_DEFUN([HOLDFAST_MISSING_STOP], [
  AS_IF([test -n "$missing_packages"],
    [AC_MSG_ERROR([these libraries are missing:
$missing_modules

  On Debian: apt-get install$missing_packages])])
])

# HOLDFAST_VARIANTS
# The --enable-* options that choose how to compile: sets VARIANT_CPPFLAGS, VARIANT_CXXFLAGS, VARIANT_LDFLAGS, variant,
# sanitized. CXXFLAGS of the user come last on the command line and so win.
AC_DEFUN([HOLDFAST_VARIANTS], [
  AC_ARG_ENABLE([debug], [AS_HELP_STRING([--enable-debug], [not optimised, with all checks])], [], [enable_debug=no])
  AC_ARG_ENABLE([checks], [AS_HELP_STRING([--enable-checks], [optimised, with the checks of a debug build])], [], [enable_checks=no])
  AC_ARG_ENABLE([asan], [AS_HELP_STRING([--enable-asan], [with AddressSanitizer and UndefinedBehaviorSanitizer])], [], [enable_asan=no])
  AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan], [with ThreadSanitizer])], [], [enable_tsan=no])
  AC_ARG_ENABLE([fuzz], [AS_HELP_STRING([--enable-fuzz], [build the fuzzers of t/fuzz (needs CXX=clang++)])], [], [enable_fuzz=no])
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--disable-werror], [let warnings pass])], [], [enable_werror=yes])

  AS_IF([test "$enable_asan$enable_tsan" = yesyes], [AC_MSG_ERROR([--enable-asan and --enable-tsan exclude each other])])
  AS_IF([test "$enable_fuzz$enable_tsan" = yesyes], [AC_MSG_ERROR([--enable-fuzz and --enable-tsan exclude each other])])

  # -g1 tells file and line of every frame; what lies in variables too (-g) would cost half as much compiling again.
  variant=optimised
  sanitized=no
  VARIANT_CXXFLAGS="-O2 -g1"
  AS_IF([test "$enable_debug" = yes], [variant=debug; enable_checks=yes; VARIANT_CXXFLAGS="-O0 -g"])
  AS_IF([test "$enable_asan" = yes || test "$enable_fuzz" = yes],
    [variant=asan; sanitized=yes; enable_checks=yes
     VARIANT_CXXFLAGS="-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
     VARIANT_LDFLAGS="-fsanitize=address,undefined"])
  AS_IF([test "$enable_tsan" = yes],
    [variant=tsan; sanitized=yes; enable_checks=yes
     VARIANT_CXXFLAGS="-O1 -g1 -fno-omit-frame-pointer -fsanitize=thread"
     VARIANT_LDFLAGS="-fsanitize=thread"])
  AS_IF([test "$enable_fuzz" = yes],
    [variant=fuzz
     VARIANT_CXXFLAGS="$VARIANT_CXXFLAGS -fsanitize=fuzzer-no-link"])

  # Checks are what NDEBUG switches off; the library's own (bounds of operator[], empty optionals) go with ours.
  AS_IF([test "$enable_checks" = yes],
    [VARIANT_CPPFLAGS="-D_GLIBCXX_ASSERTIONS"
     AS_IF([test "$variant" = optimised], [variant="optimised, with checks"])],
    [VARIANT_CPPFLAGS="-DNDEBUG"])

  # Distribution hardening: a network server is built like one even when it is built by hand.
  AS_IF([test "$sanitized$enable_debug" = nono],
    [VARIANT_CPPFLAGS="$VARIANT_CPPFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
     VARIANT_CXXFLAGS="$VARIANT_CXXFLAGS -fstack-protector-strong"
     VARIANT_LDFLAGS="$VARIANT_LDFLAGS -Wl,-z,relro -Wl,-z,now"])

  AC_SUBST([VARIANT_CPPFLAGS])
  AC_SUBST([VARIANT_CXXFLAGS])
  AC_SUBST([VARIANT_LDFLAGS])
  AM_CONDITIONAL([ENABLE_FUZZ], [test "$enable_fuzz" = yes])
  AM_CONDITIONAL([ENABLE_SANITIZER], [test "$sanitized" = yes])
])

# HOLDFAST_TRY_FLAGS(FLAGS, PROGRAM, IF-YES, IF-NO)
# Whether PROGRAM compiles with FLAGS added.
AC_DEFUN([HOLDFAST_TRY_FLAGS], [
  holdfast_saved_cxxflags="$CXXFLAGS"
  CXXFLAGS="$CXXFLAGS $1"
  AC_COMPILE_IFELSE([$2], [holdfast_try=yes], [holdfast_try=no])
  CXXFLAGS="$holdfast_saved_cxxflags"
  AS_IF([test "$holdfast_try" = yes], [$3], [$4])
])

# HOLDFAST_COMPILER
# C++20, warnings, the sanitizer runtime of the variant, and which instruction sets a file of its own can be compiled for.
AC_DEFUN([HOLDFAST_COMPILER], [
  AC_MSG_CHECKING([whether $CXX speaks C++20])
  HOLDFAST_TRY_FLAGS([-std=c++20], [AC_LANG_PROGRAM([[#include <bit>
#include <concepts>
#include <span>
#include <version>]], [[return std::popcount(0u) + static_cast<int>(std::span<int>().size());]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([a C++20 compiler is needed: g++ 12 or clang++ 14 (Debian: g++)])])

  WARNING_CXXFLAGS="-Wall -Wextra"
  AS_IF([test "$enable_werror" = yes], [WARNING_CXXFLAGS="$WARNING_CXXFLAGS -Werror"])
  AC_MSG_CHECKING([for -Wthread-safety])
  HOLDFAST_TRY_FLAGS([-Werror -Wthread-safety], [AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes]); WARNING_CXXFLAGS="$WARNING_CXXFLAGS -Wthread-safety"],
    [AC_MSG_RESULT([no])])
  AC_SUBST([WARNING_CXXFLAGS])

  # g++ clears and copies structs of 128 bytes and more by "rep stos", which takes longer to begin than they take to clear.
  AC_MSG_CHECKING([for -mmemset-strategy])
  holdfast_strategies="-mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign"
  holdfast_strategies="$holdfast_strategies -mmemcpy-strategy=vector_loop:512:noalign,libcall:-1:noalign"
  HOLDFAST_TRY_FLAGS([-Werror $holdfast_strategies], [AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes]); VARIANT_CXXFLAGS="$VARIANT_CXXFLAGS $holdfast_strategies"],
    [AC_MSG_RESULT([no])])

  AS_IF([test "$sanitized" = yes],
    [AC_MSG_CHECKING([whether $CXX can link $VARIANT_LDFLAGS])
     holdfast_saved_cxxflags="$CXXFLAGS"
     CXXFLAGS="$CXXFLAGS $VARIANT_CXXFLAGS"
     AC_LINK_IFELSE([AC_LANG_PROGRAM()],
       [AC_MSG_RESULT([yes])],
       [AC_MSG_RESULT([no])
        AC_MSG_ERROR([the sanitizers do not work with $CXX (fuzzers need CXX=clang++; Debian: clang, libclang-rt-14-dev)])])
     CXXFLAGS="$holdfast_saved_cxxflags"])

  crc_paths="slice-by-8"
  AC_MSG_CHECKING([for SSE4.2])
  HOLDFAST_TRY_FLAGS([-msse4.2], [AC_LANG_PROGRAM([[#include <nmmintrin.h>]], [[return static_cast<int>(_mm_crc32_u64(0, 1));]])],
    [have_sse42=yes; crc_paths="SSE4.2, $crc_paths"], [have_sse42=no])
  AC_MSG_RESULT([$have_sse42])
  AS_IF([test "$have_sse42" = yes], [AC_DEFINE([HAVE_SSE42_COMPILER], [1], [Define if src/base/crc32c_sse42.cc is compiled.])])
  AM_CONDITIONAL([HAVE_SSE42_COMPILER], [test "$have_sse42" = yes])

  AC_MSG_CHECKING([for the ARMv8 CRC instructions])
  HOLDFAST_TRY_FLAGS([-march=armv8-a+crc], [AC_LANG_PROGRAM([[#include <arm_acle.h>]], [[return static_cast<int>(__crc32cd(0, 1));]])],
    [have_arm_crc=yes; crc_paths="ARMv8, $crc_paths"], [have_arm_crc=no])
  AC_MSG_RESULT([$have_arm_crc])
  AS_IF([test "$have_arm_crc" = yes], [AC_DEFINE([HAVE_ARM_CRC_COMPILER], [1], [Define if src/base/crc32c_arm.cc is compiled.])])
  AM_CONDITIONAL([HAVE_ARM_CRC_COMPILER], [test "$have_arm_crc" = yes])
])
