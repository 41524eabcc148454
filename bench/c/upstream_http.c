/* What upstream answers to a request: a body of the asked size, the count of an uploaded body, a 101, or its counters. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "upstream.h"

enum { HEAD_MAX = 65536, ANSWER_HEAD = 768, KINDS = 64 };

struct request {
    const char *method, *path;
    size_t method_size, path_size;
    int64_t body_size;
    const char *key; /* of a WebSocket */
    size_t key_size;
    bool old, chunked, upgrade, wants_continue, close, keep_alive;
};

/* An answer's head stays the same for a second: what was written last for a size is found again. */
struct written {
    uint64_t body_size;
    time_t second;
    size_t head_size;
    char head[ANSWER_HEAD];
};
static struct written written[KINDS];

/* --- reading a head --- */

static void read_line(struct request *request, const struct line *line) {
    switch (line->name_size) {
    case 6:
        if (LINE_IS(line, "Expect")) request->wants_continue = value_has(line, "100-continue");
        break;
    case 7:
        if (LINE_IS(line, "Upgrade")) request->upgrade = value_has(line, "websocket");
        break;
    case 10:
        if (!LINE_IS(line, "Connection")) break;
        request->close = value_has(line, "close");
        request->keep_alive = value_has(line, "keep-alive");
        break;
    case 14:
        if (LINE_IS(line, "Content-Length")) request->body_size = value_number(line);
        break;
    case 17:
        if (LINE_IS(line, "Transfer-Encoding")) request->chunked = value_has(line, "chunked");
        if (!LINE_IS(line, "Sec-WebSocket-Key")) break;
        request->key = line->value;
        request->key_size = line->value_size;
        break;
    default:
        break;
    }
}

/* False = this is no request. */
static bool read_head(struct request *request, const char *at, const char *end) {
    const char *stop = memchr(at, '\r', (size_t)(end - at)), *space = memchr(at, ' ', (size_t)(stop - at));
    if (!space) return false;
    const char *second = memchr(space + 1, ' ', (size_t)(stop - space - 1));
    if (!second || stop - second != 9 || memcmp(second + 1, "HTTP/1.", 7) != 0) return false;
    *request = (struct request){.method = at, .method_size = (size_t)(space - at), .path = space + 1};
    request->path_size = (size_t)(second - request->path);
    request->old = second[8] == '0';
    struct line line;
    for (at = stop + 2; (at = head_line(at, end, &line));) read_line(request, &line);
    return request->body_size >= 0;
}

static bool method_is(const struct request *request, const char *method) {
    return request->method_size == strlen(method) && memcmp(request->method, method, request->method_size) == 0;
}

/* The n of a last segment `<n>b`, or -1. */
static int64_t asked_size(const struct request *request) {
    const char *query = memchr(request->path, '?', request->path_size);
    const char *end = query ? query : request->path + request->path_size, *at = end;
    while (at > request->path && at[-1] != '/') at--;
    struct line segment = {.value = at, .value_size = end > at ? (size_t)(end - at - 1) : 0};
    return end > at && end[-1] == 'b' ? value_number(&segment) : -1;
}

/* --- answers --- */

static time_t now_second;
static char now_date[40];

static void read_clock(void) {
    struct tm parts;
    time_t second = time(NULL);
    if (second == now_second) return;
    now_second = second;
    strftime(now_date, sizeof now_date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&second, &parts));
}

void prepare_answers(void) { read_clock(); }

static size_t write_head(char *to, const char *status, uint64_t body_size, bool close) {
    int size = snprintf(to, ANSWER_HEAD,
                        "HTTP/1.1 %s\r\n"
                        "Cache-Control: private, must-revalidate, max-age=0\r\n"
                        "Content-Length: %llu\r\n"
                        "Content-Type: application/json; charset=UTF-8\r\n"
                        "ETag: \"5d8c72a5-%llx\"\r\n"
                        "Server: Microsoft-HTTPAPI/2.0\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "X-Frame-Options: SAMEORIGIN\r\n"
                        "Date: %s\r\n"
                        "%s\r\n",
                        status, (unsigned long long)body_size, (unsigned long long)body_size, now_date,
                        close ? "Connection: close\r\n" : "");
    return (size_t)size;
}

/* Answers with a body of that many bytes, all of them the shared ones. */
static void answer_size(struct visitor *visitor, uint64_t body_size) {
    struct written *found = &written[(body_size ^ body_size >> 6) % KINDS];
    read_clock();
    if (visitor->close_after || found->second != now_second || found->body_size != body_size) {
        found->head_size = write_head(found->head, "200 OK", body_size, visitor->close_after);
        found->body_size = body_size;
        found->second = visitor->close_after ? 0 : now_second;
    }
    send_answer(visitor, found->head, found->head_size, visitor->head_only ? 0 : body_size);
}

