/* load: plays the browsers in front of the proxy under test (built by bench/build.py).
 *
 *     load MODE --port P [--host 127.0.0.1] [--tls --ca FILE --server-name NAME] [--connections N]
 *          [--seconds S | --count N] [--requests FILE] [--expect BYTES] [--upload BYTES] [--rate R] [--resume] [--size BYTES]
 *          [--read-rate BYTES] [--upgrades FILE] [--parallel N] [--hold] [--patience S]
 *
 * Modes: http, rate, handshake, websocket, idle, slow, hub; each is told at its file's head. Prints one line of JSON.
 * --hold: when all connections are open it prints {"open": n, "errors": n} and waits for a line on stdin before the clock
 * starts; after the last line it keeps the connections open until stdin ends.
 * Without --expect an answer must be as long as the request's path says (`<n>b`); the answer to an
 * upload must say how many bytes came.
 * Ends by itself: by --seconds or --count, or when nothing moves for --patience seconds. Status 1 when nothing went well.
 *
 * This file: the arguments and the run. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

enum { EVENTS = 256, AT_ONCE = 64, TICK_MS = 50, ERRORS_ENDURED = 200 };

struct plan plan = {.host = "127.0.0.1", .connections = 1, .parallel = 1, .size = 200, .expect = ANY_SIZE, .patience = 10};
enum phase phase = OPENING;
struct slot *slots;

static struct mode *mode;
static struct mode *const modes[] = {&http_mode, &rate_mode, &handshake_mode, &slow_mode, &websocket_mode, &idle_mode, &hub_mode};
static unsigned slot_count, opening_next, opened, open_failed;
static uint64_t issued, in_flight, deadline;
static volatile sig_atomic_t told_to_stop;
/* Events of these carry their own address in place of a slot's. */
static struct link alarm_link = {.fd = -1}, stdin_link;

/* --- operations --- */

bool another(void) {
    if (phase != RUNNING || (plan.count && issued >= plan.count) || (deadline && now_ns() >= deadline)) return false;
    issued++;
    return true;
}

void begin_operation(struct slot *slot, uint64_t started) {
    slot->busy = true;
    slot->started = started;
    in_flight++;
}

bool end_operation(struct slot *slot) {
    if (!slot->busy) return false;
    slot->busy = false;
    in_flight--;
    return true;
}

const struct request *next_request(struct slot *slot, const struct requests *from) { return &from->all[slot->turn++ % from->count]; }

/* --- phases --- */

static void print_opened(void) {
    printf("{\"open\": %u, \"errors\": %llu}\n", opened, (unsigned long long)tally.errors);
    fflush(stdout);
}

/* Stdin that epoll cannot wait for (a file, /dev/null) has ended. */
static bool watch_stdin(void) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &stdin_link}};
    return epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0;
}

static void start_clock(void) {
    phase = RUNNING;
    tally.started = tally.finished = now_ns();
    deadline = plan.seconds > 0 ? tally.started + (uint64_t)(plan.seconds * 1e9) : 0;
    mode->begin();
}

bool nothing_under_way(void) { return !in_flight; }

void end_run(void) { phase = OVER; }

static void open_some(void) {
    while (opening_next < mode->opening && opening_next < opened + open_failed + AT_ONCE) mode->open(opening_next++);
}

/* True when a line (or the end) came on stdin. */
static bool stdin_spoke(bool *ended) {
    char bytes[256];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    *ended = got <= 0;
    if (*ended) epoll_ctl(poller, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    return *ended || memchr(bytes, '\n', (size_t)got);
}

static void all_opened(void) {
    if (open_failed && mode != &idle_mode) {
        phase = OVER;
        return;
    }
    if (plan.hold) print_opened();
    if (plan.hold && watch_stdin())
        phase = HOLDING;
    else
        start_clock();
}

void opened_one(bool well) {
    if (phase != OPENING) return;
    if (well)
        opened++;
    else
        open_failed++;
}

static bool still_opening(void) {
    if (phase != OPENING) return false;
    open_some();
    if (opened + open_failed < mode->opening) return true;
    all_opened();
    return false;
}

/* --- the loop --- */

void wake_at(uint64_t when) {
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(when / SECOND), .tv_nsec = (long)(when % SECOND)}};
    if (alarm_link.fd < 0) {
        alarm_link.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        link_watch(&alarm_link, EPOLLIN, &alarm_link);
    }
    timerfd_settime(alarm_link.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void alarm_rang(void) {
    uint64_t times;
    if (read(alarm_link.fd, &times, sizeof times) > 0 && phase == RUNNING) mode->timer(now_ns());
}

static void stdin_event(void) {
    bool ended;
    if (!stdin_spoke(&ended)) return;
    if (phase == HOLDING && (ended || mode != &idle_mode)) start_clock();
}

static void poll_once(int timeout_ms) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, timeout_ms);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int at = 0; at < count; at++) {
        void *owner = events[at].data.ptr;
        if (owner == &alarm_link)
            alarm_rang();
        else if (owner == &stdin_link)
            stdin_event();
        else
            slot_event(owner, events[at].events);
    }
}

