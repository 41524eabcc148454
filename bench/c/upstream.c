/* upstream: plays the Qlik proxy service behind the proxy under test (built by bench/build.py).
 *
 *     upstream --port P [--tls-port Q --cert FILE --key FILE]
 *
 * Prints "ready" once it listens on 127.0.0.1 (a port given as 0 is chosen by the system, then "ready P [Q]").
 * This file: connections, reading, and output that goes as fast as the other side takes it. */
#define _GNU_SOURCE
#include "upstream.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    ANSWER_ROOM = 1024,         /* for a head right before the shared body, so that both go out in one write */
    BODY_SIZE = 1 << 20,
    TLS_RECORD = 16384,
    TURN = 4 << 20,             /* output of one connection before the others get their turn */
};

struct listener {
    struct link link; /* first, like in struct visitor: the event loop tells them apart by address */
    SSL_CTX *context;
};

struct counters counters;
static struct listener listeners[2];
static char input[INPUT_SIZE];
static char answer_space[ANSWER_ROOM + BODY_SIZE];
static char *const body = answer_space + ANSWER_ROOM;

/* --- output --- */

static void drop(struct visitor *visitor) { visitor->stage = DEAD; }

/* Bytes that did not go out. OpenSSL wants them again, in the same order, in a call that is not shorter. */
void send_bytes(struct visitor *visitor, const char *bytes, size_t size) {
    ssize_t sent = blocked(visitor) ? 0 : link_write(&visitor->link, bytes, size);
    if (sent == LINK_BROKEN) {
        drop(visitor);
        return;
    }
    if (sent < 0) sent = 0;
    keep(&visitor->output, bytes + sent, size - (size_t)sent);
}

/* Sends what waits. False = more waits still, or the connection is dead. */
static bool flush(struct visitor *visitor) {
    size_t turn = 0;
    while (blocked(visitor) && turn < TURN) {
        struct kept *first = &visitor->output;
        size_t size = first->size ? first->size : visitor->answer_left < BODY_SIZE ? (size_t)visitor->answer_left : BODY_SIZE;
        ssize_t sent = link_write(&visitor->link, first->size ? first->bytes + first->from : body, size);
        if (sent == LINK_BROKEN) drop(visitor);
        if (sent < 0) return false;
        turn += (size_t)sent;
        if (first->size)
            keep_drop(first, (size_t)sent);
        else
            visitor->answer_left -= (uint64_t)sent;
    }
    return !blocked(visitor);
}

void send_answer(struct visitor *visitor, const char *head, size_t head_size, uint64_t body_size) {
    char *start = body - head_size;
    size_t with_head = head_size + (body_size < BODY_SIZE ? (size_t)body_size : BODY_SIZE);
    memcpy(start, head, head_size);
    ssize_t sent = link_write(&visitor->link, start, with_head);
    if (sent == LINK_BROKEN) {
        drop(visitor);
        return;
    }
    size_t gone = sent < 0 ? 0 : (size_t)sent;
    if (gone < head_size) { /* a whole TLS record at least, because OpenSSL may have made it already */
        size_t stop = with_head < TLS_RECORD ? with_head : TLS_RECORD;
        if (stop < head_size) stop = head_size;
        keep(&visitor->output, start + gone, stop - gone);
        gone = stop;
    }
    visitor->answer_left = body_size - (gone - head_size);
    if (visitor->answer_left) flush(visitor);
}

/* --- input --- */

static size_t take(struct visitor *visitor, char *bytes, size_t size) {
    switch (visitor->stage) {
    case HEAD:
        return take_head(visitor, bytes, size);
    case BODY:
    case CHUNKED_BODY:
        return take_body(visitor, bytes, size);
    case TUNNEL:
        return take_frame(visitor, bytes, size);
    default: /* it is told to go: what it still sends is not for us */
        return size;
    }
}

/* Reads once (unless only kept bytes are to be looked at) and takes what can be taken. */
static void step(struct visitor *visitor, bool read) {
    size_t have = visitor->input.size, used = 0, part = 1;
    if (have) memcpy(input, visitor->input.bytes + visitor->input.from, have);
    if (read) {
        ssize_t got = link_read(&visitor->link, input + have, INPUT_SIZE - have);
        if (got == LINK_AGAIN) return;
        if (got <= 0) {
            drop(visitor);
            return;
        }
        have += (size_t)got;
    }
    while (part && used < have && !blocked(visitor) && visitor->stage != DEAD) {
        part = take(visitor, input + used, have - used);
        used += part;
    }
    keep_clear(&visitor->input);
    keep(&visitor->input, input + used, have - used);
}

/* A big upload over a plain connection need not be copied to be counted. */
static bool discard(struct visitor *visitor) {
    if (visitor->link.ssl || visitor->stage != BODY || visitor->input.size || visitor->body_left < INPUT_SIZE) return false;
    ssize_t got = link_discard(&visitor->link, visitor->body_left);
    if (got == LINK_END || got == LINK_BROKEN) drop(visitor);
    if (got > 0) body_arrived(visitor, (uint64_t)got);
    return true;
}

/* --- connections --- */

