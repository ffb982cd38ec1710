/* The CPU kernels of relunb: one pass over memory each. Plain C, loaded by _native.py; nothing of PyTorch's.

   A loop is cut into chunks, and the threads of PyTorch's own OpenMP take one after the other. _native.py hands us its
   entry point, so there is one pool of threads, and none of them waits for another pool.

   Comparisons are written so that NaN passes through, and a product is rounded before a number is added to it (no
   fused multiply-add across them): inputs then lie on the same knots as in the torch forms. A sum over all numbers is
   one number a chunk, for the caller to add up in their order: the same in every run. */

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* One binary for every x86-64 processor: the loader picks the version. */
#ifndef ANY_PROCESSOR
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define ANY_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ANY_PROCESSOR
#endif
#endif

enum { CHUNK = 65536, LANES = 16, PART = 512, ROWS = 16, STEP = 8192, SUMMED = 64 };

#define SAMPLE _Pragma("GCC unroll 1") for (int k = 0; k < ROWS; k++)

EXPORT const ptrdiff_t relunb_chunk = CHUNK;
EXPORT const ptrdiff_t relunb_summed = SUMMED;
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

/* sin r = r + r^3 p(r^2), cos r = 1 - r^2 / 2 + r^4 p(r^2) for |r| <= pi / 4, and e^r = 1 + r + r^2 p(r) for
   |r| <= log(2) / 2, p through the Chebyshev points: within 1.2e-8 and 2e-17. Then pi / 2 and log 2 in parts, whose
   first ones have few digits. */
static const float sine_float[] = {-0.16666664F, 0.008332748F, -0.00019587866F};
static const float cosine_float[] = {0.041666664F, -0.0013888302F, 2.4547917e-05F};
static const float exponential_float[] = {0.5F, 0.16666576F, 0.041666556F, 0.008363179F, 0.0013926184F};
static const float quarter_float[] = {0x1.92p+0F, 0x1.fb4p-12F, 0x1.4442d2p-24F};
static const float log2_float[] = {0x1.62e4p-1F, 0x1.7f7d1cp-20F};
static const double sine_double[] = {-0.16666666666666666,  0.008333333333330948,    -0.00019841269836756774,
                                     2.7557316101617874e-06, -2.505113165023518e-08, 1.5918115263265974e-10};
static const double cosine_double[] = {0.041666666666666664,    -0.0013888888888887398, 2.480158729876456e-05,
                                       -2.7557317271145144e-07, 2.087614614655861e-09,  -1.1382623647474604e-11};
static const double exponential_double[] = {0.5,
                                            0.16666666666666669,
                                            0.04166666666662413,
                                            0.008333333333330062,
                                            0.0013888888917213717,
                                            0.00019841269863053618,
                                            2.4801521295954376e-05,
                                            2.7557268459997064e-06,
                                            2.7620088445409746e-07,
                                            2.510038549551032e-08};
static const double quarter_double[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};
static const double log2_double[] = {0x1.62e42fefa3p-1, 0x1.3de6af278ecep-42};

#define T float
#define BITS uint32_t
#define SMALLEST (FLT_MIN * FLT_EPSILON)
#define MAGIC (1.5F / FLT_EPSILON)
#define EXPONENT 127
#define DIGITS 23
#define LEAST (-87.33654F)
#define FURTHEST 8192
#include "_kernels_of_type.h"
#include "_kernels_of_activations.h"
#undef T
#undef BITS
#undef SMALLEST
#undef MAGIC
#undef EXPONENT
#undef DIGITS
#undef LEAST
#undef FURTHEST

#define T double
#define BITS uint64_t
#define SMALLEST (DBL_MIN * DBL_EPSILON)
#define MAGIC (1.5 / DBL_EPSILON)
#define EXPONENT 1023
#define DIGITS 52
#define LEAST (-708.3964185322641)
#define FURTHEST 1000000
#include "_kernels_of_type.h"
#include "_kernels_of_activations.h"
#undef T
#undef BITS
#undef SMALLEST
#undef MAGIC
#undef EXPONENT
#undef DIGITS
#undef LEAST
#undef FURTHEST

#include "_kernels_of_panels.h"
