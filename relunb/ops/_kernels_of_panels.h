/* Polynomials on panels, for the exact IAT-ReLU; see relunb/iat/_panels.py and _legendre.py. A panel is a row of
   Legendre coefficients. Several are worked on side by side, one a lane, so that a loop over lanes is one instruction
   or two; panels with more than one change of sign, about a tenth, are halved one by one. What has an end, or a half
   with one, that is rounding is left to torch's form. */

enum { SIDE = 16, MOST = 32, HALVINGS = 30, PANELS = 4096 }; /* lanes, coefficients, ..., panels a chunk */

EXPORT const ptrdiff_t relunb_most_coefficients = MOST;

#define LANE _Pragma("GCC unroll 1") for (int l = 0; l < SIDE; l++)
#define SIZE(x) ((x) < 0 ? -(x) : (x))

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

/* How many roots there are in [-1, 1], in order; -1 if an end of a part is rounding or they cannot be told apart. */
static int parted(const double *bernstein, const double *p, ptrdiff_t n, double noise, double *roots) {
    double parts[HALVINGS + 2][MOST], low[HALVINGS + 2], length[HALVINGS + 2];
    int found = 0, left = 1;
    for (ptrdiff_t k = 0; k < n; k++) parts[0][k] = bernstein[k];
    low[0] = -1;
    length[0] = 2;
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

static inline __attribute__((always_inline)) void roots_side_by_side(roots_job *job, const ptrdiff_t *at, int many) {
    const ptrdiff_t n = job->n;
    double c[MOST][SIDE], noise[SIDE], u[SIDE], first[SIDE], last[SIDE], changes[SIDE] = {0}, lost[SIDE];
    double bernstein[MOST][SIDE], p[MOST][SIDE];
    for (int l = 0; l < SIDE; l++) {
        const double *row = job->state + at[l] * n;
        for (ptrdiff_t k = 0; k < n; k++) c[k][l] = row[k];
        noise[l] = 8 * job->noise[at[l]];
        u[l] = 0;
    }
    for (ptrdiff_t i = 0; i < n; i++) { /* Bernstein coefficients, and where their polygon changes its sign */
        double b[SIDE] = {0};
        for (ptrdiff_t k = 0; k < n; k++) {
            const double factor = job->bernstein[i * n + k];
            LANE b[l] += factor * c[k][l];
        }
        LANE bernstein[i][l] = b[l];
        if (i == 0) LANE first[l] = b[l];
        if (i > 0) LANE {
            const int change = (b[l] > 0) != (last[l] > 0);
            changes[l] += change ? 1 : 0;
            u[l] = change ? (double)i - b[l] / (b[l] - last[l]) : u[l];
        }
        LANE last[l] = b[l];
    }
    LANE u[l] = u[l] * (2 / (double)(n - 1)) - 1;
    for (ptrdiff_t i = 0; i < n; i++) {
        LANE p[i][l] = 0;
        for (ptrdiff_t k = i; k < n; k += 2) {
            const double factor = job->powers[i * n + k];
            LANE p[i][l] += factor * c[k][l];
        }
    }
    for (int step = 0; step < job->steps; step++) { /* Halley's */
        double value[SIDE], slope[SIDE] = {0}, bend[SIDE] = {0};
        LANE value[l] = p[n - 1][l];
        for (ptrdiff_t k = n - 2; k >= 0; k--) LANE {
            bend[l] = bend[l] * u[l] + slope[l];
            slope[l] = slope[l] * u[l] + value[l];
            value[l] = value[l] * u[l] + p[k][l];
        }
        LANE {
            const double move = value[l] * slope[l] / (slope[l] * slope[l] - value[l] * bend[l]), size = SIZE(move);
            const double new = u[l] - move, kept = new < -1 ? -1 : new > 1 ? 1 : new, off = SIZE(kept - new);
            const double bent = move * bend[l], close = job->close;
            const int near = size * (bent * bent) <= close * close * close * (slope[l] * slope[l]);
            lost[l] = (size <= close) & near & (off <= 1e-9) ? 0 : 1;
            u[l] = kept;
        }
    }
    for (int l = 0; l < many; l++) {
        const int plain = SIZE(first[l]) > noise[l] && SIZE(last[l]) > noise[l];
        int found = plain ? (int)changes[l] : -1;
        double roots[MOST];
        roots[0] = u[l];
        if (found > 1 || (found == 1 && lost[l] > 0)) {
            double b[MOST], of[MOST];
            for (ptrdiff_t k = 0; k < n; k++) {
                b[k] = bernstein[k][l];
                of[k] = p[k][l];
            }
            found = parted(b, of, n, noise[l], roots);
        }
        ptrdiff_t next = atomic_load(&job->roots);
        do
            if (next + found > job->room) found = -1;
        while (found > 0 && !atomic_compare_exchange_weak(&job->roots, &next, next + found));
        for (int k = 0; k < found; k++) {
            job->panel[next + k] = at[l];
            job->place[next + k] = roots[k];
            job->falling[next + k] = (first[l] > 0) == (k % 2 == 0);
        }
        job->after[at[l]] = last[l] > 0;
        job->unclear[at[l]] = found < 0;
    }
}

ANY_PROCESSOR static void find_roots(void *given, ptrdiff_t begin, ptrdiff_t end) {
    roots_job *job = given;
    const ptrdiff_t n = job->n;
    ptrdiff_t at[SIDE];
    int many = 0;
    for (ptrdiff_t i = begin; i < end; i++) {
        const double *restrict c = job->state + i * n;
        const double noise = job->noise[i], mean = SIZE(c[0]);
        double size = mean;
        for (ptrdiff_t k = 1; k < n; k++) size += SIZE(c[k]);
        job->after[i] = c[0] > 0 && size > noise;
        job->unclear[i] = 0;
        if (size > noise && 2 * mean <= size + noise) at[many++] = i;
        if (many == SIDE || (many && i + 1 == end)) {
            for (int l = many; l < SIDE; l++) at[l] = at[0];
            roots_side_by_side(job, at, many);
            many = 0;
        }
    }
}

/* Returns how many roots it has written to panel, place and falling. What is unclear is left to the caller. */
EXPORT ptrdiff_t relunb_panel_roots(const double *state, const double *noise, const double *bernstein,
                                    const double *powers, unsigned char *after, unsigned char *unclear,
                                    ptrdiff_t *panel, double *place, unsigned char *falling, ptrdiff_t room,
                                    double close, ptrdiff_t panels, ptrdiff_t n, int steps, int threads) {
    roots_job job = {state, noise, bernstein, powers, after, unclear, close, panel, place, falling, room, n, steps, 0};
    in_chunks(find_roots, &job, panels, PANELS, threads);
    return job.roots;
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

static inline __attribute__((always_inline)) double number(const void *from, int wide, ptrdiff_t at) {
    return wide ? ((const double *)from)[at] : (double)((const float *)from)[at];
}

ANY_PROCESSOR static void keep_or_lose(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const restricted_job *job = given;
    const ptrdiff_t n = job->n, m = job->m, both = n < m ? n : m;
    for (ptrdiff_t i = begin; i < end; i++)
        for (ptrdiff_t k = 0; k < m; k++) {
            const double x = k < both && job->after[i] ? number(job->c, job->wide, i * n + k) : 0;
            if (job->kept_wide)
                ((double *)job->kept)[i * m + k] = x;
            else
                ((float *)job->kept)[i * m + k] = (float)x;
        }
}

/* Adds what lies to the left of a falling root, and takes it away at a rising one. */
ANY_PROCESSOR static void add_left(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const restricted_job *job = given;
    const ptrdiff_t n = job->n, m = job->m;
    /* A panel with several roots belongs to the chunk in which they begin. */
    while (begin && begin < end && job->panel[begin] == job->panel[begin - 1]) begin++;
    while (begin < end && end < job->roots && job->panel[end] == job->panel[end - 1]) end++;
    for (; begin < end; begin += SIDE) {
        const int many = end - begin < SIDE ? (int)(end - begin) : SIDE;
        double c[MOST][SIDE], integral[2 * MOST][SIDE], left[MOST][SIDE], u[SIDE], power[SIDE], sign[SIDE];
        ptrdiff_t at[SIDE];
        for (int l = 0; l < SIDE; l++) {
            const ptrdiff_t root = begin + (l < many ? l : 0);
            at[l] = job->panel[root];
            power[l] = u[l] = job->place[root];
            sign[l] = job->falling[root] ? 1 : -1;
            for (ptrdiff_t k = 0; k < n; k++) c[k][l] = number(job->c, job->wide, at[l] * n + k);
        }
        for (ptrdiff_t k = 0; k < n + m - 1; k++) { /* of u^k from -1 to u */
            const double reciprocal = 1 / (double)(k + 1), start = k % 2 ? -reciprocal : reciprocal;
            LANE integral[k][l] = power[l] * reciprocal + start;
            LANE power[l] *= u[l];
        }
        for (ptrdiff_t j = 0; j < m; j++) LANE left[j][l] = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            double p[SIDE] = {0};
            for (ptrdiff_t k = i; k < n; k += 2) {
                const double factor = job->inner[i * n + k];
                LANE p[l] += factor * c[k][l];
            }
            LANE p[l] *= sign[l];
            for (ptrdiff_t j = 0; j < m; j++) LANE left[j][l] += p[l] * integral[i + j][l];
        }
        for (ptrdiff_t j = 0; j < m; j++) {
            double x[SIDE] = {0};
            for (ptrdiff_t k = j % 2; k <= j; k += 2) {
                const double factor = job->outer[j * m + k];
                LANE x[l] += factor * left[k][l];
            }
            for (int l = 0; l < many; l++) {
                if (job->kept_wide)
                    ((double *)job->kept)[at[l] * m + j] += x[l];
                else
                    ((float *)job->kept)[at[l] * m + j] += (float)x[l];
            }
        }
    }
}

EXPORT void relunb_panel_restricted(const void *c, int wide, const unsigned char *after, void *kept, int kept_wide,
                                    ptrdiff_t panels, ptrdiff_t n, ptrdiff_t m, const double *inner,
                                    const double *outer, const ptrdiff_t *panel, const double *place,
                                    const unsigned char *falling, ptrdiff_t roots, int threads) {
    restricted_job job = {c, kept, wide, kept_wide, inner, outer, place, after, falling, panel, roots, n, m};
    in_chunks(keep_or_lose, &job, panels, PANELS, threads);
    in_chunks(add_left, &job, roots, PANELS / 4, threads);
}
