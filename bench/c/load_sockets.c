/* The modes of WebSockets.
 *
 * websocket  N sockets, each sends a message of --size bytes, waits for its echo, and sends the next
 * idle       N sockets that are opened and held until stdin ends */
#include "load.h"

static void open_slot(unsigned index) { slot_open(&slots[index]); }

static void socket_opened(struct slot *slot) { exchange_start(slot, next_request(slot, &plan.requests)); }

static void socket_answered(struct slot *slot, bool right) {
    if (!right) note_error("the upgrade was refused");
    opened_one(right);
    if (!right) slot_close(slot);
}

static void socket_next(struct slot *slot, uint64_t now) {
    if (!another()) return;
    begin_operation(slot, now);
    tunnel_send(slot);
}

static void socket_echoed(struct slot *slot, bool right) {
    uint64_t now = now_ns();
    if (!end_operation(slot)) note_error("a message came that nobody asked for");
    if (right) record(slot->started, now);
    socket_next(slot, now);
}

static void socket_lost(struct slot *slot, const char *why) {
    end_operation(slot);
    note_error(why);
    opened_one(false);
}

static const struct role socket_role = {
    .opened = socket_opened, .answered = socket_answered, .echoed = socket_echoed, .lost = socket_lost};

static void check_heads(void) {
    for (unsigned at = 0; at < plan.requests.count; at++)
        if (!plan.requests.all[at].accept[0]) fail("request %u has no Sec-WebSocket-Key", at + 1);
}

static void websocket_prepare(void) {
    check_heads();
    prepare_exchanges();
    prepare_tunnels();
    make_slots(plan.connections, &socket_role);
    websocket_mode.opening = idle_mode.opening = plan.connections;
}

static void websocket_begin(void) {
    for (unsigned at = 0; at < plan.connections; at++)
        if (slots[at].stage == TUNNELLED) socket_next(&slots[at], now_ns());
}

struct mode websocket_mode = {.name = "websocket", .prepare = websocket_prepare, .begin = websocket_begin, .open = open_slot};

/* Held from the moment the clock would start: the line on stdin never comes, its end does. */
static void idle_prepare(void) {
    websocket_prepare();
    plan.hold = true;
}

static void idle_begin(void) { end_run(); }

struct mode idle_mode = {.name = "idle", .prepare = idle_prepare, .begin = idle_begin, .open = open_slot};
