/* A WebSocket of upstream: each message goes back as it came, unmasked.
 *
 * A message of up to ECHO_WHOLE bytes is waited for and goes back in one write; a larger one goes back piece by piece, so
 * that a connection never holds it. */
#include <string.h>

#include "upstream.h"

enum { ECHO_WHOLE = 65536, CONTROL_MAX = 125 };

static void end_with(struct visitor *visitor, unsigned code) {
    char frame[4] = {(char)0x88, 2, (char)(code >> 8), (char)code};
    send_bytes(visitor, frame, sizeof frame);
    visitor->stage = ENDING;
}

/* Sends `size` payload bytes behind a head for the whole frame, which takes the place of the client's: that is 4 bytes longer. */
static void send_frame(struct visitor *visitor, const struct frame *frame, char *payload, size_t size, uint8_t first) {
    size_t head = frame_head_size(frame->size, false);
    frame_mask(payload, size, frame->mask, 0);
    frame_build(payload - head, first, frame->size, NULL);
    send_bytes(visitor, payload - head, head + size);
}

static void count_message(const struct frame *frame) {
    if (frame_final(frame)) counters.messages++;
}

static void take_control(struct visitor *visitor, const struct frame *frame, char *payload) {
    switch (frame_opcode(frame)) {
    case OP_PING:
        send_frame(visitor, frame, payload, (size_t)frame->size, 0x80 | OP_PONG);
        break;
    case OP_CLOSE:
        send_frame(visitor, frame, payload, (size_t)frame->size, 0x80 | OP_CLOSE);
        visitor->stage = ENDING;
        break;
    default:
        break; /* nobody waits for a pong */
    }
}

/* The next piece of a message that is too large to wait for. */
static size_t take_piece(struct visitor *visitor, char *bytes, size_t size) {
    if (size > visitor->frame_left) size = (size_t)visitor->frame_left;
    frame_mask(bytes, size, visitor->frame.mask, visitor->frame.size - visitor->frame_left);
    visitor->frame_left -= size;
    if (!visitor->frame_left) count_message(&visitor->frame);
    send_bytes(visitor, bytes, size);
    return size;
}

static size_t start_large(struct visitor *visitor, const struct frame *frame, char *payload, size_t size) {
    visitor->frame = *frame;
    visitor->frame_left = frame->size - size;
    send_frame(visitor, frame, payload, size, frame->first);
    return frame->head + size;
}

size_t take_frame(struct visitor *visitor, char *bytes, size_t size) {
    struct frame frame;
    if (visitor->frame_left) return take_piece(visitor, bytes, size);
    if (!frame_parse(&frame, bytes, size)) return 0;
    bool control = frame_opcode(&frame) & 8;
    if (!frame.masked || (frame.first & 0x70) || (control && frame.size > CONTROL_MAX)) {
        end_with(visitor, 1002);
        return size;
    }
    size_t here = size - frame.head;
    if (frame.size > ECHO_WHOLE && here < frame.size) return start_large(visitor, &frame, bytes + frame.head, here);
    if (here < frame.size) return 0;
    if (control) {
        take_control(visitor, &frame, bytes + frame.head);
    } else {
        count_message(&frame);
        send_frame(visitor, &frame, bytes + frame.head, (size_t)frame.size, frame.first);
    }
    return frame.head + (size_t)frame.size;
}
