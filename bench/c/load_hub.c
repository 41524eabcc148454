/* hub: what a browser does when it opens the Qlik hub, again and again.
 *
 * One round: 25 GETs over 6 kept connections, then 4 WebSockets at once with one echo each, then these close. */
#include <stdlib.h>

#include "load.h"

enum { LANES = 6, GETS = 25, SOCKETS = 4, SLOTS = LANES + SOCKETS };

struct browser {
    unsigned turn, asked, answered, echoed, closed;
    uint64_t started;
    bool spoiled;
    struct slot round; /* no connection: what begin_operation and end_operation count the round on */
    struct slot *slots;
};

static struct browser *browsers;

static struct browser *browser_of(const struct slot *slot) { return &browsers[slot->owner]; }

static void start_round(struct browser *browser);

static void end_round(struct browser *browser) {
    uint64_t now = now_ns();
    end_operation(&browser->round);
    if (!browser->spoiled) record(browser->started, now);
    start_round(browser);
}

/* --- the requests --- */

static void next_get(struct slot *slot) {
    struct browser *browser = browser_of(slot);
    if (browser->asked == GETS || slot->stage != IDLE) return;
    browser->asked++;
    slot->turn = browser->turn++;
    exchange_start(slot, next_request(slot, &plan.requests));
}

static void start_round(struct browser *browser) {
    if (!another()) return;
    browser->asked = browser->answered = browser->echoed = browser->closed = 0;
    browser->spoiled = false;
    browser->started = now_ns();
    begin_operation(&browser->round, browser->started);
    for (unsigned at = 0; at < LANES; at++) next_get(&browser->slots[at]);
}

static void lane_opened(struct slot *slot) {
    if (phase == OPENING)
        opened_one(true);
    else
        next_get(slot);
}

static void lane_answered(struct slot *slot, bool right) {
    struct browser *browser = browser_of(slot);
    if (!right) browser->spoiled = true;
    browser->answered++;
    if (slot->answer.close) {
        tally.reconnects++;
        slot_close(slot);
        slot_open(slot);
    } else {
        next_get(slot);
    }
    if (browser->answered < GETS) return;
    for (unsigned at = LANES; at < SLOTS; at++) slot_open(&browser->slots[at]);
}

/* A browser that lost a connection within a round is out: what it had left would make no round. */
static void lane_lost(struct slot *slot, const char *why) {
    struct browser *browser = browser_of(slot);
    if (phase == RUNNING && lost_while_idle(slot, why)) {
        tally.reconnects++;
        slot_open(slot);
        return;
    }
    note_error(why);
    opened_one(false);
    end_operation(&browser->round);
}

static const struct role lane_role = {.opened = lane_opened, .answered = lane_answered, .lost = lane_lost};

/* --- the sockets --- */

static void socket_opened(struct slot *slot) { exchange_start(slot, next_request(slot, &plan.upgrades)); }

static void socket_gone(struct slot *slot) {
    struct browser *browser = browser_of(slot);
    if (++browser->closed == SOCKETS) end_round(browser);
}

static void socket_answered(struct slot *slot, bool right) {
    if (right) {
        begin_operation(slot, now_ns());
        tunnel_send(slot);
        return;
    }
    note_error("the upgrade was refused");
    browser_of(slot)->spoiled = true;
    slot_close(slot);
    socket_gone(slot);
}

static void socket_echoed(struct slot *slot, bool right) {
    end_operation(slot);
    if (!right) browser_of(slot)->spoiled = true;
    tunnel_leave(slot);
}

static void socket_lost(struct slot *slot, const char *why) {
    end_operation(slot);
    if (why != closed_as_asked) {
        note_error(why);
        browser_of(slot)->spoiled = true;
    }
    socket_gone(slot);
}

static const struct role socket_role = {
    .opened = socket_opened, .answered = socket_answered, .echoed = socket_echoed, .lost = socket_lost};

/* --- the mode --- */

static void hub_prepare(void) {
    prepare_exchanges();
    prepare_tunnels();
    make_slots(plan.parallel * SLOTS, &lane_role);
    browsers = calloc(plan.parallel, sizeof *browsers);
    if (!browsers) fail("no memory");
    for (unsigned at = 0; at < plan.parallel * SLOTS; at++) {
        slots[at].owner = at / SLOTS;
        if (at % SLOTS >= LANES) slots[at].role = &socket_role;
    }
    for (unsigned at = 0; at < plan.parallel; at++) browsers[at] = (struct browser){.turn = at * GETS, .slots = &slots[at * SLOTS]};
    hub_mode.opening = plan.parallel * LANES;
}

static void hub_open(unsigned index) { slot_open(&slots[index / LANES * SLOTS + index % LANES]); }

static void hub_begin(void) {
    for (unsigned at = 0; at < plan.parallel; at++) start_round(&browsers[at]);
}

struct mode hub_mode = {.name = "hub", .prepare = hub_prepare, .begin = hub_begin, .open = hub_open};
