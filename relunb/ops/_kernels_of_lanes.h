/* What is done on panels side by side. _kernels_of_panels.h includes this once for each kind of processor, SIDE numbers
   a vector. These are GNU's: the compiler keeps one in a register, which it does not with arrays of as many. */

#define lanes FOR(lanes)
#define mask FOR(mask)
typedef double lanes __attribute__((vector_size(SIDE * sizeof(double))));
typedef long long mask __attribute__((vector_size(SIDE * sizeof(double)))); /* -1 where true */

INLINE lanes FOR(chosen)(mask where, lanes yes, lanes no) { return (lanes)((where & (mask)yes) | (~where & (mask)no)); }
INLINE lanes FOR(all)(double x) { return x + (lanes){0}; }
INLINE lanes FOR(sizes)(lanes x) { return FOR(chosen)(x < 0, -x, x); }

/* Of a part in Bernstein coefficients: how often their signs change, and where their polygon, and then its polynomial
   p on [-1, 1], has its last change; lost where Halley's steps do not come to a stop on the part. */
INLINE mask FOR(changes_of)(const roots_job *job, const lanes *b, const lanes *p, double low, double length,
                            lanes *root, mask *lost) {
    const ptrdiff_t n = job->n;
    const double high = low + length, close = job->close;
    mask changes = {0}, above = b[0] > 0;
    lanes u = {0}, before = FOR(all)(1), after = {0};
    for (ptrdiff_t k = 1; k < n; k++) {
        const mask now = b[k] > 0, change = now ^ above;
        changes -= change;
        u = FOR(chosen)(change, FOR(all)((double)k), u);
        before = FOR(chosen)(change, b[k - 1], before);
        after = FOR(chosen)(change, b[k], after);
        above = now;
    }
    u = (u - after / (after - before)) * (length / (double)(n - 1)) + low;
    for (int step = 0; step < job->steps; step++) {
        lanes value = p[n - 1], slope = {0}, bend = {0};
        for (ptrdiff_t k = n - 2; k >= 0; k--) {
            bend = bend * u + slope;
            slope = slope * u + value;
            value = value * u + p[k];
        }
        const lanes move = value * slope / (slope * slope - value * bend), size = FOR(sizes)(move), bent = move * bend;
        const lanes new = u - move;
        u = FOR(chosen)(new < low, FOR(all)(low), FOR(chosen)(new > high, FOR(all)(high), new));
        const mask near = size * (bent * bent) <= close * close * close * (slope * slope);
        *lost = ~((size <= close) & near & (FOR(sizes)(u - new) <= 1e-9));
    }
    *root = u;
    return changes;
}

/* How many roots a lane has on a part; as parted. */
INLINE int FOR(of_lane)(const roots_job *job, int l, mask changes, mask lost, const lanes *b, const lanes *p,
                        double noise, double low, double length, lanes place, double *roots) {
    if (!changes[l]) return 0;
    roots[0] = place[l];
    if (changes[l] == 1 && !lost[l]) return 1;
    double own[MOST], of[MOST];
    for (ptrdiff_t k = 0; k < job->n; k++) {
        own[k] = b[k][l];
        of[k] = p[k][l];
    }
    return parted(own, of, job->n, noise, low, length, roots);
}

