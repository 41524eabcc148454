/* The parts of upstream: a connection and its output (upstream.c), requests (upstream_http.c), tunnels (upstream_echo.c). */
#ifndef BENCH_UPSTREAM_H
#define BENCH_UPSTREAM_H

#include "http.h"
#include "net.h"

/* One read. A connection keeps at most this much unread input and as much unsent output: half a megabyte in all. */
#define INPUT_SIZE ((size_t)262144)

enum stage { SECURING, HEAD, BODY, CHUNKED_BODY, TUNNEL, ENDING /* when the output is out */, LEAVING, DEAD };

struct visitor {
    struct link link;
    uint8_t stage;
    bool close_after;       /* end the connection behind this answer */
    bool counted;           /* false for who asked for /counters */
    bool head_only;         /* the request was a HEAD */
    uint64_t body_left;     /* of the request */
    uint64_t body_taken;
    struct chunks chunks;
    uint64_t answer_left;   /* bytes of the answer's body, all from the shared one */
    struct kept input;      /* came, not understood yet */
    struct kept output;     /* goes out before the rest of the answer's body */
    struct frame frame;     /* the message that is echoed piece by piece */
    uint64_t frame_left;
};

struct counters {
    uint64_t requests, bodies, messages, connections, open;
};
extern struct counters counters;

static inline bool blocked(const struct visitor *visitor) { return visitor->output.size || visitor->answer_left; }

/* Each takes what it can from the bytes and returns how many; 0 = needs more. They may change the stage. */
size_t take_head(struct visitor *visitor, char *bytes, size_t size);
size_t take_body(struct visitor *visitor, char *bytes, size_t size);
size_t take_frame(struct visitor *visitor, char *bytes, size_t size);
void body_arrived(struct visitor *visitor, uint64_t size);

void prepare_answers(void); /* once, before the first request */
void send_bytes(struct visitor *visitor, const char *bytes, size_t size);
void send_answer(struct visitor *visitor, const char *head, size_t head_size, uint64_t body_size);

#endif
