/* The modes of plain requests.
 *
 * http       one request at a time on each of N kept connections
 * rate       R requests a second, evenly; a latency counts from the moment the request was due, not from when it went out
 * handshake  N at once: connect, TLS, one request, close; with --resume the sessions are used again
 * slow       answers that are read at --read-rate bytes a second, and dropped after --seconds */
#include <stdlib.h>

#include "load.h"

static void open_slot(unsigned index) { slot_open(&slots[index]); }

static void lost_operation(struct slot *slot, const char *why) {
    end_operation(slot);
    note_error(why);
}

/* --- http --- */

static void http_next(struct slot *slot, uint64_t now) {
    if (!another()) return;
    begin_operation(slot, now);
    exchange_start(slot, next_request(slot, &plan.requests));
}

static void http_opened(struct slot *slot) {
    if (phase == OPENING)
        opened_one(true);
    else
        http_next(slot, now_ns());
}

static void reopen(struct slot *slot) {
    tally.reconnects++;
    slot_close(slot);
    slot_open(slot);
}

static void http_answered(struct slot *slot, bool right) {
    uint64_t now = now_ns();
    end_operation(slot);
    if (right) record(slot->started, now);
    if (slot->answer.close)
        reopen(slot);
    else
        http_next(slot, now);
}

static void http_lost(struct slot *slot, const char *why) {
    bool idle = lost_while_idle(slot, why);
    if (!idle) lost_operation(slot, why);
    if (phase == OPENING)
        opened_one(false);
    else if (phase != OVER && tally.errors < 100)
        reopen(slot);
}

static const struct role http_role = {.opened = http_opened, .answered = http_answered, .lost = http_lost};

static void http_prepare(void) {
    prepare_exchanges();
    make_slots(plan.connections, &http_role);
    http_mode.opening = plan.connections;
}

static void http_begin(void) {
    for (unsigned at = 0; at < plan.connections; at++)
        if (slots[at].stage == IDLE) http_next(&slots[at], now_ns());
}

struct mode http_mode = {.name = "http", .prepare = http_prepare, .begin = http_begin, .open = open_slot};

/* --- rate --- */

static struct slot **spare; /* the slots that wait for a request, longest first */
static unsigned spare_first, spare_count;
static uint64_t due_index, due_total;

static uint64_t due_time(uint64_t index) { return tally.started + (uint64_t)((double)index * 1e9 / plan.rate); }

static void add_spare(struct slot *slot) {
    if (slot->spare) return; /* it was lost and is open again, and kept its place */
    slot->spare = true;
    spare[(spare_first + spare_count++) % plan.connections] = slot;
}

static struct slot *take_spare(void) {
    struct slot *slot = spare[spare_first];
    spare_first = (spare_first + 1) % plan.connections;
    spare_count--;
    slot->spare = false;
    return slot;
}

static void send_due(uint64_t now) {
    while (due_index < due_total && due_time(due_index) <= now && spare_count) {
        struct slot *slot = take_spare();
        if (slot->stage != IDLE) continue; /* it was lost; it comes back once it is open again */
        uint64_t due = due_time(due_index++);
        begin_operation(slot, due);
        record_lateness(due, now_ns());
        exchange_start(slot, next_request(slot, &plan.requests));
    }
}

/* When as much time again has passed, what still waits will not be sent and what is under way not be waited for. */
static void rate_timer(uint64_t now) {
    send_due(now);
    if (now > tally.started + (uint64_t)(2e9 * plan.seconds)) {
        tally.unserved = due_total - due_index;
        if (tally.unserved || !nothing_under_way()) note_error("requests came due faster than they were answered");
        end_run();
    } else if (due_index < due_total && due_time(due_index) > now) {
        wake_at(due_time(due_index));
    } else {
        wake_at(now + SECOND / 100);
    }
}

static void rate_ready(struct slot *slot) {
    add_spare(slot);
    if (phase == RUNNING) send_due(now_ns());
    if (phase == RUNNING && due_index == due_total && nothing_under_way()) end_run();
}

static void rate_opened(struct slot *slot) {
    opened_one(true);
    rate_ready(slot);
}