/* The roots of some panels. Without halves those with more than one change of sign are added to several. */
INLINE void FOR(roots_side_by_side)(roots_job *job, const ptrdiff_t *at, int many, int halves, ptrdiff_t *several,
                                    int *left) {
    const ptrdiff_t n = job->n;
    lanes c[MOST], b[MOST], first[MOST], p[MOST], noise, place, second;
    for (int l = 0; l < SIDE; l++) {
        const double *row = job->state + at[l < many ? l : 0] * n;
        for (ptrdiff_t k = 0; k < n; k++) c[k][l] = row[k];
        noise[l] = 8 * job->noise[at[l < many ? l : 0]];
    }
    for (ptrdiff_t i = 0; i < (n + 1) / 2; i++) { /* an even function's coefficients are the same from both ends */
        lanes even = {0}, odd = {0};
        for (ptrdiff_t k = 0; k < n; k += 2) even += job->bernstein[i * n + k] * c[k];
        for (ptrdiff_t k = 1; k < n; k += 2) odd += job->bernstein[i * n + k] * c[k];
        b[n - 1 - i] = even - odd;
        b[i] = i == n - 1 - i ? even : even + odd;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        lanes power = {0};
        for (ptrdiff_t k = i; k < n; k += 2) power += job->powers[i * n + k] * c[k];
        p[i] = power;
    }
    const lanes start = b[0], stop = b[n - 1];
    const mask clear = (FOR(sizes)(start) > noise) & (FOR(sizes)(stop) > noise);
    mask lost = {0}, changes, more = {0}, lost_too = {0};
    if (halves) { /* de Casteljau's means: b becomes the right half */
        for (ptrdiff_t k = 0; k < n; k++) {
            first[k] = b[0];
            for (ptrdiff_t i = 0; i + 1 < n - k; i++) b[i] = (b[i] + b[i + 1]) * 0.5;
        }
        changes = FOR(changes_of)(job, first, p, -1, 1, &place, &lost);
        more = FOR(changes_of)(job, b, p, 0, 1, &second, &lost_too);
    } else
        changes = FOR(changes_of)(job, b, p, -1, 2, &place, &lost);
    double roots[SIDE][MOST];
    int found[SIDE], total = 0;
    for (int l = 0; l < many; l++) {
        job->after[at[l]] = stop[l] > 0;
        if (!clear[l])
            found[l] = -1;
        else if (halves) {
            const int these = FOR(of_lane)(job, l, changes, lost, first, p, noise[l], -1, 1, place, roots[l]);
            const int others =
                these < 0 || SIZE(b[0][l]) <= noise[l]
                    ? -1
                    : FOR(of_lane)(job, l, more, lost_too, b, p, noise[l], 0, 1, second, roots[l] + these);
            found[l] = others < 0 ? -1 : these + others;
        } else if (changes[l] > 1) {
            several[(*left)++] = at[l];
            found[l] = 0;
        } else
            found[l] = FOR(of_lane)(job, l, changes, lost, b, p, noise[l], -1, 2, place, roots[l]);
        total += found[l] > 0 ? found[l] : 0;
    }
    ptrdiff_t next = atomic_load(&job->roots);
    while (next + total <= job->room && !atomic_compare_exchange_weak(&job->roots, &next, next + total)) {}
    const int full = next + total > job->room;
    for (int l = 0; l < many; l++) {
        if (full && found[l] > 0) found[l] = -1;
        for (int k = 0; k < found[l]; k++) {
            job->panel[next] = at[l];
            job->place[next] = roots[l][k];
            job->falling[next++] = (start[l] > 0) == (k % 2 == 0);
        }
        job->unclear[at[l]] = found[l] < 0;
    }
}

static void FOR(find_roots)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    roots_job *job = given;
    const ptrdiff_t n = job->n;
    ptrdiff_t at[SIDE], several[2 * SIDE];
    int many = 0, left = 0;
    for (ptrdiff_t i = begin; i < end; i++) {
        const double *restrict c = job->state + i * n;
        const double noise = job->noise[i];
        double sums[4] = {0};
        ptrdiff_t k = 0;
        for (; k + 4 <= n; k += 4)
            for (int j = 0; j < 4; j++) sums[j] += SIZE(c[k + j]);
        for (; k < n; k++) sums[0] += SIZE(c[k]);
        const double size = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        job->after[i] = (c[0] > 0) & (size > noise);
        job->unclear[i] = 0;
        at[many] = i;
        many += (size > noise) & (2 * SIZE(c[0]) <= size + noise);
        if (many == SIDE) {
            FOR(roots_side_by_side)(job, at, many, 0, several, &left);
            many = 0;
        }
        if (left >= SIDE) {
            left -= SIDE;
            FOR(roots_side_by_side)(job, several + left, SIDE, 1, NULL, NULL);
        }
    }
    if (many) FOR(roots_side_by_side)(job, at, many, 0, several, &left);
    for (; left > 0; left -= SIDE) {
        const int first = left > SIDE ? left - SIDE : 0;
        FOR(roots_side_by_side)(job, several + first, left - first, 1, NULL, NULL);
    }
}