/* Ends what does not move: counts what is under way as errors. */
static void watch_progress(void) {
    static uint64_t last_sum, last_moved;
    uint64_t now = now_ns(), sum = tally.operations + tally.bytes_in + tally.bytes_out + opened + open_failed;
    if (sum != last_sum || !last_moved || phase == HOLDING) {
        last_sum = sum;
        last_moved = now;
    }
    if ((double)(now - last_moved) < plan.patience * 1e9) return;
    note_error("nothing moved any more");
    tally.errors += in_flight ? in_flight - 1 : 0;
    phase = OVER;
}

static bool finished(void) {
    if (phase == OVER || told_to_stop || tally.errors > ERRORS_ENDURED + slot_count) return true;
    if (phase != RUNNING || in_flight || mode->ends_itself) return false;
    return (plan.count && issued >= plan.count) || (deadline && now_ns() >= deadline);
}

static void run(void) {
    uint64_t looked = 0;
    while (still_opening() || !finished()) {
        poll_once(phase == OPENING ? 1 : TICK_MS);
        if (finished()) break;
        if (now_ns() - looked < SECOND / 20) continue;
        looked = now_ns();
        watch_progress();
        if (told_to_stop) break;
    }
}

static void stay_until_stdin_ends(void) {
    phase = OVER;
    if (!plan.hold || mode == &idle_mode) return;
    char bytes[64];
    while (!told_to_stop && read(STDIN_FILENO, bytes, sizeof bytes) > 0) continue;
}

/* --- slots and requests --- */