static void answer_text(struct visitor *visitor, const char *status, const char *text) {
    char answer[ANSWER_HEAD + 256];
    size_t size = strlen(text), head_size;
    read_clock();
    head_size = write_head(answer, status, size, visitor->close_after);
    memcpy(answer + head_size, text, size);
    send_bytes(visitor, answer, head_size + (visitor->head_only ? 0 : size));
}

static void answer_count(struct visitor *visitor) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)visitor->body_taken);
    answer_text(visitor, "200 OK", text);
    visitor->stage = visitor->close_after ? ENDING : HEAD;
}

static void answer_upgrade(struct visitor *visitor, const struct request *request) {
    char accept[ACCEPT_SIZE + 1], answer[ANSWER_HEAD];
    websocket_accept(request->key, request->key_size, accept);
    read_clock();
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\nDate: %s\r\n\r\n",
                        accept, now_date);
    send_bytes(visitor, answer, (size_t)size);
    visitor->stage = TUNNEL;
}

/* Who asks for the counters is not in them. */
static void answer_counters(struct visitor *visitor, bool reset) {
    char text[240];
    if (visitor->counted) {
        visitor->counted = false;
        counters.open--;
        if (counters.connections) counters.connections--;
    }
    snprintf(text, sizeof text, "{\"requests\": %llu, \"bodies\": %llu, \"messages\": %llu, \"connections\": %llu, \"open\": %llu}\n",
             (unsigned long long)counters.requests, (unsigned long long)counters.bodies, (unsigned long long)counters.messages,
             (unsigned long long)counters.connections, (unsigned long long)counters.open);
    answer_text(visitor, "200 OK", text);
    if (reset) counters = (struct counters){.open = counters.open};
}

static bool path_is(const struct request *request, const char *path) {
    return request->path_size == strlen(path) && memcmp(request->path, path, request->path_size) == 0;
}

static void answer_get(struct visitor *visitor, const struct request *request) {
    int64_t size = asked_size(request);
    if (size >= 0)
        answer_size(visitor, (uint64_t)size);
    else if (visitor->head_only)
        answer_text(visitor, "200 OK", "0");
    else
        answer_text(visitor, "404 Not Found", "want a path that ends in /<n>b\n");
}

static bool counters_asked(struct visitor *visitor, const struct request *request) {
    bool reset = path_is(request, "/counters?reset=1");
    if (visitor->link.ssl || (!reset && !path_is(request, "/counters"))) return false;
    answer_counters(visitor, reset);
    return true;
}

/* --- one request --- */

static void answer_request(struct visitor *visitor, const struct request *request) {
    bool get = method_is(request, "GET");
    visitor->head_only = method_is(request, "HEAD");
    visitor->close_after = request->close || (request->old && !request->keep_alive);
    visitor->stage = visitor->close_after ? ENDING : HEAD;
    if (get && counters_asked(visitor, request)) return;
    counters.requests++;
    visitor->body_taken = 0;
    visitor->body_left = (uint64_t)request->body_size;
    if (request->wants_continue) send_bytes(visitor, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (request->chunked) {
        visitor->chunks = (struct chunks){0};
        visitor->stage = CHUNKED_BODY;
    } else if (visitor->body_left) {
        visitor->stage = BODY;
    } else if (get && request->upgrade && request->key) {
        answer_upgrade(visitor, request);
    } else if (get || visitor->head_only) {
        answer_get(visitor, request);
    } else {
        answer_count(visitor);
    }
}

size_t take_head(struct visitor *visitor, char *bytes, size_t size) {
    struct request request;
    const char *end = head_end(bytes, size);
    if (!end && size < HEAD_MAX) return 0;
    if (end && read_head(&request, bytes, end)) {
        answer_request(visitor, &request);
        return (size_t)(end - bytes);
    }
    visitor->close_after = true;
    answer_text(visitor, "400 Bad Request", "this is no request\n");
    visitor->stage = ENDING;
    return size;
}

void body_arrived(struct visitor *visitor, uint64_t size) {
    visitor->body_taken += size;
    visitor->body_left -= size;
    counters.bodies += size;
    if (!visitor->body_left) answer_count(visitor);
}

size_t take_body(struct visitor *visitor, char *bytes, size_t size) {
    uint64_t data = 0;
    if (visitor->stage == BODY) {
        if (size > visitor->body_left) size = (size_t)visitor->body_left;
        body_arrived(visitor, size);
        return size;
    }
    int64_t taken = chunks_take(&visitor->chunks, bytes, size, &data);
    if (taken < 0) {
        visitor->stage = DEAD;
        return 0;
    }
    visitor->body_taken += data;
    counters.bodies += data;
    if (chunks_done(&visitor->chunks)) answer_count(visitor);
    return (size_t)taken;
}
