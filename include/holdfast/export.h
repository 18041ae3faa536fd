// export.h - marks what the shared library shows; everything else in it is hidden.

#ifndef HOLDFAST_EXPORT_H_
#define HOLDFAST_EXPORT_H_

#if defined(__GNUC__)
#define HOLDFAST_API __attribute__((visibility("default")))
#define HOLDFAST_HIDDEN __attribute__((visibility("hidden")))
#else
#define HOLDFAST_API
#define HOLDFAST_HIDDEN
#endif

#endif  // HOLDFAST_EXPORT_H_