static void rate_answered(struct slot *slot, bool right) {
    end_operation(slot);
    if (right) record(slot->started, now_ns());
    if (slot->answer.close)
        reopen(slot);
    else
        rate_ready(slot);
}

static const struct role rate_role = {.opened = rate_opened, .answered = rate_answered, .lost = http_lost};

static void rate_prepare(void) {
    prepare_exchanges();
    make_slots(plan.connections, &rate_role);
    spare = calloc(plan.connections, sizeof *spare);
    if (!spare) fail("no memory");
    due_total = (uint64_t)(plan.rate * plan.seconds);
    rate_mode.opening = plan.connections;
}

static void rate_begin(void) { rate_timer(now_ns()); }

struct mode rate_mode = {.name = "rate", .prepare = rate_prepare, .begin = rate_begin, .timer = rate_timer, .ends_itself = true, .open = open_slot};

/* --- handshake --- */

/* Until the clock starts each slot goes once through all of it, so that it has a session to resume. */
static void shake(struct slot *slot) {
    begin_operation(slot, now_ns());
    slot_open(slot);
}

static void handshake_open(unsigned index) { shake(&slots[index]); }

static void handshake_opened(struct slot *slot) { exchange_start(slot, next_request(slot, &plan.requests)); }

static void handshake_answered(struct slot *slot, bool right) {
    slot_close(slot);
    end_operation(slot);
    if (phase == RUNNING && right) record(slot->started, now_ns());
    opened_one(right);
    if (another()) shake(slot);
}

static void handshake_lost(struct slot *slot, const char *why) {
    lost_operation(slot, why);
    opened_one(false);
    if (tally.errors < 100 && another()) shake(slot);
}

static const struct role handshake_role = {.opened = handshake_opened, .answered = handshake_answered, .lost = handshake_lost};

static int new_session(SSL *ssl, SSL_SESSION *session) {
    struct slot *slot = SSL_get_app_data(ssl);
    SSL_SESSION_free(slot->session);
    slot->session = session;
    return 1; /* it is ours now */
}

static void handshake_prepare(void) {
    if (plan.resume && !plan.tls) fail("--resume needs --tls");
    prepare_exchanges();
    make_slots(plan.connections, &handshake_role);
    handshake_mode.opening = plan.connections;
    if (!plan.resume) return;
    SSL_CTX_set_session_cache_mode(plan.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(plan.context, new_session);
}

static void handshake_begin(void) {
    for (unsigned at = 0; at < plan.connections; at++)
        if (another()) shake(&slots[at]);
}

struct mode handshake_mode = {.name = "handshake", .prepare = handshake_prepare, .begin = handshake_begin, .open = handshake_open};

/* --- slow --- */

enum { STEPS = 100 }; /* reads a second */

static uint64_t step;

static void slow_answered(struct slot *slot, bool right) {
    (void)right;
    lost_operation(slot, "the slow reader came to the end of the answer: make it larger");
}

static void slow_lost(struct slot *slot, const char *why) {
    if (phase == OPENING) opened_one(false);
    lost_operation(slot, why);
}

static const struct role slow_role = {.opened = http_opened, .answered = slow_answered, .lost = slow_lost};

static void slow_prepare(void) {
    prepare_exchanges();
    make_slots(plan.connections, &slow_role);
    for (unsigned at = 0; at < plan.connections; at++) slots[at].paced = true;
    slow_mode.opening = plan.connections;
}

static void slow_timer(uint64_t now) {
    bool over = (double)(now - tally.started) >= plan.seconds * 1e9;
    step++;
    for (unsigned at = 0; at < plan.connections; at++) {
        struct slot *slot = &slots[at];
        if (slot->stage == EXCHANGING) exchange_read(slot, (size_t)(plan.read_rate / STEPS));
        if (!over || slot->stage != EXCHANGING) continue;
        end_operation(slot);
        record(slot->started, now);
        slot_close(slot);
    }
    if (over)
        end_run();
    else
        wake_at(tally.started + step * SECOND / STEPS);
}

static void slow_begin(void) {
    http_begin();
    slow_timer(now_ns());
}

struct mode slow_mode = {.name = "slow", .prepare = slow_prepare, .begin = slow_begin, .timer = slow_timer, .ends_itself = true, .open = open_slot};
