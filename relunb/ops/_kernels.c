/* The CPU kernels of relunb: one pass over memory each. Plain C, loaded by _native.py; nothing of PyTorch's.

   A loop is cut into chunks, and the threads of PyTorch's own OpenMP take one after the other. _native.py hands us its
   entry point, so there is one pool of threads, and none of them waits for another pool.

   Comparisons are written so that NaN passes through, and a product is rounded before a number is added to it (no
   fused multiply-add across them): inputs then lie on the same knots as in the torch forms. A sum over all numbers is
   one number a chunk, for the caller to add up in their order: the same in every run. */

#include <float.h>
#include <stdatomic.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

/* One binary for every x86-64 processor: the loader picks the version. */
#ifndef ANY_PROCESSOR
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define ANY_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ANY_PROCESSOR
#endif
#endif

enum { CHUNK = 65536, LANES = 16, PART = 512, ROWS = 16 };

#define SAMPLE _Pragma("GCC unroll 1") for (int k = 0; k < ROWS; k++)

EXPORT const ptrdiff_t relunb_chunk = CHUNK;
EXPORT const char relunb_sources[] = RELUNB_SOURCES; /* the SHA-256 of what this was built from: see setup.py */

/* ---------------------------------------------------------------------------------------------------- threads */

typedef void (*task)(void *job, ptrdiff_t begin, ptrdiff_t end);
typedef struct {
    task run;
    void *job;
    ptrdiff_t total, chunk;
    atomic_ptrdiff_t next;
} loop;

static void (*parallel)(void (*)(void *), void *, unsigned, unsigned);

EXPORT void relunb_use_threads(void *entry) { parallel = (void (*)(void (*)(void *), void *, unsigned, unsigned))entry; }

static void take_chunks(void *given) {
    loop *l = given;
    for (;;) {
        ptrdiff_t begin = atomic_fetch_add(&l->next, l->chunk);
        if (begin >= l->total) return;
        l->run(l->job, begin, begin + l->chunk < l->total ? begin + l->chunk : l->total);
    }
}

static void in_chunks(task run, void *job, ptrdiff_t total, ptrdiff_t chunk, int threads) {
    loop l = {run, job, total, chunk, 0};
    if (parallel && threads > 1 && total > chunk)
        parallel(take_chunks, &l, (unsigned)threads, 0);
    else
        take_chunks(&l);
}

/* ------------------------------------------------------------------------------------------- float and double */

#define JOINED(name, type) name##_##type
#define OF_TYPE(name, type) JOINED(name, type)
#define NAMED(name) OF_TYPE(name, T)

#define T float
#define SMALLEST (FLT_MIN * FLT_EPSILON)
#include "_kernels_of_type.h"
#undef T
#undef SMALLEST

#define T double
#define SMALLEST (DBL_MIN * DBL_EPSILON)
#include "_kernels_of_type.h"
#undef T
#undef SMALLEST

#include "_kernels_of_panels.h"
