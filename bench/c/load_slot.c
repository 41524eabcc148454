/* The life of one connection of load: connect, TLS, and whose turn it is when something arrives. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

enum { SLOW_BUFFER = 65536 };

static void secure(struct slot *slot) {
    link_secure(&slot->link, plan.context);
    SSL_set_connect_state(slot->link.ssl);
    SSL_set_tlsext_host_name(slot->link.ssl, plan.server_name);
    SSL_set1_host(slot->link.ssl, plan.server_name);
    SSL_set_app_data(slot->link.ssl, slot);
    if (slot->session) SSL_set_session(slot->link.ssl, slot->session);
    slot->stage = SECURING;
}

static void opened(struct slot *slot) {
    slot->stage = IDLE;
    link_watch(&slot->link, EPOLLIN, slot);
    if (slot->link.ssl && SSL_session_reused(slot->link.ssl) && phase == RUNNING) tally.resumed++;
    slot->role->opened(slot);
}

static void shake_hands(struct slot *slot) {
    int result = link_handshake(&slot->link);
    if (result == LINK_AGAIN)
        link_watch(&slot->link, slot->link.wants, slot);
    else if (result == LINK_BROKEN)
        slot_lost(slot, link_problem);
    else
        opened(slot);
}

static void connected(struct slot *slot) {
    int error = 0;
    socklen_t size = sizeof error;
    char why[300];
    getsockopt(slot->link.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        snprintf(why, sizeof why, "connect to %s:%d: %s", plan.host, plan.port, strerror(error));
        slot_lost(slot, why);
        return;
    }
    if (!plan.context) {
        opened(slot);
        return;
    }
    secure(slot);
    shake_hands(slot);
}

void slot_open(struct slot *slot) {
    slot->link = (struct link){.fd = connect_to(plan.host, plan.port, slot->paced ? SLOW_BUFFER : 0)};
    slot->stage = CONNECTING;
    if (slot->link.fd < 0)
        slot_lost(slot, link_problem);
    else
        link_watch(&slot->link, EPOLLOUT, slot);
}

void slot_close(struct slot *slot) {
    if (slot->stage == CLOSED) return;
    slot->stage = CLOSED;
    slot->request = NULL;
    keep_clear(&slot->input);
    keep_clear(&slot->tunnel.control);
    link_close(&slot->link);
}

static const char idle_end[] = "the connection was closed while idle";

bool lost_while_idle(const struct slot *slot, const char *why) { return !slot->busy && why == idle_end; }

void slot_lost(struct slot *slot, const char *why) {
    slot_close(slot);
    slot->role->lost(slot, why);
}

static void idle_read(struct slot *slot) {
    char byte;
    ssize_t got = link_read(&slot->link, &byte, 1);
    if (got == LINK_AGAIN) return; /* a session ticket, for one */
    slot_lost(slot, got > 0 ? "bytes came that nobody asked for" : idle_end);
}

void slot_event(struct slot *slot, uint32_t events) {
    if (slot->stage == CONNECTING && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
        connected(slot);
        return;
    }
    if (slot->stage == SECURING) {
        shake_hands(slot);
        return;
    }
    if (events & EPOLLOUT && slot->stage == EXCHANGING) exchange_write(slot);
    if (events & EPOLLOUT && slot->stage == TUNNELLED) tunnel_write(slot);
    if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP))) return;
    do {
        if (slot->stage == EXCHANGING)
            exchange_read(slot, SIZE_MAX);
        else if (slot->stage == TUNNELLED)
            tunnel_read(slot);
        else if (slot->stage == IDLE)
            idle_read(slot);
    } while (slot->stage >= IDLE && link_holds(&slot->link));
}
