/* What upstream and load both need of HTTP/1.1 (RFC 9112) and WebSocket (RFC 6455): lines of a head, chunks, frames. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- heads --- */

struct line {
    const char *name, *value;
    size_t name_size, value_size;
};

const char *head_end(const char *bytes, size_t size);                         /* behind the empty line; NULL = not all here */
const char *head_line(const char *at, const char *end, struct line *line);    /* the line at `at`; returns the next, NULL = no more */
bool line_is(const struct line *line, const char *name, size_t name_size);
bool value_has(const struct line *line, const char *token);                   /* anywhere in it, in any case */
int64_t value_number(const struct line *line);                                /* -1 = not a number */
#define LINE_IS(line, name) line_is(line, name, sizeof(name) - 1)

/* --- chunked bodies --- */

struct chunks {
    uint64_t left;
    uint8_t state;
    uint8_t digits;
};

/* Takes what belongs to the body; adds its data bytes to *data. Returns how many bytes it took, -1 = not chunked. */
int64_t chunks_take(struct chunks *chunks, const char *bytes, size_t size, uint64_t *data);
bool chunks_done(const struct chunks *chunks);

/* --- WebSocket --- */

enum { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum { FRAME_HEAD_MAX = 14, ACCEPT_SIZE = 28 };

struct frame {
    uint64_t size; /* of the payload */
    uint8_t head;  /* bytes before the payload */
    uint8_t first; /* FIN, RSV and opcode as they came */
    bool masked;
    uint8_t mask[4];
};

static inline unsigned frame_opcode(const struct frame *frame) { return frame->first & 0x0f; }
static inline bool frame_final(const struct frame *frame) { return frame->first & 0x80; }

bool frame_parse(struct frame *frame, const char *bytes, size_t size); /* false = needs more bytes */
size_t frame_head_size(uint64_t size, bool masked);
size_t frame_build(char *to, uint8_t first, uint64_t size, const uint8_t *mask); /* the head; mask NULL = unmasked */
void frame_mask(char *bytes, size_t size, const uint8_t mask[4], uint64_t offset); /* offset of `bytes` in the payload */
void websocket_accept(const char *key, size_t key_size, char accept[ACCEPT_SIZE + 1]);

#endif
