/* A connection (a nonblocking socket, with or without TLS), the clock, and the ways to end.
 *
 * Shared by upstream.c and load.c. Knows nothing of HTTP. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

enum { LINK_END = 0, LINK_AGAIN = -1, LINK_BROKEN = -2 };

struct link {
    int fd;
    SSL *ssl;
    uint32_t watched; /* the epoll events asked for; 0 = not in the epoll set */
    bool drained;     /* the last read found nothing more */
    uint32_t wants;   /* while the TLS handshake runs: the event that it waits for */
};

/* Bytes that could not be written, or not be understood, yet. Memory is held only while there are any. */
struct kept {
    char *bytes;
    size_t from, size, room;
};

extern int poller;               /* the epoll set of the program */
extern char link_problem[256];   /* what broke last, in words */
extern const char *program_name; /* starts each message on stderr */

void begin_program(const char *name); /* ends with its parent; ignores SIGPIPE; as many files as allowed; makes `poller` */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t parse_number(const char *option, const char *text, int64_t low, int64_t high);
double parse_real(const char *option, const char *text);
uint64_t now_ns(void);

int listen_on(uint16_t *port); /* 127.0.0.1; port 0 becomes the port that the system chose */
void prepare_socket(int fd);   /* TCP_NODELAY */
int connect_to(const char *host, uint16_t port, int receive_buffer);

SSL_CTX *tls_server(const char *cert, const char *key);
SSL_CTX *tls_client(const char *ca);

void link_watch(struct link *link, uint32_t events, void *owner);
void link_close(struct link *link);
void link_secure(struct link *link, SSL_CTX *context);
int link_handshake(struct link *link); /* 1 = done, LINK_AGAIN (see `wants`) or LINK_BROKEN */
ssize_t link_read(struct link *link, void *to, size_t size);
ssize_t link_write(struct link *link, const void *from, size_t size);
ssize_t link_discard(struct link *link, size_t size); /* plain links only: reads without copying */
bool link_holds(const struct link *link);             /* bytes were read that epoll does not know of */

void keep(struct kept *kept, const char *bytes, size_t size);
void keep_drop(struct kept *kept, size_t size);
void keep_clear(struct kept *kept);

#endif