void make_slots(unsigned count, const struct role *role) {
    slot_count = count;
    slots = calloc(count, sizeof *slots);
    if (!slots) fail("no memory for %u connections", count);
    for (unsigned at = 0; at < count; at++) slots[at] = (struct slot){.link = {.fd = -1}, .index = at, .turn = at, .role = role};
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail("cannot read %s: %s", path, strerror(errno));
    *size = (size_t)ftell(file);
    char *bytes = malloc(*size + 1);
    rewind(file);
    if (!bytes || fread(bytes, 1, *size, file) != *size) fail("cannot read %s", path);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

/* The n of a request line `GET /…/<n>b?… HTTP/1.1`, or ANY_SIZE. */
static int64_t size_in_path(const char *text, const char *end) {
    const char *stop = memchr(text, '\r', (size_t)(end - text)), *at = memchr(text, ' ', (size_t)(end - text));
    if (!stop || !at) return ANY_SIZE;
    const char *behind = at + 1 + strcspn(at + 1, " ?\r"), *slash = behind;
    while (slash > at + 1 && slash[-1] != '/') slash--;
    struct line segment = {.value = slash, .value_size = behind > slash ? (size_t)(behind - slash - 1) : 0};
    return behind > slash && behind[-1] == 'b' ? value_number(&segment) : ANY_SIZE;
}

static struct request as_request(const char *text, size_t size) {
    struct request request = {.text = text, .size = size, .expect = plan.expect};
    struct line line;
    const char *end = head_end(text, size), *at;
    if (!end) fail("a request of %zu bytes is no HTTP head", size);
    at = (const char *)memchr(text, '\r', size) + 2;
    while ((at = head_line(at, end, &line)))
        if (LINE_IS(&line, "Sec-WebSocket-Key")) websocket_accept(line.value, line.value_size, request.accept);
    if (plan.expect == ANY_SIZE && !plan.upload) request.expect = size_in_path(text, end);
    return request;
}

void read_requests(struct requests *requests, const char *path) {
    size_t size, at = 0;
    char *bytes = read_file(path, &size);
    while (at < size) {
        char *behind;
        unsigned long length = strtoul(bytes + at, &behind, 16);
        if (behind != bytes + at + 8 || *behind != '\n' || at + 9 + length > size)
            fail("%s, byte %zu: want 8 hexadecimal digits, a newline and that many bytes", path, at);
        requests->all = realloc(requests->all, (requests->count + 1) * sizeof *requests->all);
        if (!requests->all) fail("no memory");
        requests->all[requests->count++] = as_request(bytes + at + 9, length);
        at += 9 + length;
    }
    if (!requests->count) fail("%s holds no request", path);
}

/* --- arguments --- */

enum { PORT = 1, HOST, TLS, CA, SERVER_NAME, CONNECTIONS, SECONDS, COUNT, REQUESTS, EXPECT, UPLOAD, RATE, RESUME, SIZE, READ_RATE, UPGRADES, PARALLEL, HOLD, PATIENCE };

static const struct option options[] = {
    {"port", 1, 0, PORT}, {"host", 1, 0, HOST}, {"tls", 0, 0, TLS}, {"ca", 1, 0, CA}, {"server-name", 1, 0, SERVER_NAME},
    {"connections", 1, 0, CONNECTIONS}, {"seconds", 1, 0, SECONDS}, {"count", 1, 0, COUNT}, {"requests", 1, 0, REQUESTS},
    {"expect", 1, 0, EXPECT}, {"upload", 1, 0, UPLOAD}, {"rate", 1, 0, RATE}, {"resume", 0, 0, RESUME}, {"size", 1, 0, SIZE},
    {"read-rate", 1, 0, READ_RATE}, {"upgrades", 1, 0, UPGRADES}, {"parallel", 1, 0, PARALLEL}, {"hold", 0, 0, HOLD},
    {"patience", 1, 0, PATIENCE}, {0}};

static const char *requests_path, *upgrades_path;

static void set_switch(int option) {
    if (option == TLS) plan.tls = true;
    if (option == RESUME) plan.resume = true;
    if (option == HOLD) plan.hold = true;
    if (option == '?') exit(2);
}

static void set_text(int option) {
    if (option == HOST) plan.host = optarg;
    if (option == CA) plan.ca = optarg;
    if (option == SERVER_NAME) plan.server_name = optarg;
    if (option == REQUESTS) requests_path = optarg;
    if (option == UPGRADES) upgrades_path = optarg;
}

static void set_number(int option) {
    if (option == PORT) plan.port = (uint16_t)parse_number("--port", optarg, 1, 65535);
    if (option == CONNECTIONS) plan.connections = (unsigned)parse_number("--connections", optarg, 1, 100000);
    if (option == PARALLEL) plan.parallel = (unsigned)parse_number("--parallel", optarg, 1, 1000);
    if (option == COUNT) plan.count = (uint64_t)parse_number("--count", optarg, 1, INT64_MAX);
    if (option == EXPECT) plan.expect = parse_number("--expect", optarg, 0, INT64_MAX);
    if (option == UPLOAD) plan.upload = (uint64_t)parse_number("--upload", optarg, 1, INT64_MAX);
    if (option == SIZE) plan.size = (uint64_t)parse_number("--size", optarg, 0, 16 << 20);
    if (option == READ_RATE) plan.read_rate = (uint64_t)parse_number("--read-rate", optarg, 100, INT64_MAX);
    if (option == SECONDS) plan.seconds = parse_real("--seconds", optarg);
    if (option == RATE) plan.rate = parse_real("--rate", optarg);
    if (option == PATIENCE) plan.patience = parse_real("--patience", optarg);
}

static void choose_mode(const char *name) {
    for (size_t at = 0; at < sizeof modes / sizeof *modes; at++)
        if (strcmp(modes[at]->name, name) == 0) mode = modes[at];
    if (!mode) fail("no mode %s: want http, rate, handshake, websocket, idle, slow or hub", name);
    plan.mode = mode->name;
}

static void check_plan(void) {
    if (!plan.port) fail("--port is missing");
    if (!requests_path) fail("--requests is missing");
    if (plan.tls && !(plan.ca && plan.server_name)) fail("--tls needs --ca and --server-name");
    if (!plan.tls && (plan.ca || plan.server_name)) fail("--ca and --server-name need --tls");
    if (mode != &idle_mode && !(plan.seconds > 0) && !plan.count) fail("--seconds or --count is missing");
    if (mode == &hub_mode && !upgrades_path) fail("hub needs --upgrades");
    if (mode == &rate_mode && !(plan.rate > 0 && plan.seconds > 0)) fail("rate needs --rate and --seconds");
    if (mode == &slow_mode && !(plan.read_rate && plan.seconds > 0)) fail("slow needs --read-rate and --seconds");
}

static void parse_arguments(int count, char **words) {
    int option;
    if (count < 2) fail("want a mode: http, rate, handshake, websocket, idle, slow or hub");
    choose_mode(words[1]);
    optind = 2;
    while ((option = getopt_long(count, words, "", options, NULL)) != -1) {
        set_switch(option);
        set_text(option);
        set_number(option);
    }
    if (optind < count) fail("unexpected argument: %s", words[optind]);
    check_plan();
    if (plan.tls) plan.context = tls_client(plan.ca);
    read_requests(&plan.requests, requests_path);
    if (upgrades_path) read_requests(&plan.upgrades, upgrades_path);
}

static void stop(int signal) {
    (void)signal;
    told_to_stop = 1;
}

int main(int count, char **words) {
    struct sigaction action = {.sa_handler = stop};
    begin_program("load");
    parse_arguments(count, words);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    mode->prepare();
    run();
    print_tally();
    stay_until_stdin_ends();
    for (unsigned at = 0; at < slot_count; at++) slot_close(&slots[at]);
    if (tally.first_error[0]) fprintf(stderr, "load: %s\n", tally.first_error);
    return tally.operations || mode == &idle_mode ? 0 : 1;
}
