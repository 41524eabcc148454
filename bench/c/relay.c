/* relay: a bare TCP relay, the least that any proxy of one core can cost. It looks at nothing; no TLS, no log, no
 * splice(2) (which no user-space proxy that looks at bytes could use).
 *
 *     relay --port P --upstream U [--chunk BYTES]     both on 127.0.0.1; prints "ready" once it listens
 *
 * It reads --chunk bytes at a time, 64 KB unless told: larger chunks cost less a byte (fewer calls of the system).
 *
 * One thread, epoll. Each connection is a pair of sockets; bytes that one side does not take wait in the pair's buffer,
 * and the other side is not read meanwhile. SIGTERM, or the end of the parent, ends it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGEST_CHUNK = 1 << 20, EVENTS = 256, BACKLOG = 4096 };

struct pair;

/* One socket of a pair. `waiting` are bytes for this socket that it did not take yet. */
struct side {
    struct pair *pair;
    struct side *other;
    int socket;
    unsigned watched;
    char *waiting;
    size_t from, until;
    int ended;  /* nothing more comes from this socket */
    int shut;   /* nothing more goes to it */
};

struct pair {
    struct side browser, upstream;
    struct pair *next;
    int over;
};

static int epoll_fd;
static int listener;
static struct sockaddr_in target;
static struct pair *finished;  /* freed after the round: events of it may still be in the list */
static char chunk[LARGEST_CHUNK];
static size_t chunk_size = 65536;

static void fail(const char *what) {
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void usage(const char *problem) {
    fprintf(stderr, "relay: %s\nusage: relay --port P --upstream U [--chunk BYTES]\n", problem);
    exit(2);
}

static void watch(struct side *side, unsigned events) {
    if (side->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = side};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, side->socket, &event)) fail("epoll_ctl");
    side->watched = events;
}

/* Read while the other side takes what comes; write while something waits. */
static void rewatch(struct side *side) {
    unsigned events = 0;
    if (!side->ended && !side->other->waiting) events |= EPOLLIN;
    if (side->waiting) events |= EPOLLOUT;
    watch(side, events);
}

static void drop(struct pair *pair) {
    if (pair->over) return;
    pair->over = 1;
    close(pair->browser.socket);
    close(pair->upstream.socket);
    pair->next = finished;
    finished = pair;
}

static void free_finished(void) {
    while (finished) {
        struct pair *pair = finished;
        finished = pair->next;
        free(pair->browser.waiting);
        free(pair->upstream.waiting);
        free(pair);
    }
}

/* Once all that came has gone on, the end goes on, too; a pair ends when both directions have. */
static void pass_end_on(struct side *side) {
    struct side *other = side->other;
    if (!side->ended || other->waiting || other->shut) return;
    shutdown(other->socket, SHUT_WR);
    other->shut = 1;
    if (side->shut) drop(side->pair);
}

static void keep(struct side *side, const char *bytes, size_t count) {
    side->waiting = malloc(count);
    if (!side->waiting) fail("malloc");
    memcpy(side->waiting, bytes, count);
    side->from = 0;
    side->until = count;
}

static void readable(struct side *side) {
    ssize_t count = read(side->socket, chunk, chunk_size);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR) drop(side->pair);
        return;
    }
    if (count == 0) {
        side->ended = 1;
        pass_end_on(side);
        return;
    }
    ssize_t sent = write(side->other->socket, chunk, (size_t)count);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(side->pair);
        return;
    }
    if (sent < 0) sent = 0;
    if (sent < count) keep(side->other, chunk + sent, (size_t)(count - sent));
}

static void writable(struct side *side) {
    ssize_t sent = write(side->socket, side->waiting + side->from, side->until - side->from);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) drop(side->pair);
        return;
    }
    side->from += (size_t)sent;
    if (side->from < side->until) return;
    free(side->waiting);
    side->waiting = NULL;
    pass_end_on(side->other);
}

static void handle(struct side *side, unsigned events) {
    struct pair *pair = side->pair;
    if (pair->over) return;
    if (events & EPOLLERR) {
        drop(pair);
        return;
    }
    if ((events & EPOLLOUT) && side->waiting) writable(side);
    /* EPOLLHUP comes unasked: the read tells what happened. */
    if (!pair->over && (events & (EPOLLIN | EPOLLHUP)) && !side->other->waiting) {
        if (side->ended) drop(pair);
        else readable(side);
    }
    if (!pair->over) {
        rewatch(&pair->browser);
        rewatch(&pair->upstream);
    }
}

static void add(struct pair *pair, struct side *side, struct side *other, int socket) {
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *side = (struct side){.pair = pair, .other = other, .socket = socket, .watched = EPOLLIN};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, socket, &event)) fail("epoll_ctl");
}

/* Connecting within this machine is done at once, so it is waited for. 0 when it was refused. */
static int dial(int browser) {
    int upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (upstream < 0) return 0;
    if (connect(upstream, (struct sockaddr *)&target, sizeof target)) {
        close(upstream);
        return 0;
    }
    int nonblocking = 1;
    if (ioctl(upstream, FIONBIO, &nonblocking)) fail("ioctl");
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair) fail("calloc");
    add(pair, &pair->browser, &pair->upstream, browser);
    add(pair, &pair->upstream, &pair->browser, upstream);
    return 1;
}

static void welcome(void) {
    for (;;) {
        int browser = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (browser < 0) return;
        if (!dial(browser)) close(browser);
    }
}

static void listen_on(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) fail("bind");
    if (listen(listener, BACKLOG)) fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event)) fail("epoll_ctl");
}

static void end(int number) {
    (void)number;
    _exit(0);
}

static int number(const char *option, const char *text, long highest) {
    char *rest;
    long value = strtol(text, &rest, 10);
    if (*rest || value < 1 || value > highest) {
        fprintf(stderr, "relay: %s must be from 1 to %ld, not %s\n", option, highest, text);
        exit(2);
    }
    return (int)value;
}

static int arguments(int count, char **words) {
    int port = 0, upstream = 0;
    for (int at = 1; at < count; at += 2) {
        const char *option = words[at], *value = words[at + 1];
        if (!value) usage("an option lacks its value");
        if (!strcmp(option, "--port")) port = number(option, value, 65535);
        else if (!strcmp(option, "--upstream")) upstream = number(option, value, 65535);
        else if (!strcmp(option, "--chunk")) chunk_size = (size_t)number(option, value, LARGEST_CHUNK);
        else usage("unknown option");
    }
    if (!port || !upstream) usage("--port and --upstream are needed");
    target.sin_family = AF_INET;
    target.sin_port = htons((unsigned short)upstream);
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return port;
}

static void prepare(void) {
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, end);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) fail("epoll_create1");
}

int main(int count, char **words) {
    int port = arguments(count, words);
    prepare();
    listen_on(port);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int at = 0; at < ready; at++) {
            if (events[at].data.ptr) handle(events[at].data.ptr, events[at].events);
            else welcome();
        }
        free_finished();
    }
}
