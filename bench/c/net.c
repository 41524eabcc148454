#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* With read_ahead one read brings several TLS records. The buffer exists only while a link has bytes in it. */
#define TLS_READ_BUFFER 65536

int poller = -1;
char link_problem[256];
const char *program_name = "?";

/* --- the program --- */

void begin_program(const char *name) {
    struct rlimit files;
    pid_t parent = getppid();
    program_name = name;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) exit(0); /* it died before the line above */
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) fail("epoll_create1: %s", strerror(errno));
}

_Noreturn void fail(const char *format, ...) {
    va_list values;
    fprintf(stderr, "%s: ", program_name);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(2);
}

int64_t parse_number(const char *option, const char *text, int64_t low, int64_t high) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || end == text || value < low || value > high)
        fail("%s %s: want a whole number from %lld to %lld", option, text, (long long)low, (long long)high);
    return value;
}

double parse_real(const char *option, const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value > 0 && value < 1e12)) fail("%s %s: want a number above 0", option, text);
    return value;
}

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- sockets --- */

static void problem(const char *what, const char *why) { snprintf(link_problem, sizeof link_problem, "%s: %s", what, why); }

void prepare_socket(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int listen_on(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096))
        fail("cannot listen on 127.0.0.1:%d: %s", *port, strerror(errno));
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

int connect_to(const char *host, uint16_t port, int receive_buffer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return problem("socket", strerror(errno)), LINK_BROKEN;
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("--host %s: want an IPv4 address", host);
    prepare_socket(fd);
    if (receive_buffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS) return fd;
    problem("connect", strerror(errno));
    close(fd);
    return LINK_BROKEN;
}

/* --- TLS contexts --- */

static const char *tls_reason(void) {
    static char text[160];
    unsigned long code = ERR_get_error();
    if (!code) return "the connection ended";
    ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return text;
}

static SSL_CTX *tls_context(const SSL_METHOD *method) {
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context) fail("OpenSSL: %s", tls_reason());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, TLS_READ_BUFFER);
    return context;
}

SSL_CTX *tls_server(const char *cert, const char *key) {
    SSL_CTX *context = tls_context(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1) fail("--cert %s: %s", cert, tls_reason());
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) fail("--key %s: %s", key, tls_reason());
    if (SSL_CTX_check_private_key(context) != 1) fail("--key %s does not belong to --cert %s", key, cert);
    return context;
}

/* As browsers do on processors that have AES: AES-128 first. OpenSSL's own order begins with AES-256. */
static const char BROWSERS_ORDER[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

SSL_CTX *tls_client(const char *ca) {
    static const unsigned char protocols[] = "\x08http/1.1";
    SSL_CTX *context = tls_context(TLS_client_method());
    if (SSL_CTX_set_ciphersuites(context, BROWSERS_ORDER) != 1) fail("OpenSSL: %s", tls_reason());
    if (SSL_CTX_load_verify_locations(context, ca, NULL) != 1) fail("--ca %s: %s", ca, tls_reason());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1);
    return context;
}

/* --- links --- */

void link_watch(struct link *link, uint32_t events, void *owner) {
    struct epoll_event event = {.events = events, .data = {.ptr = owner}};
    if (link->watched == events) return;
    if (epoll_ctl(poller, link->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, link->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
    link->watched = events;
}

void link_close(struct link *link) {
    if (link->ssl) {
        SSL_shutdown(link->ssl); /* also what lets the session be resumed */
        SSL_free(link->ssl);
        ERR_clear_error();
    }
    if (link->fd >= 0) close(link->fd);
    *link = (struct link){.fd = -1};
}

void link_secure(struct link *link, SSL_CTX *context) {
    link->ssl = SSL_new(context);
    if (!link->ssl || SSL_set_fd(link->ssl, link->fd) != 1) fail("OpenSSL: %s", tls_reason());
}

/* What a call of OpenSSL that gave `result` means: LINK_END, LINK_AGAIN or LINK_BROKEN. */
static int tls_outcome(struct link *link, int result) {
    int error = SSL_get_error(link->ssl, result);
    link->wants = error == SSL_ERROR_WANT_WRITE ? EPOLLOUT : EPOLLIN;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return LINK_AGAIN;
    if (error == SSL_ERROR_ZERO_RETURN) return LINK_END;
    long verdict = SSL_get_verify_result(link->ssl);
    if (verdict != X509_V_OK)
        problem("TLS: certificate refused", X509_verify_cert_error_string(verdict));
    else
        problem("TLS", tls_reason());
    ERR_clear_error();
    return LINK_BROKEN;
}

int link_handshake(struct link *link) {
    int result = SSL_do_handshake(link->ssl);
    if (result == 1) return 1;
    result = tls_outcome(link, result);
    return result == LINK_END ? LINK_BROKEN : result;
}

static ssize_t plain_outcome(const char *what, ssize_t result) {
    if (result >= 0) return result;
    if (errno == EAGAIN || errno == EINTR) return LINK_AGAIN;
    problem(what, strerror(errno));
    return LINK_BROKEN;
}

ssize_t link_read(struct link *link, void *to, size_t size) {
    if (!link->ssl) return plain_outcome("read", recv(link->fd, to, size, 0));
    int result = SSL_read(link->ssl, to, size > INT32_MAX ? INT32_MAX : (int)size);
    link->drained = result <= 0;
    return result > 0 ? result : tls_outcome(link, result);
}

ssize_t link_write(struct link *link, const void *from, size_t size) {
    if (!link->ssl) return plain_outcome("write", send(link->fd, from, size, MSG_NOSIGNAL));
    int result = SSL_write(link->ssl, from, size > INT32_MAX ? INT32_MAX : (int)size);
    if (result > 0) return result;
    result = tls_outcome(link, result);
    return result == LINK_END ? LINK_BROKEN : result;
}

ssize_t link_discard(struct link *link, size_t size) {
    static char nowhere[1 << 20]; /* TCP leaves it alone under MSG_TRUNC: tcp(7) */
    return plain_outcome("read", recv(link->fd, nowhere, size < sizeof nowhere ? size : sizeof nowhere, MSG_TRUNC));
}

/* Part of a record is pending too, but only epoll can tell when the rest is there. */
bool link_holds(const struct link *link) { return link->ssl && !link->drained && SSL_has_pending(link->ssl); }

/* --- kept bytes --- */

void keep(struct kept *kept, const char *bytes, size_t size) {
    if (!size) return;
    if (kept->from + kept->size + size > kept->room) {
        size_t room = kept->size + size;
        char *larger = malloc(room);
        if (!larger) fail("no memory for %zu bytes", room);
        if (kept->size) memcpy(larger, kept->bytes + kept->from, kept->size);
        free(kept->bytes);
        *kept = (struct kept){.bytes = larger, .size = kept->size, .room = room};
    }
    memcpy(kept->bytes + kept->from + kept->size, bytes, size);
    kept->size += size;
}

void keep_drop(struct kept *kept, size_t size) {
    kept->from += size;
    kept->size -= size;
    if (!kept->size) keep_clear(kept);
}

void keep_clear(struct kept *kept) {
    free(kept->bytes);
    *kept = (struct kept){0};
}