/* Both with constants for the two precisions, so that each pair gets loops of its own. */
INLINE void FOR(keep_some)(const restricted_job *job, ptrdiff_t begin, ptrdiff_t end, int wide, int kept_wide) {
    const ptrdiff_t n = job->n, m = job->m, both = n < m ? n : m;
    for (ptrdiff_t i = begin; i < end; i++) {
        const mask after = {-(long long)job->after[i]};
        for (ptrdiff_t k = 0; k < both; k++) {
            const lanes x = {number(job->c, wide, i * n + k)};
            put(job->kept, kept_wide, i * m + k, ((lanes)((mask)x & after))[0]);
        }
        for (ptrdiff_t k = both; k < m; k++) put(job->kept, kept_wide, i * m + k, 0);
    }
}

INLINE void FOR(add_some)(const restricted_job *job, ptrdiff_t begin, ptrdiff_t end, int wide, int kept_wide) {
    const ptrdiff_t n = job->n, m = job->m;
    double reciprocal[2 * MOST];
    for (ptrdiff_t k = 0; k < n + m - 1; k++) reciprocal[k] = 1 / (double)(k + 1);
    for (; begin < end; begin += SIDE) {
        const int many = end - begin < SIDE ? (int)(end - begin) : SIDE;
        lanes c[MOST], integral[2 * MOST], left[MOST], u, power, sign;
        ptrdiff_t at[SIDE];
        for (int l = 0; l < SIDE; l++) {
            const ptrdiff_t root = begin + (l < many ? l : 0);
            at[l] = job->panel[root];
            u[l] = job->place[root];
            sign[l] = 2 * job->falling[root] - 1;
            for (ptrdiff_t k = 0; k < n; k++) c[k][l] = number(job->c, wide, at[l] * n + k);
        }
        power = u;
        for (ptrdiff_t k = 0; k < n + m - 1; k++) { /* of u^k from -1 to u */
            integral[k] = power * reciprocal[k] + (k % 2 ? -reciprocal[k] : reciprocal[k]);
            power *= u;
        }
        for (ptrdiff_t j = 0; j < m; j++) left[j] = FOR(all)(0);
        for (ptrdiff_t i = 0; i < n; i++) {
            lanes p = {0};
            for (ptrdiff_t k = i; k < n; k += 2) p += job->inner[i * n + k] * c[k];
            p *= sign;
            for (ptrdiff_t j = 0; j < m; j++) left[j] += p * integral[i + j];
        }
        for (ptrdiff_t j = 0; j < m; j++) {
            lanes x = {0};
            for (ptrdiff_t k = j % 2; k <= j; k += 2) x += job->outer[j * m + k] * left[k];
            for (int l = 0; l < many; l++)
                put(job->kept, kept_wide, at[l] * m + j, number(job->kept, kept_wide, at[l] * m + j) + x[l]);
        }
    }
}

static void FOR(keep_or_lose)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const restricted_job *job = given;
    if (job->kept_wide)
        FOR(keep_some)(job, begin, end, 1, 1);
    else if (job->wide)
        FOR(keep_some)(job, begin, end, 1, 0);
    else
        FOR(keep_some)(job, begin, end, 0, 0);
}

/* Adds what lies to the left of a falling root, and takes it away at a rising one. */
static void FOR(add_left)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const restricted_job *job = given;
    /* A panel with several roots belongs to the chunk in which they begin. */
    while (begin && begin < end && job->panel[begin] == job->panel[begin - 1]) begin++;
    while (begin < end && end < job->roots && job->panel[end] == job->panel[end - 1]) end++;
    if (job->kept_wide)
        FOR(add_some)(job, begin, end, 1, 1);
    else if (job->wide)
        FOR(add_some)(job, begin, end, 1, 0);
    else
        FOR(add_some)(job, begin, end, 0, 0);
}

#undef lanes
#undef mask
