/* Polynomials on panels, for the exact IAT-ReLU; see relunb/iat/_panels.py and _legendre.py. A panel is a row of
   Legendre coefficients. Several are worked on side by side, one a lane of a vector. Panels that may have more than one
   root, about a tenth, are gathered and halved side by side too; what a half leaves open is halved further one by one.
   What has an end, or a half with one, that is rounding is left to torch's form. */

enum { MOST = 32, HALVINGS = 30, PANELS = 4096 }; /* coefficients, ..., panels a chunk */

EXPORT const ptrdiff_t relunb_most_coefficients = MOST;

#define INLINE static inline __attribute__((always_inline))
#define SIZE(x) __builtin_fabs(x)

/* -------------------------------------------------------------------------------------------- changes of sign */

typedef struct {
    const double *state, *noise, *bernstein, *powers;
    unsigned char *after, *unclear;
    double close;
    ptrdiff_t *panel; /* of the roots: those of one panel in a row and in their order */
    double *place;
    unsigned char *falling;
    ptrdiff_t room, n;
    int steps;
    atomic_ptrdiff_t roots;
} roots_job;

/* The root between low and high, where the signs differ: Halley's steps, and halves where these do not lead there. */
static double bracketed(const double *p, ptrdiff_t n, double low, double high, double u, int falling) {
    double before = high - low;
    for (int step = 0; step < 100; step++) {
        double value = p[n - 1], slope = 0, bend = 0;
        for (ptrdiff_t k = n - 2; k >= 0; k--) {
            bend = bend * u + slope;
            slope = slope * u + value;
            value = value * u + p[k];
        }
        if ((value > 0) == falling)
            low = u;
        else
            high = u;
        const double move = value * slope / (slope * slope - value * bend), new = u - move;
        const double size = SIZE(move), bent = move * bend;
        const int inside = new >= low && new <= high && size <= before / 2;
        before = inside ? size : (high - low) / 2;
        u = inside ? new : low + before;
        if (before <= 1e-16 || (inside && size <= 1e-5 && size * (bent * bent) <= 1e-15 * (slope * slope))) break;
    }
    return u;
}

/* How many roots there are on a part, in order; -1 if an end of a part is rounding or they cannot be told apart. */
static int parted(const double *bernstein, const double *p, ptrdiff_t n, double noise, double begin, double size,
                  double *roots) {
    double parts[HALVINGS + 2][MOST], low[HALVINGS + 2], length[HALVINGS + 2];
    int found = 0, left = 1;
    for (ptrdiff_t k = 0; k < n; k++) parts[0][k] = bernstein[k];
    low[0] = begin;
    length[0] = size;
    while (left) {
        double *b = parts[left - 1], *first = parts[left]; /* the last one is the leftmost; it gets its own left half */
        const double start = low[left - 1], whole = length[left - 1];
        if (!(SIZE(b[0]) > noise && SIZE(b[n - 1]) > noise)) return -1;
        int changes = 0;
        double guess = 0;
        for (ptrdiff_t k = 1; k < n; k++)
            if ((b[k] > 0) != (b[k - 1] > 0)) {
                changes++;
                guess = ((double)k - b[k] / (b[k] - b[k - 1])) / (double)(n - 1);
            }
        if (changes > 1) {
            if (left > HALVINGS) return -1;
            for (ptrdiff_t k = 0; k < n; k++) { /* de Casteljau's means: b becomes the right half */
                first[k] = b[0];
                for (ptrdiff_t i = 0; i + 1 < n - k; i++) b[i] = (b[i] + b[i + 1]) / 2;
            }
            low[left - 1] = start + whole / 2;
            low[left] = start;
            length[left - 1] = length[left] = whole / 2;
            left++;
            continue;
        }
        if (changes == 1) roots[found++] = bracketed(p, n, start, start + whole, start + whole * guess, b[0] > 0);
        left--;
    }
    return found;
}

/* ------------------------------------------------------------------------------ restricted to a half, or to none */

typedef struct {
    const void *c; /* (panels, n) */
    void *kept;    /* (panels, m) */
    int wide, kept_wide; /* double or float */
    const double *inner, *outer, *place;
    const unsigned char *after, *falling;
    const ptrdiff_t *panel;
    ptrdiff_t roots, n, m;
} restricted_job;

INLINE double number(const void *from, int wide, ptrdiff_t at) {
    return wide ? ((const double *)from)[at] : (double)((const float *)from)[at];
}

INLINE void put(void *to, int wide, ptrdiff_t at, double x) {
    if (wide)
        ((double *)to)[at] = x;
    else
        ((float *)to)[at] = (float)x;
}

/* ------------------------------------------------------------------------------------ a version a processor */

#define JOINED_FOR(name, processor) name##_##processor
#define FOR_PROCESSOR(name, processor) JOINED_FOR(name, processor)
#define FOR(name) FOR_PROCESSOR(name, PROCESSOR)

/* Vectors are cut to a processor's before target_clones makes its copies: the file is read again for each. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq")
#define PROCESSOR avx512
#define SIDE 8
#include "_kernels_of_lanes.h"
#undef PROCESSOR
#undef SIDE
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2")
#define PROCESSOR avx2
#define SIDE 4
#include "_kernels_of_lanes.h"
#undef PROCESSOR
#undef SIDE
#pragma GCC pop_options
#define BEST(name)                                                                                                     \
    (__builtin_cpu_supports("avx512dq") ? name##_avx512 : __builtin_cpu_supports("avx2") ? name##_avx2 : name##_any)
#else
#define BEST(name) name##_any
#endif
#define PROCESSOR any
#define SIDE 2
#include "_kernels_of_lanes.h"

/* Returns how many roots it has written to panel, place and falling. What is unclear is left to the caller. */
EXPORT ptrdiff_t relunb_panel_roots(const double *state, const double *noise, const double *bernstein,
                                    const double *powers, unsigned char *after, unsigned char *unclear,
                                    ptrdiff_t *panel, double *place, unsigned char *falling, ptrdiff_t room,
                                    double close, ptrdiff_t panels, ptrdiff_t n, int steps, int threads) {
    roots_job job = {state, noise, bernstein, powers, after, unclear, close, panel, place, falling, room, n, steps, 0};
    in_chunks(BEST(find_roots), &job, panels, PANELS, threads);
    return job.roots;
}

EXPORT void relunb_panel_restricted(const void *c, int wide, const unsigned char *after, void *kept, int kept_wide,
                                    ptrdiff_t panels, ptrdiff_t n, ptrdiff_t m, const double *inner,
                                    const double *outer, const ptrdiff_t *panel, const double *place,
                                    const unsigned char *falling, ptrdiff_t roots, int threads) {
    restricted_job job = {c, kept, wide, kept_wide, inner, outer, place, after, falling, panel, roots, n, m};
    in_chunks(BEST(keep_or_lose), &job, panels, PANELS, threads);
    in_chunks(BEST(add_left), &job, roots, PANELS / 4, threads);
}
