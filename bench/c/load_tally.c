/* What load counted, and the line that says it. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"

/* Times in buckets of below 1 %: 128 for each power of two (ns). */
enum { FINE = 7, BUCKETS = (65 - FINE) << FINE };

struct times {
    uint64_t count, largest;
    uint32_t buckets[BUCKETS];
};

struct tally tally;
static struct times latencies, latenesses;

static unsigned bucket_of(uint64_t ns) {
    if (ns < 1u << FINE) return (unsigned)ns;
    unsigned power = 63u - (unsigned)__builtin_clzll(ns);
    return ((power - FINE) << FINE) + (unsigned)(ns >> (power - FINE));
}

static uint64_t bucket_middle(unsigned bucket) {
    if (bucket < 1u << FINE) return bucket;
    unsigned shift = (bucket >> FINE) - 1;
    uint64_t low = (uint64_t)((bucket & ((1u << FINE) - 1)) + (1u << FINE)) << shift;
    return low + ((1ull << shift) >> 1);
}

static void add_time(struct times *times, uint64_t ns) {
    times->count++;
    times->buckets[bucket_of(ns)]++;
    if (ns > times->largest) times->largest = ns;
}

static double percentile_us(const struct times *times, double share) {
    uint64_t wanted = (uint64_t)(share * (double)times->count), seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS && times->count; bucket++) {
        seen += times->buckets[bucket];
        if (seen <= wanted && seen < times->count) continue;
        uint64_t middle = bucket_middle(bucket);
        return (double)(middle < times->largest ? middle : times->largest) / 1e3;
    }
    return 0;
}

void record(uint64_t started, uint64_t ended) {
    tally.operations++;
    tally.finished = ended;
    add_time(&latencies, ended - started);
}

void record_lateness(uint64_t due, uint64_t sent) { add_time(&latenesses, sent > due ? sent - due : 0); }

void note_error(const char *why) {
    tally.errors++;
    if (!tally.first_error[0]) snprintf(tally.first_error, sizeof tally.first_error, "%s", why);
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print_text(const char *name, const char *text) {
    printf(", \"%s\": \"", name);
    for (; *text; text++) putchar(*text == '"' || *text == '\\' || (unsigned char)*text < ' ' ? '\'' : *text);
    putchar('"');
}

static void print_count(const char *name, uint64_t value) { printf(", \"%s\": %llu", name, (unsigned long long)value); }

void print_tally(void) {
    printf("{\"mode\": \"%s\"", plan.mode);
    print_count("operations", tally.operations);
    print_count("errors", tally.errors);
    print_count("bad_status", tally.bad_status);
    print_count("bad_length", tally.bad_length);
    print_count("bad_content", tally.bad_content);
    print_count("bytes_in", tally.bytes_in);
    print_count("bytes_out", tally.bytes_out);
    printf(", \"seconds\": %.6f", tally.finished > tally.started ? (double)(tally.finished - tally.started) / 1e9 : 0.0);
    printf(", \"p50_us\": %.1f, \"p99_us\": %.1f", percentile_us(&latencies, 0.5), percentile_us(&latencies, 0.99));
    printf(", \"max_us\": %.1f", (double)latencies.largest / 1e3);
    print_count("requests", tally.requests);
    print_count("reconnects", tally.reconnects);
    print_count("resumed", tally.resumed);
    print_count("unserved", tally.unserved);
    printf(", \"late_p50_us\": %.1f, \"late_p99_us\": %.1f", percentile_us(&latenesses, 0.5), percentile_us(&latenesses, 0.99));
    printf(", \"cpu_seconds\": %.3f", cpu_seconds());
    print_text("first_error", tally.first_error);
    printf("}\n");
    fflush(stdout);
}