static void bury(struct visitor *visitor) {
    if (visitor->counted) counters.open--;
    keep_clear(&visitor->input);
    keep_clear(&visitor->output);
    link_close(&visitor->link);
    free(visitor);
}

/* All is said. A close() now would reset the connection if the other side still sends, and what was said could be lost. */
static void leave(struct visitor *visitor) {
    if (visitor->link.ssl) SSL_shutdown(visitor->link.ssl);
    shutdown(visitor->link.fd, SHUT_WR);
    visitor->stage = LEAVING;
}

static bool secure(struct visitor *visitor) {
    int result = link_handshake(&visitor->link);
    if (result == LINK_BROKEN) drop(visitor);
    if (result == LINK_AGAIN) link_watch(&visitor->link, visitor->link.wants, visitor);
    if (result == 1) visitor->stage = HEAD;
    return result == 1;
}

static void converse(struct visitor *visitor, uint32_t events) {
    bool read = !blocked(visitor);
    if (visitor->stage == SECURING && !secure(visitor)) return;
    if (!read && !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
    if (!read && !flush(visitor)) return;
    do {
        if (!read || !discard(visitor)) step(visitor, read);
        read = true;
    } while (visitor->stage != DEAD && !blocked(visitor) && link_holds(&visitor->link));
}

static void on_event(struct visitor *visitor, uint32_t events) {
    converse(visitor, events);
    if (visitor->stage == ENDING && !blocked(visitor)) leave(visitor);
    if (visitor->stage == DEAD)
        bury(visitor);
    else if (visitor->stage != SECURING)
        link_watch(&visitor->link, blocked(visitor) ? EPOLLOUT : EPOLLIN, visitor);
}

static void welcome(struct listener *listener) {
    for (int turn = 0; turn < 64; turn++) {
        int fd = accept4(listener->link.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) return;
        if (fd < 0) fail("accept: %s", strerror(errno));
        struct visitor *visitor = calloc(1, sizeof *visitor);
        if (!visitor) fail("no memory for a connection");
        *visitor = (struct visitor){.link = {.fd = fd}, .stage = HEAD, .counted = true};
        counters.connections++;
        counters.open++;
        prepare_socket(fd);
        if (listener->context) {
            link_secure(&visitor->link, listener->context);
            SSL_set_accept_state(visitor->link.ssl);
            visitor->stage = SECURING;
        }
        link_watch(&visitor->link, EPOLLIN, visitor);
    }
}

_Noreturn static void serve(void) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
        for (int at = 0; at < count; at++) {
            void *owner = events[at].data.ptr;
            if (owner == &listeners[0] || owner == &listeners[1])
                welcome(owner);
            else
                on_event(owner, events[at].events);
        }
    }
}

/* --- start and end --- */

static void end(int signal) {
    (void)signal;
    _exit(0); /* nothing is held that must be written */
}

static void open_listener(struct listener *listener, uint16_t *port, SSL_CTX *context) {
    *listener = (struct listener){.link = {.fd = listen_on(port)}, .context = context};
    link_watch(&listener->link, EPOLLIN, listener);
}

static void fill_body(void) {
    static const char text[] = "{\"value\":\"0123456789abcdefghijklmnopqrstuvwxyz\"},";
    for (size_t at = 0; at < BODY_SIZE; at++) body[at] = text[at % (sizeof text - 1)];
}

struct arguments {
    const char *port, *tls_port, *cert, *key;
};

static struct arguments parse_arguments(int count, char **words) {
    static const struct option options[] = {{"port", 1, 0, 'p'}, {"tls-port", 1, 0, 't'}, {"cert", 1, 0, 'c'}, {"key", 1, 0, 'k'}, {0}};
    struct arguments given = {0};
    int letter;
    while ((letter = getopt_long(count, words, "", options, NULL)) != -1) {
        if (letter == 'p') given.port = optarg;
        if (letter == 't') given.tls_port = optarg;
        if (letter == 'c') given.cert = optarg;
        if (letter == 'k') given.key = optarg;
        if (letter == '?') exit(2);
    }
    if (optind < count) fail("unexpected argument: %s", words[optind]);
    if (!given.port) fail("--port is missing");
    if (given.tls_port && !(given.cert && given.key)) fail("--tls-port needs --cert and --key");
    return given;
}

int main(int count, char **words) {
    begin_program("upstream");
    struct arguments given = parse_arguments(count, words);
    uint16_t port = (uint16_t)parse_number("--port", given.port, 0, 65535), tls_port = 0;
    bool chosen = port == 0;
    signal(SIGTERM, end);
    signal(SIGINT, end);
    fill_body();
    prepare_answers();
    open_listener(&listeners[0], &port, NULL);
    if (given.tls_port) {
        tls_port = (uint16_t)parse_number("--tls-port", given.tls_port, 0, 65535);
        chosen = chosen || tls_port == 0;
        open_listener(&listeners[1], &tls_port, tls_server(given.cert, given.key));
    }
    if (!chosen)
        printf("ready\n");
    else if (given.tls_port)
        printf("ready %d %d\n", port, tls_port);
    else
        printf("ready %d\n", port);
    fflush(stdout);
    serve();
}
